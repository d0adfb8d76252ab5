package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
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

// A Policy decides which clients to admit. It is a zap.Handler. Each decision uses one
// version of the rules, old or new. The zero value refuses every client; New, Load and
// Default return a Policy. Safe for concurrent use.
type Policy struct {
	file    string // "" for rules of a program
	log     *slog.Logger
	current atomic.Pointer[snapshot]
	memory  *memory
	keeper  keeper // of open admissions

	mu       sync.Mutex            // held to change the fields below, and current
	loads    Loads                 // see Report
	rules    Rules                 // of the program
	stamp    follow.Stamp          // of the file
	told     [sha256.Size]byte     // the sum of the policy that was logged last
	stores   map[string]*openStore // that the policy opened, by URL
	closed   bool
	follower func(*openStore) // starts watching a store; nil unless Watch runs
	deaf     bool             // for tests: see follow.Follower
	poll     time.Duration    // for tests: see follow.Follower
}

// openStore is a keystore that a policy opened.
type openStore struct {
	keystore.Store
	stop func() // ends its Watch and waits for that; nil if it isn't watched
}

// close ends the store's Watch and closes it.
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
	p := &Policy{file: file, log: o.Log, memory: m}
	m.learned = p.keeper.learned
	return p, nil
}

// stateSuffix is added to the name of a policy file for its state file.
const stateSuffix = ".state"

