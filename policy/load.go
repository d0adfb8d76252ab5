package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// Policy is who may connect. It is a zap.Handler; its methods are safe for concurrent
// use.
type Policy struct {
	file    string // "" for one that comes from none
	log     *slog.Logger
	current atomic.Pointer[snapshot]
	memory  *memory

	mu       sync.Mutex            // held to change what is in force
	rules    Rules                 // of a program, in force
	stamp    follow.Stamp          // of the file that is in force
	told     [sha256.Size]byte     // of what was last told to be in force
	stores   map[string]*openStore // those in use that are the policy's own, by their URLs
	follower func(*openStore)      // starts to follow one; nil unless Watch runs
	deaf     bool                  // for tests: see follow.Follower
	poll     time.Duration         // the same
}

// openStore is a keystore that a policy uses.
type openStore struct {
	keystore.Store
	stop func() // ends what follows it, and waits for it; nil if nothing does
}

// close ends the use of a store.
func (s *openStore) close() {
	if s.stop != nil {
		s.stop()
	}
	s.Close()
}

func newPolicy(file string, o Options) (*Policy, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch o.State {
	case "":
		o.State = file + stateSuffix
	case StateNone:
		o.State = ""
	}
	m, err := openMemory(o.State)
	if err != nil {
		return nil, err
	}
	m.readOnly = o.ReadOnly
	return &Policy{file: file, log: o.Log, memory: m}, nil
}

// stateSuffix is what the name of a policy's state has behind that of its file.
const stateSuffix = ".state"

// Load reads a policy from a file and opens the keystores that it names. What in
// it is unwise is in the log. The error is Errors, with every fault of the file, or
// tells why it can't be read, or what is wrong with the state.
func Load(file string, o Options) (*Policy, error) {
	p, err := newPolicy(file, o)
	if err != nil {
		return nil, err
	}
	if err := p.reload(); err != nil {
		return nil, err
	}
	return p, nil
}

// readFile reads a policy file.
func readFile(file string) (*config, follow.Stamp, error) {
	text, stamp, err := follow.ReadStill(file, maxFile)
	if err != nil {
		return nil, stamp, fmt.Errorf("policy: %w", err)
	}
	c, err := parse(file, text)
	if err != nil {
		return nil, stamp, err
	}
	c.isFile, c.sum = true, sha256.Sum256(text)
	return c, stamp, nil
}

// Handle decides. No decision sees half of a change.
func (p *Policy) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	return p.current.Load().decide(ctx, req, time.Now())
}

// HandleAtOnce decides about what takes no time: everything but passwords. See
// zap.PromptHandler.
func (p *Policy) HandleAtOnce(req *zap.Request) (reply zap.Reply, ok bool) {
	if req.Mechanism == zap.Plain {
		return zap.Reply{}, false
	}
	return p.current.Load().decide(context.Background(), req, time.Now()), true
}

// Revoked reports whether a key is refused in every domain, and says why.
func (p *Policy) Revoked(key curve.PublicKey) (reason string, ok bool) {
	s := p.current.Load()
	for _, d := range s.domains {
		if d.curve != nil { // each knows what the whole policy has
			reason, _, _ = d.curve.revocation(key, time.Now())
			return reason, reason != ""
		}
	}
	return "", false
}

// Reload reads the file and its revocation lists again, and then all that is in its
// keystores. If anything is wrong with the file or a list, everything stays as it was;
// a keystore that can't be read stays as it was, and is an error too.
func (p *Policy) Reload() error {
	if err := p.reload(); err != nil {
		return err
	}
	p.mu.Lock()
	stores := slices.Collect(maps.Values(p.stores))
	p.mu.Unlock()
	var errs []error
	for _, s := range stores {
		errs = append(errs, s.Reload())
	}
	return errors.Join(append(errs, p.learn())...)
}

// reload applies what the file says now, or the rules of a program again.
func (p *Policy) reload() error {
	if p.file == "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.applyRulesLocked(p.rules)
	}
	c, stamp, err := readFile(p.file)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.applyLocked(c); err != nil {
		return err
	}
	p.stamp = stamp
	return nil
}

// applyRulesLocked applies rules of a program.
func (p *Policy) applyRulesLocked(rules Rules) error {
	c, err := rules.config()
	if err != nil {
		return err
	}
	if err := p.applyLocked(c); err != nil {
		return err
	}
	p.rules = c.rules
	return nil
}

