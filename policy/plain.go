package policy

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"runtime"
	"sync"
	"time"

	"github.com/zcurve/zcurve/zap"
)

const (
	// remembered is how long a correct password is remembered.
	remembered = time.Minute
	// maxRemembered is the number of passwords that are remembered.
	maxRemembered = 16 << 10
)

// plainRules decides which logins by PLAIN to admit.
type plainRules struct {
	rule     string
	accounts map[string]*account // with a hash
	decoys   []*password         // one for each kind of hash
	cache    *cache
	patience time.Duration // time limit for waiting for a slot
}

// comparing holds a slot for each comparison that runs in the process, as each takes a
// core and memory.
var comparing = make(chan struct{}, runtime.GOMAXPROCS(0))

// defaultPatience is how long services wait for a reply.
const defaultPatience = 5 * time.Second

func newPlainRules(s *plainSection) *plainRules {
	p := &plainRules{rule: s.rule, accounts: map[string]*account{}, cache: newCache(), patience: defaultPatience}
	kinds := map[kind]bool{}
	for _, a := range s.accounts {
		if a.password == nil {
			continue
		}
		p.accounts[a.login] = a
		if k := a.password.kind(); !kinds[k] {
			kinds[k] = true
			p.decoys = append(p.decoys, a.password)
		}
	}
	return p
}

// inherit takes over the correct passwords of earlier rules, if the accounts have the same.
func (p *plainRules) inherit(earlier *plainRules) {
	same := func(a, b *account) bool { return a.password.equal(b.password) }
	if p != nil && earlier != nil && maps.EqualFunc(p.accounts, earlier.accounts, same) {
		p.cache = earlier.cache
	}
}

func (p *plainRules) decide(ctx context.Context, req *zap.Request, now time.Time) zap.Reply {
	login, text := req.Credentials[0], req.Credentials[1]
	a := p.accounts[string(login)]
	sum := p.cache.sum(login, text)
	if a == nil || !p.cache.has(sum, now) {
		matches, err := p.compareInTurn(ctx, a, text)
		if err != nil {
			return zap.Reply{Status: zap.StatusTryLater, Text: "timed out checking the password", Rule: p.rule}
		}
		if !matches {
			return refuse(wrongPassword, p.rule)
		}
		p.cache.add(sum, now)
	}
	return a.reply()
}

const wrongPassword = "wrong user name or password"

// compareInTurn compares once there is a slot. If ctx is done first, it returns ctx's
// error.
func (p *plainRules) compareInTurn(ctx context.Context, a *account, text []byte) (matches bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	select {
	case comparing <- struct{}{}:
		defer func() { <-comparing }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return p.compare(a, text), nil
}

// compare reports whether a password matches an account, which is nil for an unknown
// login. A refusal takes the same work for every login: one comparison with each kind of
// hash that the accounts have.
func (p *plainRules) compare(a *account, text []byte) bool {
	for _, with := range p.comparisons(a) {
		if with.matches(text) && a != nil && with == a.password {
			return true
		}
	}
	return false
}

// comparisons returns the hashes to compare with: the account's, and a decoy of each other
// kind.
func (p *plainRules) comparisons(a *account) []*password {
	var all []*password
	if a != nil {
		all = append(all, a.password)
	}
	for _, d := range p.decoys {
		if a == nil || d.kind() != a.password.kind() {
			all = append(all, d)
		}
	}
	return all
}

// cache remembers correct passwords for a short time, so that many clients can reconnect
// at once without computing a slow hash for each. It stores hashes that depend on a
// random key.
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

// sum returns the hash of a user name and a password. It never leaves the process, so
// hashing the key and then the text is enough.
func (c *cache) sum(login, text []byte) [sha256.Size]byte {
	var room [len(c.key) + 8 + 2*maxLogin]byte
	data := append(room[:0], c.key[:]...)
	data = binary.BigEndian.AppendUint64(data, uint64(len(login)))
	data = append(append(data, login...), text...)
	defer clear(data)
	return sha256.Sum256(data)
}

func (c *cache) has(sum [sha256.Size]byte, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.at[sum]
	return ok && now.Sub(at) < remembered
}

// holds reports whether a password was found correct, however long ago.
func (c *cache) holds(sum [sha256.Size]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.at[sum]
	return ok
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
