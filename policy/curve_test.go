package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/zap"
)

// put writes a certificate to NAME.key in a directory.
func put(t testing.TB, dir string, c *cert.Certificate) {
	t.Helper()
	ztest.Must(t, os.MkdirAll(dir, 0o755))
	ztest.Must(t, c.SavePublic(filepath.Join(dir, c.Name()+".key"), cert.Replace))
}

// TestCurve: keystores, groups, authorities, lists and any decide which keys are
// admitted.
func TestCurve(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	inDirectory, future := scenario.Named("inDirectory"), scenario.Named("future")
	now := time.Now().UTC().Truncate(time.Second)
	future.Validity.NotBefore = now.Add(time.Hour)
	put(t, s.Clients, future)
	put(t, filepath.Join(s.Clients, "admins"), inDirectory)
	other, signedByOther, takenBack := cert.GenerateAuthority(""), scenario.Named("signedByOther"), scenario.Named("takenBack")
	ztest.Must(t, s.Authority.Sign(takenBack))
	ztest.Must(t, other.Sign(signedByOther))
	for _, c := range []*cert.Certificate{s.Signed, signedByOther, takenBack, s.Guest} {
		put(t, filepath.Join(s.Dir, "staff"), c)
	}
	list := new(cert.RevocationList)
	_, err := list.Revoke(cert.Revocation{Key: takenBack.Public, Time: now})
	ztest.Must(t, err)
	ztest.Must(t, s.Authority.SignRevocations(list, now.Add(-time.Hour), now.Add(time.Hour)))
	ztest.Must(t, list.Save(filepath.Join(s.Dir, "acme.revoked")))
	oldAuthority, ofOld := cert.GenerateAuthority(""), scenario.Named("ofOld")
	ztest.Must(t, oldAuthority.Sign(ofOld))
	put(t, filepath.Join(s.Dir, "staff"), ofOld)
	ztest.Must(t, oldAuthority.SignRevocations(list, now.Add(-2*time.Hour), now.Add(-time.Hour)))
	ztest.Must(t, list.Save(filepath.Join(s.Dir, "old.revoked")))

	p, _ := load(t, s.Dir, fmt.Sprintf(`security
    domain = known
    curve = 1
        keystore = dir:clients
        keystore = staff
security
    domain = groups
    curve = 1
        keystore = dir:clients
        group = traders
        group = admins
security
    domain = signed
    curve = 1
        keystore = dir:staff
        authority = %[1]q
        revoked = acme.revoked
security
    domain = old
    curve = 1
        keystore = dir:staff
        authority = %[2]q
        authority = %[1]q
        revoked = old.revoked
security
    domain = any
    curve = 1
        keystore = dir:clients
        any = 1
security
    domain = elsewhere
    curve = 1
        any = 1
`, s.Authority.Key, oldAuthority.Key))
	revokedAt, _ := s.Store(t).Revocation(s.Revoked.Public)
	revoked := "key revoked on " + revokedAt.Time.Format(time.RFC3339) + ": laptop stolen"
	takenBackText := "certificate revoked on " + now.Format(time.RFC3339)
	expiredText := "revocation list expired on " + now.Add(-time.Hour).Format(time.RFC3339) + ": run zcert revoke to renew " + filepath.Join(s.Dir, "old.revoked")
	unknown := decision{"unknown key", "", 0}
	at := func(d decision, line int) decision { d.line = line; return d }
	ok := func(name string, line int) decision { return decision{"OK", name, line} }
	for _, tt := range []struct {
		domain string
		c      *cert.Certificate
		want   decision
	}{
		{"known", s.Trader, ok("trader", 4)},
		{"known", inDirectory, ok("inDirectory", 4)},
		{"known", s.Guest, ok("guest", 4)},
		{"known", s.Signed, ok("signed", 4)},
		{"known", signedByOther, ok("signedByOther", 5)},
		{"known", s.Stranger, at(unknown, 3)},
		{"known", s.Expired, decision{"certificate expired", "", 4}},
		{"known", future, decision{"certificate not yet valid", "", 4}},
		{"known", s.Revoked, decision{revoked, "", 4}},
		{"groups", s.Trader, ok("trader", 9)},
		{"groups", inDirectory, ok("inDirectory", 9)},
		{"groups", s.Guest, decision{"not in an allowed group", "", 9}},
		{"groups", s.Stranger, at(unknown, 8)},
		{"signed", s.Signed, ok("signed", 15)},
		{"signed", signedByOther, decision{"not signed by a trusted authority", "", 15}},
		{"signed", s.Guest, decision{"not signed by a trusted authority", "", 15}},
		{"signed", takenBack, decision{takenBackText, "", 17}},
		{"signed", s.Trader, at(unknown, 14)},
		{"old", ofOld, decision{expiredText, "", 24}},
		{"old", takenBack, decision{takenBackText, "", 24}},
		{"any", s.Stranger, ok(s.Stranger.Public.String(), 29)},
		{"any", s.Trader, ok("trader", 28)},
		{"any", s.Revoked, decision{revoked, "", 28}},
		{"elsewhere", s.Revoked, decision{revoked, "", 32}},
		{"any", s.Expired, decision{"certificate expired", "", 28}},
		{"any", &cert.Certificate{Public: curve.PublicKey{1}}, at(unknown, 27)}, // low order
	} {
		t.Run(tt.domain+" "+tt.c.Name(), func(t *testing.T) {
			check(t, p, ask(tt.domain, "192.0.2.1", zap.Curve, string(tt.c.Public[:])), tt.want)
		})
	}
	check(t, p, ask("known", "", zap.Curve, "short"), decision{"malformed key: not 32 bytes", "", 3})
	reply := p.Handle(t.Context(), ask("known", "", zap.Curve, string(s.Trader.Public[:])))
	want := zap.Metadata{{Name: "Claim-name", Value: "trader"}, {Name: "Claim-desk", Value: "7"}, {Name: "group", Value: "traders"}}
	if diff := cmp.Diff(want, reply.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}
