package policy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// store returns a keystore with these certificates, in files client-0.key and so on.
func store(t testing.TB, certificates ...*cert.Certificate) keystore.Store {
	t.Helper()
	dir := t.TempDir()
	for i, c := range certificates {
		text, err := c.AppendPublic(nil)
		ztest.Must(t, err)
		ztest.Must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("client-%d.key", i)), text, 0o644))
	}
	d, err := keystore.Open(dir, nil)
	ztest.Must(t, err)
	return d
}

// byDefault returns the default policy with these certificates.
func byDefault(t testing.TB, certificates ...*cert.Certificate) *policy.Policy {
	t.Helper()
	p, err := policy.Default(store(t, certificates...), policy.Options{})
	ztest.Must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

// request returns a request by CURVE.
func request(key curve.PublicKey) *zap.Request {
	return &zap.Request{Domain: "test", Address: "192.0.2.1", Mechanism: zap.Curve, Credentials: [][]byte{key[:]}}
}

// TestValidity: a certificate admits its client while it is valid.
func TestValidity(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	expired := cert.Generate("expired")
	expired.Validity.NotAfter = now
	future := cert.Generate("future")
	future.Validity.NotBefore = now.Add(time.Hour)
	valid := cert.Generate("valid")
	valid.Validity = cert.Validity{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	handler := byDefault(t, expired, future, valid)
	for _, tt := range []struct {
		c    *cert.Certificate
		want string
	}{
		{expired, "certificate expired"},
		{future, "certificate not yet valid"},
		{valid, "OK"},
	} {
		got := handler.Handle(t.Context(), request(tt.c.Public))
		if got.Text != tt.want || (got.Status == zap.StatusOK) != (tt.c == valid) {
			t.Errorf("%s: got %d %q, want %q", tt.c.Name(), got.Status, got.Text, tt.want)
		}
	}
}

// TestDefault: the default policy admits the keys of its keystore by CURVE, and no other
// clients.
func TestDefault(t *testing.T) {
	t.Parallel()
	alice := scenario.Named("alice", cert.Metadata{{"group", "traders"}}...)
	handler := byDefault(t, alice)
	key := alice.Public
	allowed := zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: "client-0", Identity: "client-0",
		Metadata: zap.Metadata{{Name: "Claim-name", Value: "alice"}, {Name: "Claim-group", Value: "traders"}, {Name: "group", Value: ""}}}
	unknown := zap.Reply{Status: zap.StatusRefused, Text: "unknown key"}
	refused := func(text string) zap.Reply { return zap.Reply{Status: zap.StatusRefused, Text: text} }
	for _, tt := range []struct {
		name string
		req  *zap.Request
		want zap.Reply
	}{
		{"known", request(key), allowed},
		{"known, in no domain", &zap.Request{Mechanism: zap.Curve, Credentials: [][]byte{key[:]}}, allowed},
		{"stranger", request(curve.GenerateKey().Public()), unknown},
		{"all zero", request(curve.PublicKey{}), unknown},
		{"short key", &zap.Request{Mechanism: zap.Curve, Credentials: [][]byte{key[:31]}}, refused("malformed key: not 32 bytes")},
		{"two keys", &zap.Request{Mechanism: zap.Curve, Credentials: [][]byte{key[:], key[:]}}, refused("malformed key: not 32 bytes")},
		{"no key", &zap.Request{Mechanism: zap.Curve}, refused("malformed key: not 32 bytes")},
		{"NULL", &zap.Request{Mechanism: zap.Null}, refused("NULL is not allowed")},
		{"PLAIN", &zap.Request{Mechanism: zap.Plain, Credentials: [][]byte{[]byte("alice"), {}}}, refused("PLAIN is not allowed")},
		{"GSSAPI", &zap.Request{Mechanism: zap.GSSAPI, Credentials: [][]byte{[]byte("alice")}}, refused("GSSAPI is not allowed")},
		{"the key under another mechanism", &zap.Request{Mechanism: zap.Null, Credentials: [][]byte{key[:]}}, refused("expected no credentials")},
		{"nothing", &zap.Request{}, refused("unknown mechanism")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := handler.Handle(context.Background(), tt.req)
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(zap.Reply{}, "Rule")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Status == zap.StatusOK != strings.HasSuffix(got.Rule, "client-0.key") || got.Rule == "" {
				t.Errorf("the rule that decided is %q", got.Rule)
			}
		})
	}
}

// TestUserID: the user id is the name of the file, whatever the certificate says. The key
// replaces a name that can't be sent, or that could be another client's.
func TestUserID(t *testing.T) {
	t.Parallel()
	for name, byName := range map[string]bool{"alice": true, "Zoë": false, strings.Repeat("x", 200): true, strings.Repeat("HelloWorld", 4): false, strings.Repeat("HelloWorld", 4) + "s": true} {
		c := cert.Generate("root")
		dir := t.TempDir()
		ztest.Must(t, c.SavePublic(filepath.Join(dir, name+".key")))
		s, err := keystore.Open(dir, nil)
		ztest.Must(t, err)
		p, err := policy.Default(s, policy.Options{})
		ztest.Must(t, err)
		reply := p.Handle(context.Background(), request(c.Public))
		want := c.Public.String()
		if byName {
			want = name
		}
		if reply.UserID != want {
			t.Errorf("%q: user id %q", name, reply.UserID)
		}
		if _, err := zap.Ask(t.Context(), zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return reply }), &zap.Request{Mechanism: zap.Null}); err != nil {
			t.Errorf("%q: the reply can't travel: %v", name, err)
		}
		ztest.Must(t, p.Close())
	}
}

// TestMetadata: a certificate can't set metadata that libzmq or the handler sets.
// Metadata that a reply can't carry is omitted.
func TestMetadata(t *testing.T) {
	t.Parallel()
	c := cert.Generate("mallory")
	c.Metadata = append(c.Metadata, cert.Metadata{
		{"user-id", "root"},
		{"Peer-Address", "127.0.0.1"},
		{"SOCKET-TYPE", "REP"},
		{"Identity", "alice"},
		{"a@b", "not a ZMTP name"},
		{"city", "Zürich"},
	}...)
	reply := byDefault(t, c).Handle(context.Background(), request(c.Public))
	want := zap.Metadata{{Name: "Claim-name", Value: "mallory"}, {Name: "Claim-city", Value: "Zürich"}, {Name: "group", Value: ""}}
	if diff := cmp.Diff(want, reply.Metadata); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func BenchmarkDefault(b *testing.B) {
	c := cert.Generate("alice")
	handler := byDefault(b, c)
	req := request(c.Public)
	b.ReportAllocs()
	for b.Loop() {
		if handler.Handle(context.Background(), req).Status != zap.StatusOK {
			b.Fatal("refused")
		}
	}
}
