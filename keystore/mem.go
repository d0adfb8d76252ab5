package keystore

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/zpl"
)

// memory is a store of the kind mem:, and the part of the others that is read.
type memory struct {
	index index
	mu    sync.Mutex // held to change index
}

func newMem() *memory { return new(memory) }

func (m *memory) Lookup(key curve.PublicKey) (*Identity, bool) { return m.index.get(key) }
func (m *memory) Len() int                                     { return m.index.len() }
func (m *memory) All() iter.Seq[*Identity]                     { return m.index.all() }

func (m *memory) Put(c *cert.Certificate, groups ...string) error {
	id, err := prepare(c, groups)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.index.set(id.Key(), id)
	return nil
}

func (m *memory) PutAll(certificates []*cert.Certificate, groups ...string) error {
	return putEach(m, certificates, groups)
}

// putEach is PutAll where there is nothing to be gained.
func putEach(s Store, certificates []*cert.Certificate, groups []string) error {
	for _, c := range certificates {
		if err := s.Put(c, groups...); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes an identity of a certificate that shall be put into a store.
func prepare(c *cert.Certificate, groups []string) (*Identity, error) {
	if err := checkGroups(groups); err != nil {
		return nil, err
	}
	text, err := c.AppendPublic(nil)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	public, _, err := cert.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	return newIdentity(public, c.Public.String(), "", slices.Clone(groups)), nil
}

func (m *memory) Remove(key curve.PublicKey) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.index.get(key); !ok {
		return notFound(key)
	}
	m.index.set(key, nil)
	return nil
}

func (m *memory) Revoke(key curve.PublicKey, at time.Time, reason string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, err := m.revoked(key, at, reason)
	if err == nil {
		m.index.set(key, id)
	}
	return err
}

// revoked returns an identity as it is when it was revoked.
func (m *memory) revoked(key curve.PublicKey, at time.Time, reason string) (*Identity, error) {
	id, ok := m.index.get(key)
	if !ok {
		return nil, notFound(key)
	}
	if err := zpl.CheckValue(reason); err != nil {
		return nil, fmt.Errorf("keystore: %w: reason: %w", cert.ErrProperty, err)
	}
	if id.Revoked != nil {
		return id, nil
	}
	return &Identity{Name: id.Name, Certificate: id.Certificate, Groups: id.Groups, Source: id.Source,
		Revoked: &Revocation{Time: at.UTC().Truncate(time.Second), Reason: reason}}, nil
}

func notFound(key curve.PublicKey) error { return fmt.Errorf("keystore: %v: %w", key, ErrNotFound) }

func (m *memory) Reload() error { return nil }

func (m *memory) Watch(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (m *memory) Close() error { return nil }
