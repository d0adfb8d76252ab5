// Package scenario creates the certificates and the keystore that tests of policies have
// in common: some clients are admitted, and some are refused, each for a different
// reason.
package scenario

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// Scenario is a keystore and the certificates of clients that could connect. The name of
// each is the name of its field in lower case. All except the stranger are in the
// keystore.
type Scenario struct {
	Dir     string // holds both files of each certificate, and Clients
	Clients string // the keystore, the directory "clients" in Dir

	Authority *cert.Authority

	Trader   *cert.Certificate // in group traders, claims desk = 7
	Guest    *cert.Certificate // in group guests
	Signed   *cert.Certificate // signed by the authority, with group = guests
	Expired  *cert.Certificate // like the trader, but expired
	Revoked  *cert.Certificate // like the trader, but revoked in the keystore
	Stranger *cert.Certificate // in no group
}

// New creates the scenario in a temporary directory of the test.
func New(t testing.TB) *Scenario {
	t.Helper()
	s := &Scenario{Dir: t.TempDir(), Authority: cert.GenerateAuthority("")}
	s.Clients = filepath.Join(s.Dir, "clients")
	ztest.Must(t, os.Mkdir(s.Clients, 0o755))
	now := time.Now().UTC().Truncate(time.Second)

	s.Trader = Named("trader", cert.Metadata{{"desk", "7"}}...)
	s.Guest = Named("guest")
	s.Signed = Named("signed", cert.Metadata{{"group", "guests"}}...)
	s.Expired = Named("expired")
	s.Revoked = Named("revoked")
	s.Stranger = Named("stranger")

	ztest.Must(t, s.Authority.Sign(s.Signed))
	s.Expired.Validity.NotAfter = now
	store := s.Store(t)
	groups := map[*cert.Certificate][]string{s.Trader: {"traders"}, s.Guest: {"guests"}, s.Expired: {"traders"}, s.Revoked: {"traders"}}
	for _, c := range []*cert.Certificate{s.Trader, s.Guest, s.Signed, s.Expired, s.Revoked, s.Stranger} {
		ztest.Must(t, c.Save(filepath.Join(s.Dir, c.Name()+".key")))
		if c != s.Stranger {
			ztest.Must(t, store.Put(&keystore.Identity{Name: c.Name(), Certificate: c, Groups: groups[c]}))
		}
	}
	ztest.Must(t, store.Revoke(s.Revoked.Public, now, "laptop stolen"))
	return s
}

// Named generates a certificate of that name, with more metadata after it.
func Named(name string, metadata ...struct{ Name, Value string }) *cert.Certificate {
	c := cert.Generate(name)
	c.Metadata = append(c.Metadata, metadata...)
	return c
}

// Store opens the keystore until the test ends.
func (s *Scenario) Store(t testing.TB) keystore.Store {
	t.Helper()
	store, err := keystore.Open(s.Clients, nil)
	ztest.Must(t, err)
	t.Cleanup(func() { store.Close() })
	return store
}
