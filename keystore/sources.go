package keystore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/zcurve/zcurve/cert/armor"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
)

// maxSource is the size in bytes of the largest text that is read.
const maxSource = 64 << 20

// source is a read-only store whose identities are in one text: an export, or armored
// certificates.
type source struct {
	memory
	name string
	path string // path of a file; "" for an environment variable

	follower follow.Follower

	work  sync.Mutex // held to read the text; taken before memory.mu
	stamp follow.Stamp
	sum   [sha256.Size]byte // of the current text; zero if there is none
}

// openFile reads the identities in a file.
func openFile(path string, log *slog.Logger) (*source, error) {
	s := &source{name: path, path: path, memory: memory{log: log}, follower: follow.Follower{Name: path, Log: log}}
	text, stamp, err := follow.ReadStill(path, maxSource)
	if err != nil {
		return nil, err
	}
	s.stamp = stamp
	return s, s.take(text)
}

// openEnv reads the identities in an environment variable.
func openEnv(name string, log *slog.Logger) (*source, error) {
	s := &source{name: "env:" + name, memory: memory{log: log}}
	text, ok := os.LookupEnv(name)
	if !ok {
		return nil, fmt.Errorf("the environment variable %s isn't set", name)
	}
	return s, s.take([]byte(text))
}

func (s *source) Reload() error {
	if s.path == "" {
		return nil
	}
	s.work.Lock()
	defer s.work.Unlock()
	text, stamp, err := follow.ReadStill(s.path, maxSource)
	if err == nil {
		err = s.take(text)
	}
	if err = s.noteRead(err); err != nil {
		return err
	}
	s.stamp = stamp
	return nil
}

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
		if gone, next.After = out.note(&s.memory, s.name, err); gone {
			s.forget()
			s.sum = [sha256.Size]byte{}
		}
		return next
	})
	return nil
}

var errNoCertificates = errors.New("it contains neither an exported keystore nor an armored certificate")

// take applies a text. It rejects a text that is not completely valid, because the log of
// a program that gets its identities this way is rarely read.
func (s *source) take(text []byte) error {
	sum := sha256.Sum256(text)
	if sum == s.sum {
		return nil
	}
	ids, revoked, err := s.parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.updateRevocationsLocked(revoked, s.name)
	there := map[curve.PublicKey]bool{}
	for _, id := range ids {
		if there[id.Key()] {
			s.log.Warn("duplicate key: using the first certificate", "file", s.name, "key", id.Key())
			continue
		}
		there[id.Key()] = true
		id.Place = s.name
		s.setLocked(id.Key(), id)
	}
	for key := range s.identities.all() {
		if !there[key] {
			s.setLocked(key, nil)
		}
	}
	s.sum = sum
	s.log.Info("keystore loaded", "keystore", s.name, "identities", s.Len())
	return nil
}

// parse parses an export or armored certificates. An operator has not named the latter,
// so their keys are their names.
func (s *source) parse(text []byte) (ids []*Identity, revoked map[curve.PublicKey]*RevokedKey, err error) {
	if bytes.HasPrefix(text, exportStart) {
		return readExport(text)
	}
	for block, err := range armor.Find(text) {
		if err != nil {
			return nil, nil, err
		}
		c, err := block.Certificate()
		if err == nil {
			err = checkKeys(c)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", block.Line, err)
		}
		c.Secret.Wipe()
		c = c.WithoutSecret()
		name := c.Public.String()
		ids = append(ids, &Identity{Name: name, UserID: name, Certificate: c})
	}
	if len(ids) == 0 {
		return nil, nil, errNoCertificates
	}
	return ids, nil, nil
}

func (s *source) Put(...*Identity) error                            { return s.readOnly() }
func (s *source) Remove(curve.PublicKey) error                      { return s.readOnly() }
func (s *source) Revoke(curve.PublicKey, time.Time, string) error   { return s.readOnly() }
func (s *source) Restore(curve.PublicKey, *RevokedKey) error        { return s.readOnly() }
func (s *source) Unrevoke(curve.PublicKey, time.Time, string) error { return s.readOnly() }

func (s *source) readOnly() error { return named(fmt.Errorf("%s: %w", s.name, ErrReadOnly)) }
