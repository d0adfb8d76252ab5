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
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// store is a keystore with these certificates, in files client-0.key and so on.
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

// request is one by CURVE.
func request(key curve.PublicKey) *zap.Request {
	return &zap.Request{Domain: "test", Address: "192.0.2.1", Mechanism: zap.MechanismCurve, Credentials: [][]byte{key[:]}}
}

// TestValidity: a certificate counts while it is valid.
func TestValidity(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	expired := cert.Generate(cert.Property{Name: "name", Value: "expired"})
	expired.Validity.NotAfter = now
	future := cert.Generate(cert.Property{Name: "name", Value: "future"})
	future.Validity.NotBefore = now.Add(time.Hour)
	valid := cert.Generate(cert.Property{Name: "name", Value: "valid"})
	valid.Validity = cert.Validity{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	handler := policy.Default(store(t, expired, future, valid))
	for _, tt := range []struct {
		c    *cert.Certificate
		want string
	}{
		{expired, "certificate expired"},
		{future, "certificate not valid yet"},
		{valid, "OK"},
	} {
		got := handler.Handle(t.Context(), request(tt.c.Public))
		if got.Text != tt.want || (got.Status == zap.StatusOK) != (tt.c == valid) {
			t.Errorf("%s: got %d %q, want %q", tt.c.Name(), got.Status, got.Text, tt.want)
		}
	}
}

func TestDefault(t *testing.T) {
	t.Parallel()
	alice := cert.Generate(cert.Property{Name: "name", Value: "alice"}, cert.Property{Name: "group", Value: "traders"})
	handler := policy.Default(store(t, alice))
	key := alice.Public
	allowed := zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: "alice",
		Metadata: zap.Metadata{{Name: "name", Value: []byte("alice")}, {Name: "group", Value: []byte("traders")}}}
	unknown := zap.Reply{Status: zap.StatusRefused, Text: "unknown key"}
	onlyCurve := zap.Reply{Status: zap.StatusRefused, Text: "only CURVE is allowed"}
	for _, tt := range []struct {
		name string
		req  *zap.Request
		want zap.Reply
	}{
		{"known", request(key), allowed},
		{"known, in no domain", &zap.Request{Mechanism: zap.MechanismCurve, Credentials: [][]byte{key[:]}}, allowed},
		{"stranger", request(curve.GenerateKeyPair().Public), unknown},
		{"all zero", request(curve.PublicKey{}), unknown},
		{"short key", &zap.Request{Mechanism: zap.MechanismCurve, Credentials: [][]byte{key[:31]}}, onlyCurve},
		{"two keys", &zap.Request{Mechanism: zap.MechanismCurve, Credentials: [][]byte{key[:], key[:]}}, onlyCurve},
		{"no key", &zap.Request{Mechanism: zap.MechanismCurve}, onlyCurve},
		{"NULL", &zap.Request{Mechanism: zap.MechanismNull}, onlyCurve},
		{"PLAIN", &zap.Request{Mechanism: zap.MechanismPlain, Credentials: [][]byte{[]byte("alice"), {}}}, onlyCurve},
		{"GSSAPI", &zap.Request{Mechanism: zap.MechanismGSSAPI, Credentials: [][]byte{[]byte("alice")}}, onlyCurve},
		{"the key under another mechanism", &zap.Request{Mechanism: zap.MechanismNull, Credentials: [][]byte{key[:]}}, onlyCurve},
		{"nothing", &zap.Request{}, onlyCurve},
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

// TestUserID: a name that can't travel gives way to the key.
func TestUserID(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Zoë", strings.Repeat("x", 256)} {
		c := cert.Generate(cert.Property{Name: "name", Value: name})
		reply := policy.Default(store(t, c)).Handle(context.Background(), request(c.Public))
		if reply.UserID != c.Public.String() {
			t.Errorf("%q: user id %q", name, reply.UserID)
		}
		if _, err := zap.AppendReply(nil, zap.Envelope{}, reply); err != nil {
			t.Errorf("%q: the reply can't travel: %v", name, err)
		}
	}
	nameless := cert.Generate()
	reply := policy.Default(store(t, nameless)).Handle(context.Background(), request(nameless.Public))
	if reply.UserID != "client-0" {
		t.Errorf("without a name: user id %q", reply.UserID)
	}
}

// TestMetadata: a certificate can't pass itself off as what libzmq or the
// handler says, and what can't travel stays at home.
func TestMetadata(t *testing.T) {
	t.Parallel()
	c := cert.Generate(
		cert.Property{Name: "name", Value: "mallory"},
		cert.Property{Name: "user-id", Value: "root"},
		cert.Property{Name: "Peer-Address", Value: "127.0.0.1"},
		cert.Property{Name: "SOCKET-TYPE", Value: "REP"},
		cert.Property{Name: "Identity", Value: "alice"},
		cert.Property{Name: "a@b", Value: "not a ZMTP name"},
		cert.Property{Name: "city", Value: "Zürich"},
	)
	reply := policy.Default(store(t, c)).Handle(context.Background(), request(c.Public))
	want := zap.Metadata{{Name: "name", Value: []byte("mallory")}, {Name: "city", Value: []byte("Zürich")}}
	if diff := cmp.Diff(want, reply.Metadata); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func BenchmarkDefault(b *testing.B) {
	c := cert.Generate(cert.Property{Name: "name", Value: "alice"})
	handler := policy.Default(store(b, c))
	req := request(c.Public)
	b.ReportAllocs()
	for b.Loop() {
		if handler.Handle(context.Background(), req).Status != zap.StatusOK {
			b.Fatal("refused")
		}
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "clients")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	alice := cert.Generate(cert.Property{Name: "name", Value: "alice"})
	if err := alice.Save(filepath.Join(dir, "alice.key"), false); err != nil {
		fmt.Println(err)
		return
	}
	store, err := keystore.Open("dir:"+dir, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := policy.Default(store)
	for _, key := range []curve.PublicKey{alice.Public, curve.GenerateKeyPair().Public} {
		reply := handler.Handle(context.Background(), &zap.Request{Mechanism: zap.MechanismCurve, Credentials: [][]byte{key[:]}})
		fmt.Println(reply.Status, reply.Text, reply.UserID)
	}
	// Output:
	// 200 OK alice
	// 400 unknown key
}
