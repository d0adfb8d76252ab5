package policy

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// Policy is a policy from a file. It is a zap.Handler; its methods are safe for
// concurrent use.
type Policy struct {
	file    string
	log     *slog.Logger
	loaded  fs.FileInfo // of the file before Load read it
	current atomic.Pointer[snapshot]

	pollEvery time.Duration // defaultPollEvery except in tests

	mu     sync.Mutex
	stores map[string]*openStore // those in use, by their URLs
	follow func(*openStore)      // starts to follow one; nil unless Watch runs
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

// Load reads a policy from a file and opens the keystores that it names. What in
// it is unwise is in the log. A nil log is none. The error is Errors, with every
// fault of the file, or tells why it can't be read.
func Load(file string, log *slog.Logger) (*Policy, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Policy{file: file, log: log, pollEvery: defaultPollEvery}
	p.loaded = p.look()
	if err := p.Reload(); err != nil {
		return nil, err
	}
	return p, nil
}

// Handle decides. No decision sees half of a change.
func (p *Policy) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	return p.current.Load().decide(ctx, req, time.Now())
}

// HandleAtOnce decides about what takes no time: everything but passwords. See
// zap.PromptHandler.
func (p *Policy) HandleAtOnce(req *zap.Request) (reply zap.Reply, ok bool) {
	if req.Mechanism == zap.MechanismPlain {
		return zap.Reply{}, false
	}
	return p.current.Load().decide(context.Background(), req, time.Now()), true
}

// Reload reads the file again, and all that is in its keystores. If anything is
// wrong with it, everything stays as it was.
func (p *Policy) Reload() error {
	text, err := readFile(p.file)
	if err != nil {
		return err
	}
	c, err := parseConfig(p.file, text)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	used := map[string]*openStore{}
	s, err := newSnapshot(c, func(url string) (keystore.Store, error) { return p.openLocked(url, used) })
	if err != nil {
		closeUnless(used, p.stores) // what was opened for nothing
		return err
	}
	for _, w := range c.warnings {
		p.log.Warn("policy: " + w)
	}
	p.current.Store(s)
	closeUnless(p.stores, used)
	p.stores = used
	line, open := s.summary()
	p.log.Info("policy in force: "+line, "policy", p.file)
	for _, o := range open {
		p.log.Warn("open to anybody: " + o)
	}
	return nil
}

// openLocked returns a keystore, open already or not, and notes it as used.
func (p *Policy) openLocked(url string, used map[string]*openStore) (keystore.Store, error) {
	if s := used[url]; s != nil {
		return s, nil
	}
	if s := p.stores[url]; s != nil {
		used[url] = s
		return s, s.Reload()
	}
	store, err := keystore.Open(url, p.log)
	if err != nil {
		return nil, err
	}
	s := &openStore{Store: store}
	used[url] = s
	if p.follow != nil {
		p.follow(s)
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

// Close ends the use of the keystores. The policy must not be used afterwards.
func (p *Policy) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	closeUnless(p.stores, nil)
	p.stores = nil
	return nil
}

const (
	// gather is how long changes of the file are gathered before it is read.
	gather = 100 * time.Millisecond
	// defaultPollEvery is how often the file is looked at, for file systems that tell
	// nothing of changes.
	defaultPollEvery = 2 * time.Second
)

// Watch follows the file and its keystores until ctx is done. It first reads what has
// changed since Load. A change that is wrong is in the log, and changes nothing. Run
// it once at a time.
func (p *Policy) Watch(ctx context.Context) error {
	var followers sync.WaitGroup
	defer followers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.mu.Lock()
	p.follow = func(s *openStore) {
		ctx, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		s.stop = func() {
			stop()
			<-done
		}
		followers.Go(func() {
			defer close(done)
			if err := s.Watch(ctx); err != nil {
				p.log.Error("a keystore isn't followed any more", "err", err)
			}
		})
	}
	for _, s := range p.stores {
		p.follow(s)
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.follow = nil
	}()
	return p.watchFile(ctx)
}

// watchFile reads the file again when it has changed.
func (p *Policy) watchFile(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("policy: watching %s failed: %w", p.file, err)
	}
	defer watcher.Close()
	// The directory, because editors put another file in the place of this one.
	if err := watcher.Add(filepath.Dir(p.file)); err != nil {
		p.log.Warn("policy: changes are looked for every two seconds", "err", err)
	}
	last := p.loaded
	poll := time.NewTicker(p.pollEvery)
	defer poll.Stop()
	var changed <-chan time.Time
	for {
		if now := p.look(); isChanged(last, now) {
			last = now
			changed = time.After(gather)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-watcher.Events:
		case <-watcher.Errors:
		case <-poll.C:
		case <-changed:
			changed = nil
			p.tryReload()
		}
	}
}

// look returns how the file looks from outside, or nil if it can't be found.
func (p *Policy) look() fs.FileInfo {
	info, err := os.Stat(p.file)
	if err != nil {
		return nil
	}
	return info
}

// isChanged reports whether a file was changed, replaced, removed or made.
func isChanged(before, now fs.FileInfo) bool {
	if before == nil || now == nil {
		return before != now
	}
	return !os.SameFile(before, now) || before.Size() != now.Size() || !before.ModTime().Equal(now.ModTime())
}

func (p *Policy) tryReload() {
	if err := p.Reload(); err != nil {
		p.log.Error("the policy can't be read: what was in force stays", "err", err)
	}
}

// Check returns the faults of a policy file: Errors, or why it can't be read; and
// what in it is unwise. It opens the keystores that the file names, and closes
// them again.
func Check(file string) (warnings []string, err error) {
	text, err := readFile(file)
	if err != nil {
		return nil, err
	}
	c, err := parseConfig(file, text)
	if err != nil {
		return nil, err
	}
	p := &Policy{file: file, log: slog.New(slog.DiscardHandler), stores: map[string]*openStore{}}
	defer p.Close()
	s, err := newSnapshot(c, func(url string) (keystore.Store, error) { return p.openLocked(url, p.stores) })
	if err != nil {
		return nil, err
	}
	_, open := s.summary()
	return append(c.warnings, open...), nil
}
