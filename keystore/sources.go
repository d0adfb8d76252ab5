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
}

// openFile reads the armored certificates in a file.
func openFile(path string, log *slog.Logger) (*source, error) {
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
	return newSource(path, text, log)
}

// openEnv reads the armored certificates in an environment variable.
func openEnv(name string, log *slog.Logger) (*source, error) {
	text, ok := os.LookupEnv(name)
	if !ok {
		return nil, fmt.Errorf("keystore: the environment variable %s isn't set", name)
	}
	return newSource("env:"+name, []byte(text), log)
}

// errNoCertificates means that a text holds none.
var errNoCertificates = errors.New("no armored certificate in it")

// newSource reads the armored certificates in a text. All of them must be whole:
// nobody can look after it while it is in use.
func newSource(name string, text []byte, log *slog.Logger) (*source, error) {
	s := &source{name: name}
	blocks := cert.Extract(text)
	if len(blocks) == 0 {
		return nil, fmt.Errorf("keystore: %s: %w", name, errNoCertificates)
	}
	for _, block := range blocks {
		place := fmt.Sprintf("%s:%d", name, block.Line)
		if block.Err != nil {
			return nil, fmt.Errorf("keystore: %s: %w", name, block.Err)
		}
		c, _, err := block.Envelope.Certificate()
		if err != nil {
			return nil, fmt.Errorf("keystore: %s: %w", place, err)
		}
		if err := c.VerifySignature(); err != nil && !errors.Is(err, cert.ErrUnsigned) {
			return nil, fmt.Errorf("keystore: %s: %w", place, err)
		}
		if _, ok := s.index.get(c.Public); ok {
			log.Warn("two certificates have one key: the first counts", "key", c.Public, "other", place)
			c.Secret.Wipe()
			continue
		}
		s.index.fill(newIdentity(c, c.Public.String(), place, nil))
	}
	log.Info("keystore read", "keystore", name, "identities", s.Len())
	return s, nil
}

func (s *source) Put(*cert.Certificate, ...string) error { return s.readOnly() }
func (s *source) Remove(curve.PublicKey) error           { return s.readOnly() }
func (s *source) Revoke(curve.PublicKey, time.Time, string) error {
	return s.readOnly()
}

func (s *source) readOnly() error { return fmt.Errorf("keystore: %s: %w", s.name, ErrReadOnly) }