// Load reads a policy file and opens the keystores that it names. Warnings go to the log.
// If the file is invalid, the error lists every fault: an errors.Join of *cert.SyntaxError.
// If the state can't be written, the error wraps ErrStateWrite.
func Load(file string, o Options) (*Policy, error) {
	p, err := newPolicy(file, o)
	if err != nil {
		return nil, err
	}
	if err := p.reload(true); err != nil {
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

// Handle decides whether to admit a client.
func (p *Policy) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	return p.current.Load().decide(ctx, req, time.Now())
}

// HandleAtOnce is like Handle, but ok is false for decisions that can take time: about
// PLAIN, because of the password, and about keys in a domain with a Reader that isn't a
// keystore.Store. See zap.PromptHandler.
func (p *Policy) HandleAtOnce(req *zap.Request) (reply zap.Reply, ok bool) {
	s := p.current.Load()
	if !s.isPrompt(req) {
		return zap.Reply{}, false
	}
	return s.decide(context.Background(), req, time.Now()), true
}

// Revoked reports whether a key is revoked and why. Every domain refuses a revoked key.
func (p *Policy) Revoked(key curve.PublicKey) (reason string, ok bool) {
	s := p.current.Load()
	if s == nil {
		return "", false
	}
	for _, d := range s.domains { // any section knows the whole policy
		reason, _, _ = d.keys.revocation(key, time.Now())
		break
	}
	return reason, reason != ""
}

// Reload reloads the policy file, its revocation lists and its keystores, but not the
// keystores of the program. If the file or a list is invalid, nothing changes. A keystore
// that can't be read stays as it was; Reload reloads the others and returns an error.
func (p *Policy) Reload() error {
	if err := p.usable(); err != nil {
		return err
	}
	if err := p.reload(true); err != nil {
		return err
	}
	p.mu.Lock()
	stores := slices.Collect(maps.Values(p.stores))
	p.mu.Unlock()
	var errs []error
	for _, s := range stores {
		errs = append(errs, s.Reload())
	}
	errs = append(errs, p.learn())
	p.keeper.checkAll() // for keystores of the program that report no changes
	return errors.Join(errs...)
}

// usable returns an error for the zero value.
func (p *Policy) usable() error {
	if p.memory == nil {
		return errors.New("policy: not made by New, Load or Default")
	}
	return nil
}

// reload reads the file and its lists, or the lists of a program's rules, and applies them. It
// counts that, except if nobody asked for it and nothing has changed: Watch reads a file that was
// written lately again and again.
func (p *Policy) reload(asked bool) error {
	var c *config
	var stamp follow.Stamp
	var err error
	if p.file != "" {
		c, stamp, err = readFile(p.file)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.told
	switch {
	case p.file == "":
		err = p.applyRulesLocked(p.rules)
	case err == nil:
		err = p.applyLocked(c)
	}
	if asked || err != nil || p.told != before || p.loads.Failed != "" {
		err = p.loads.note(err)
	}
	if err == nil {
		p.stamp = stamp
	}
	return err
}

// applyRulesLocked applies a program's rules.
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

// applyLocked replaces the policy as a whole, or leaves it unchanged.
func (p *Policy) applyLocked(c *config) error {
	if p.closed {
		return fmt.Errorf("policy: %w", net.ErrClosed)
	}
	used := map[string]*openStore{}
	s, err := newSnapshot(c, func(url string) (keystore.Store, error) { return p.open(url, used) }, p.memory)
	old := p.current.Load()
	if err == nil {
		// Learn from the stores that are no longer used, too.
		stores := s.stores
		if old != nil {
			stores = slices.Concat(stores, old.stores)
		}
		// At the start, the state must be written: otherwise, the next start would forget
		// it. Later, applying revocations is more important, and the state is written
		// once that is possible.
		if err = p.memory.learn(stores, s.revocationLists()); old != nil {
			err = nil
		}
	}
	if err != nil {
		closeUnless(used, p.stores) // these were opened, but will not be used
		return err
	}
	s.digest, s.since = c.sum, time.Now()
	if old != nil {
		if old.digest == s.digest {
			s.since = old.since
		}
		s.limiter = old.limiter // an address that failed too often stays refused
		for name, d := range s.domains {
			if before := old.domains[name]; before != nil {
				d.plain.inherit(before.plain)
			}
		}
	}
	p.keeper.follow(s.stores) // before s applies, so that no change is missed
	p.current.Store(s)
	p.keeper.checkAll()
	p.learnFromLeaving(used)
	closeUnless(p.stores, used)
	p.stores = used
	p.tellLocked(c, s)
	return nil
}

// tellLocked logs the policy that was applied, unless it was the last one to be logged.
func (p *Policy) tellLocked(c *config, s *snapshot) {
	sum := s.sum(c.sum)
	if sum == p.told || c.rules[0].at.head.file == defaultName { // Default has nothing to load
		return
	}
	p.told = sum
	is := s.summary()
	log := p.log
	if c.isFile {
		log = log.With("file", c.file)
	}
	log.Info("policy loaded", "domains", strings.Join(is.domains, ","), "mechanisms", strings.Join(is.mechanisms, ","),
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

// open opens a keystore, unless it is open already, and adds it to used.
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

// closeUnless closes the stores that are not in others.
func closeUnless(stores, others map[string]*openStore) {
	for url, s := range stores {
		if others[url] != s {
			s.close()
		}
	}
}

// learnFromLeaving reloads the stores that are no longer used, to remember the keys that
// were revoked in them: a key may be revoked just before its keystore is removed from the
// policy. It runs after the new policy applies, as a keystore may be removed because its
// disk doesn't respond.
func (p *Policy) learnFromLeaving(used map[string]*openStore) {
	stores := p.current.Load().stores
	for url, s := range p.stores {
		if used[url] == s {
			continue
		}
		if err := s.Reload(); err != nil {
			p.log.Warn("reloading a keystore that was removed from the policy failed: its latest revocations may be forgotten", "err", err)
		}
		stores = append(slices.Clip(stores), s)
	}
	_ = p.memory.learn(stores, nil) // the change applies, and is written later
}

// learn remembers the keys that were revoked since the last call.
func (p *Policy) learn() error {
	s := p.current.Load()
	return p.memory.learn(s.stores, s.revocationLists())
}

// Close writes the state and closes the keystores that the policy opened, but not those
// of the program. It may be called more than once. Afterwards, Set and Reload return
// net.ErrClosed, the policy must not be used to decide, and it ends no more admissions (see
// Keep). The first call waits until no end of an admission is being called, so none of those
// functions may call Close. It returns the error from writing the state.
func (p *Policy) Close() error {
	defer p.keeper.wait() // without the lock, which a call of end may need
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	var err error
	if p.current.Load() != nil {
		err = p.learn()
	}
	p.keeper.close()
	closeUnless(p.stores, nil)
	p.stores = nil
	return err
}

// A Summary describes a valid policy file. Plain data.
type Summary struct {
	Domains    []string // sorted; "*" stands for all others
	Mechanisms []string // by which some domain admits clients
	Identities int      // in its keystores
	Groups     int      // that have identities
	Accounts   int      // of PLAIN and SCRAM
	Warnings   []string // about settings that work but are probably mistakes
}

// Check checks a policy file, and the keystores and revocation lists that it names. It
// changes nothing, and returns the same errors as Load.
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
