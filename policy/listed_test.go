package policy_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/zap"
)

// TestListedEverywhere: a key on a revocation list is refused in each domain of the
// policy, even with any.
func TestListedEverywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority, alice, bob := cert.GenerateAuthority(""), scenario.Named("alice"), scenario.Named("bob")
	put(t, filepath.Join(dir, "clients"), alice)
	put(t, filepath.Join(dir, "clients"), bob)
	list := new(cert.RevocationList)
	now := time.Now().UTC().Truncate(time.Second)
	_, err := list.Revoke(cert.Revocation{Key: alice.Public, Time: now})
	ztest.Must(t, err, authority.SignRevocations(list, now, now.Add(time.Hour)), list.Save(filepath.Join(dir, "acme.revoked")))
	p, _ := load(t, dir, `security
    domain = signed
    curve = 1
        keystore = clients
        authority = "`+authority.Key.String()+`"
        revoked = acme.revoked
security
    domain = all
    curve = 1
        keystore = clients
security
    domain = open
    curve = 1
        any = 1
`)
	text := "certificate revoked on " + now.Format(time.RFC3339)
	for _, domain := range []string{"signed", "all", "open"} {
		check(t, p, ask(domain, "", zap.Curve, string(alice.Public[:])), decision{text, "", 6})
	}
	check(t, p, ask("all", "", zap.Curve, string(bob.Public[:])), decision{"OK", "bob", 10})
}
