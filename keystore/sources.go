package keystore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
)

// maxSource is the size in octets of the largest text with armored certificates
// that is read.
const maxSource = 64 << 20

// source is a store of armored certificates in one text, which is read only.
type source struct {
	memory
	name string
	read func() ([]byte, error) // the whole text
	log  *slog.Logger
}

// openFile reads the armored certificates in a file.
func openFile(path string, log *slog.Logger) (*source, error) {
	return openSource(&source{name: path, log: log, read: func() ([]byte, error) {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("keystore: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() > maxSource {
			return nil, fmt.Errorf("keystore: %s: not a regular file of at most %d octets", path, maxSource)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("keystore: %w", err)
		}
		return text, nil
	}})
}

// openEnv reads the armored certificates in an environment variable.
func openEnv(name string, log *slog.Logger) (*source, error) {
	return openSource(&source{name: "env:" + name, log: log, read: func() ([]byte, error) {
		text, ok := os.LookupEnv(name)
		if !ok {
			return nil, fmt.Errorf("keystore: the environment variable %s isn't set", name)
		}
		return []byte(text), nil
	}})
}

func openSource(s *source) (*source, error) { return s, s.Reload() }

// errNoCertificates means that a text holds none.
var errNoCertificates = errors.New("no armored certificate in it")

// Reload reads the text again. All certificates in it must be whole: nobody can look
// after it while it is in use.
func (s *source) Reload() error {
	text, err := s.read()
	if err != nil {
		return err
	}
	found := map[curve.PublicKey]*Identity{}
	for _, block := range cert.Extract(text) {
		place := fmt.Sprintf("%s:%d", s.name, block.Line)
		if block.Err != nil {
			return fmt.Errorf("keystore: %s: %w", s.name, block.Err)
		}
		c, _, err := block.Envelope.Certificate()
		if err != nil {
			return fmt.Errorf("keystore: %s: %w", place, err)
		}
		if err := c.VerifySignature(); err != nil && !errors.Is(err, cert.ErrUnsigned) {
			return fmt.Errorf("keystore: %s: %w", place, err)
		}
		id := newIdentity(c, c.Public.String(), place, nil)
		if found[c.Public] != nil {
			s.log.Warn("two certificates have one key: the first counts", "key", c.Public, "other", place)
			continue
		}
		found[c.Public] = id
	}
	if len(found) == 0 {
		return fmt.Errorf("keystore: %s: %w", s.name, errNoCertificates)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for old := range s.index.all() {
		if found[old.Key()] == nil {
			s.index.set(old.Key(), nil)
		}
	}
	for key, id := range found {
		s.index.set(key, id)
	}
	s.log.Info("keystore read", "keystore", s.name, "identities", s.Len())
	return nil
}

func (s *source) Put(*cert.Certificate, ...string) error { return s.readOnly() }
func (s *source) PutAll([]*cert.Certificate, ...string) error {
	return s.readOnly()
}
func (s *source) Remove(curve.PublicKey) error { return s.readOnly() }
func (s *source) Revoke(curve.PublicKey, time.Time, string) error {
	return s.readOnly()
}

func (s *source) readOnly() error { return fmt.Errorf("keystore: %s: %w", s.name, ErrReadOnly) }
