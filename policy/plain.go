package policy

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"sync"
	"time"

	"github.com/zcurve/zcurve/zap"
)

const (
	// remembered is how long a password that was right is known to be.
	remembered = time.Minute
	// maxRemembered is how many passwords are known at a time.
	maxRemembered = 16 << 10
)

// plainRules decides about passwords.
type plainRules struct {
	rule     string
	accounts map[string]*account
	decoy    *account // what an unknown user's password is compared with: it takes as long as any
	cache    *cache
	slots    chan struct{} // one for each comparison that runs: each takes a core, and memory
}

func newPlainRules(s *plainSection) *plainRules {
	p := &plainRules{rule: s.rule, accounts: map[string]*account{}, cache: newCache(),
		slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	for _, a := range s.accounts {
		p.accounts[a.login] = a
		if p.decoy == nil || a.password.work() > p.decoy.password.work() {
			p.decoy = a
		}
	}
	return p
}

func (p *plainRules) decide(ctx context.Context, req *zap.Request, now time.Time) zap.Reply {
	if len(req.Credentials) != 2 {
		return refuse("want a user name and a password", p.rule)
	}
	login, text := req.Credentials[0], req.Credentials[1]
	a, known := p.accounts[string(login)]
	if !known {
		a = p.decoy
	}
	sum := p.cache.sum(login, text)
	if !known || !p.cache.has(sum, now) {
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return zap.Reply{Status: zap.StatusTryLater, Text: "no time to compare the password", Rule: p.rule}
		}
		matches := a.password.matches(text)
		<-p.slots
		if !matches || !known {
			return refuse("wrong user name or password", p.rule)
		}
		p.cache.add(sum, now)
	}
	reply := zap.Reply{Status: zap.StatusOK, Text: "OK", Rule: a.rule}
	if isUserID(a.login) {
		reply.UserID = a.login
	}
	if a.group != "" {
		reply.Metadata = zap.Metadata{{Name: "group", Value: []byte(a.group)}}
	}
	return reply
}

// cache knows for a short time which passwords were right, so that clients that
// all come back at once don't cost a hash each. It keeps a hash under a key of its
// own, which is never written down.
type cache struct {
	key [32]byte
	mu  sync.Mutex
	at  map[[sha256.Size]byte]time.Time
}

func newCache() *cache {
	c := &cache{at: map[[sha256.Size]byte]time.Time{}}
	rand.Read(c.key[:])
	return c
}

// sum is what is kept of a user name and a password.
func (c *cache) sum(login, text []byte) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, c.key[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(login))))
	h.Write(login)
	h.Write(text)
	h.Sum(sum[:0])
	return sum
}

func (c *cache) has(sum [sha256.Size]byte, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.at[sum]
	return ok && now.Sub(at) < remembered
}

func (c *cache) add(sum [sha256.Size]byte, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.at) >= maxRemembered {
		for s, at := range c.at {
			if now.Sub(at) >= remembered {
				delete(c.at, s)
			}
		}
	}
	if len(c.at) >= maxRemembered {
		clear(c.at)
	}
	c.at[sum] = now
}
