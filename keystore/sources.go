package keystore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
)

// maxSource is the size in octets of the largest text that is read.
const maxSource = 64 << 20

// source is a store that is one text, an export or armored certificates, which is
// read only.
type source struct {
	memory
	name string
	path string // of a file; "" for what can't change

	follower follow.Follower

	work  sync.Mutex // held to read the text; taken before memory.mu
	stamp follow.Stamp
	sum   [sha256.Size]byte // of the text in force; zero before the first one and once it is gone
}

// openFile reads the identities in a file.
func openFile(path string, log *slog.Logger) (*source, error) {
	s := &source{name: path, path: path, memory: memory{log: log}, follower: follow.Follower{Name: path, Log: log}}
	text, stamp, err := follow.ReadStill(path, maxSource)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	s.stamp = stamp
	return s, s.take(text)
}

// openEnv reads the identities in an environment variable.
func openEnv(name string, log *slog.Logger) (*source, error) {
	s := &source{name: "env:" + name, memory: memory{log: log}}
	text, ok := os.LookupEnv(name)
	if !ok {
		return nil, fmt.Errorf("keystore: the environment variable %s isn't set", name)
	}
	return s, s.take([]byte(text))
}

// Reload reads the text again.
func (s *source) Reload() error {
	if s.path == "" {
		return nil
	}
	s.work.Lock()
	defer s.work.Unlock()
	text, stamp, err := follow.ReadStill(s.path, maxSource)
	if err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	if err := s.take(text); err != nil {
		return err
	}
	s.stamp = stamp
	return nil
}

// Watch follows the file until ctx is done. A text that is wrong leaves in force what
// was known.
func (s *source) Watch(ctx context.Context) error {
	if s.path == "" {
		return s.memory.Watch(ctx)
	}
	var out outage
	s.follower.Follow(ctx, func([]string, bool) follow.Next {
		s.work.Lock()
		defer s.work.Unlock()
		next := follow.Next{Dirs: []string{filepath.Dir(s.path)}}
		if s.stamp.Exists() && s.stamp.IsOf(s.path) {
			return next
		}
		text, stamp, err := follow.Read(s.path, maxSource)
		if errors.Is(err, follow.ErrBusy) {
			next.After = follow.Stillness
			return next
		}
		if err == nil {
			err = s.take(text)
			s.stamp = stamp
		}
		var gone bool
		if gone, next.After = out.note(s.log, s.name, err); gone {
			s.forget()
			s.sum = [sha256.Size]byte{}
		}
		return next
	})
	return nil
}

// errNoCertificates means that a text holds none.
var errNoCertificates = errors.New("neither an exported keystore nor an armored certificate in it")

// take puts in force what is in a text. Everything in it must be whole: no one can
// look after it while it is in use.
func (s *source) take(text []byte) error {
	sum := sha256.Sum256(text)
	if sum == s.sum {
		return nil
	}
	all, err := s.parse(text)
	if err != nil {
		return fmt.Errorf("keystore: %s: %w", s.name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, r := range all.Revocations {
		if old, ok := s.revocations.get(key); !ok || *old.plain() != *r.plain() {
			s.revokeLocked(key, r)
		}
	}
	for key, r := range s.revocations.all() {
		if all.Revocations[key] == nil && r.InForce() {
			s.log.Error("a revocation is gone: the key stays refused", "keystore", s.name, "key", key)
		}
	}
	there := map[curve.PublicKey]bool{}
	for _, e := range all.Entries {
		id := &Identity{Name: e.Name, UserID: e.Name, Certificate: e.Certificate, Groups: sorted(e.Groups), Source: s.name}
		id.Certificate.Secret.Wipe()
		id.Certificate.Secret, id.Certificate.Locked = curve.SecretKey{}, nil
		if there[id.Key()] {
			s.log.Warn("two certificates have one key: the first counts", "keystore", s.name, "key", id.Key())
			continue
		}
		there[id.Key()] = true
		s.setLocked(id.Key(), id)
	}
	for key := range s.identities.all() {
		if !there[key] {
			s.setLocked(key, nil)
		}
	}
	s.sum = sum
	s.log.Info("keystore read", "keystore", s.name, "identities", s.Len())
	return nil
}

// parse reads a text: an export, or else armored certificates. These have no name that
// the operator gave: each is called by its key.
func (s *source) parse(text []byte) (*Contents, error) {
	if IsExport(text) {
		return Import(text)
	}
	all := new(Contents)
	for _, block := range cert.Extract(text) {
		if block.Err != nil {
			return nil, block.Err
		}
		c, err := block.Envelope.Certificate()
		if err == nil {
			err = c.Check()
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", block.Line, err)
		}
		all.Entries = append(all.Entries, Entry{Name: c.Public.String(), Certificate: c})
	}
	if len(all.Entries) == 0 {
		return nil, errNoCertificates
	}
	return all, nil
}

func (s *source) Put(...Entry) error           { return s.readOnly() }
func (s *source) Remove(curve.PublicKey) error { return s.readOnly() }
func (s *source) Revoke(curve.PublicKey, time.Time, string) error {
	return s.readOnly()
}
func (s *source) Restore(curve.PublicKey, *Revocation) error { return s.readOnly() }
func (s *source) Unrevoke(curve.PublicKey, time.Time, string) error {
	return s.readOnly()
}

func (s *source) readOnly() error { return fmt.Errorf("keystore: %s: %w", s.name, ErrReadOnly) }