// applyLocked exchanges the policy for another, as a whole or not at all.
func (p *Policy) applyLocked(c *config) error {
	used := map[string]*openStore{}
	s, err := newSnapshot(c, func(url string) (keystore.Store, error) { return p.open(url, used) }, p.memory)
	old := p.current.Load()
	if err == nil {
		// Also what stores know that are used no longer.
		stores := s.stores
		if old != nil {
			stores = slices.Concat(stores, old.stores)
		}
		// At a start, what can't be remembered would be forgotten by the next one. Later
		// it is worse not to apply what was revoked: it is remembered once it can be.
		if err = p.memory.learn(stores, s.revocationLists()); old != nil {
			err = nil
		}
	}
	if err != nil {
		closeUnless(used, p.stores) // what was opened for nothing
		return err
	}
	if old != nil {
		s.limiter = old.limiter // an address that failed too often stays refused
	}
	p.current.Store(s)
	p.learnFromLeaving(used)
	closeUnless(p.stores, used)
	p.stores = used
	p.tellLocked(c, s)
	return nil
}

// tellLocked logs what is in force, unless that is known already.
func (p *Policy) tellLocked(c *config, s *snapshot) {
	sum := s.sum(c.sum)
	if sum == p.told {
		return
	}
	p.told = sum
	is := s.summary()
	p.log.Info("policy loaded", "file", c.file, "domains", strings.Join(is.domains, ","), "mechanisms", strings.Join(is.mechanisms, ","),
		"identities", is.identities, "accounts", is.accounts)
	for _, w := range slices.Concat(c.warnings, is.open, s.unwise(c, time.Now())) {
		p.warn(w)
	}
}

func (p *Policy) warn(w warning) {
	if w.rule == "" {
		p.log.Warn("policy warning", "reason", w.text)
	} else {
		p.log.Warn("policy warning", "rule", w.rule, "reason", w.text)
	}
}

// open returns a keystore, open already or not, and notes it as used.
func (p *Policy) open(url string, used map[string]*openStore) (keystore.Store, error) {
	if s := used[url]; s != nil {
		return s, nil
	}
	if s := p.stores[url]; s != nil {
		used[url] = s
		return s, nil
	}
	store, err := keystore.Open(url, p.log)
	if err != nil {
		return nil, err
	}
	s := &openStore{Store: store}
	used[url] = s
	if p.follower != nil {
		p.follower(s)
	}
	return s, nil
}

// closeUnless closes the stores that are not among others.
func closeUnless(stores, others map[string]*openStore) {
	for url, s := range stores {
		if others[url] != s {
			s.close()
		}
	}
}

// learnFromLeaving reads the stores that aren't used any more once again, to remember
// what was revoked in them since they were read last: a key may be revoked, and its
// keystore taken out of the policy, within a moment. The policy is in force by then: a
// keystore may leave because its disk doesn't answer.
func (p *Policy) learnFromLeaving(used map[string]*openStore) {
	stores := p.current.Load().stores
	for url, s := range p.stores {
		if used[url] == s {
			continue
		}
		if err := s.Reload(); err != nil {
			p.log.Warn("a keystore that leaves the policy can't be read again: what was revoked in it in the last second may be forgotten", "err", err)
		}
		stores = append(slices.Clip(stores), s)
	}
	_ = p.memory.learn(stores, nil) // what can't be written now is in force, and written later
}

// learn remembers what was revoked since it was asked last.
func (p *Policy) learn() error {
	s := p.current.Load()
	return p.memory.learn(s.stores, s.revocationLists())
}

// Close remembers what was revoked since, and ends the use of the keystores. The policy
// must not be used afterwards. The error is that of writing the state.
func (p *Policy) Close() error {
	var err error
	if p.current.Load() != nil {
		err = p.learn()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	closeUnless(p.stores, nil)
	p.stores = nil
	return err
}

// A Summary describes a valid policy file.
type Summary struct {
	Domains    []string // sorted; "*" stands for all others
	Mechanisms []string // that some domain allows
	Identities int      // in its keystores
	Groups     int      // that have identities in them
	Accounts   int      // of PLAIN
	Warnings   []string // what works and is probably not meant
}

// Check checks a policy file, the keystores it names and its revocation lists, and
// changes nothing. If the file is invalid, the error joins every fault, as that of Load
// does.
func Check(file string, o Options) (Summary, error) {
	o.Log = nil
	p, err := newPolicy(file, o)
	if err != nil {
		return Summary{}, err
	}
	c, _, err := readFile(file)
	if err != nil {
		return Summary{}, err
	}
	p.stores = map[string]*openStore{}
	defer p.Close()
	s, err := newSnapshot(c, func(url string) (keystore.Store, error) { return p.open(url, p.stores) }, p.memory)
	if err != nil {
		return Summary{}, err
	}
	is := s.summary()
	sum := Summary{Domains: is.domains, Mechanisms: is.mechanisms, Identities: is.identities, Groups: s.countGroups(), Accounts: is.accounts}
	for _, w := range slices.Concat(c.warnings, is.open, s.unwise(c, time.Now())) {
		sum.Warnings = append(sum.Warnings, w.String())
	}
	return sum, nil
}
