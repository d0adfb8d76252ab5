//go:build cgo && unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// TestPyzmq: services of pyzmq ask zauth by a policy, about each mechanism, and see
// who came in.
func TestPyzmq(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs pyzmq")
	}
	dir := t.TempDir()
	clients := filepath.Join(dir, "clients")
	ztest.Must(t, os.Mkdir(clients, 0o755))
	acme := cert.GenerateAuthority()
	now := time.Now().UTC().Truncate(time.Second)
	store, err := keystore.Open(clients, nil)
	ztest.Must(t, err)
	for _, name := range []string{"trader", "guest", "signed", "expired", "revoked", "stranger"} {
		c := cert.Generate(cert.Property{Name: "name", Value: name})
		switch name {
		case "trader", "expired", "revoked":
			c.Metadata.Set("group", "traders")
			c.Metadata.Set("desk", "7")
		case "signed":
			ztest.Must(t, acme.Sign(c))
		}
		if name == "expired" {
			c.Validity.NotAfter = now
		}
		ztest.Must(t, c.Save(filepath.Join(dir, name+".key"), false))
		if name != "stranger" {
			ztest.Must(t, store.Put(c))
		}
		if name == "revoked" {
			ztest.Must(t, store.Revoke(c.Public, now, ""))
		}
	}
	file := filepath.Join(dir, "policy.zpl")
	ztest.Must(t, os.WriteFile(file, fmt.Appendf(nil, `security
    domain = lan
    allow = 127.0.0.1
    anonymous = 1
security
    domain = closed
    deny = 127.0.0.0/8
    anonymous = 1
security
    domain = passwords
    plain = 1
        account
            login = guest
            password = hunter2
            group = guests
security
    domain = known
    curve = 1
        keystore = dir:clients
security
    domain = groups
    curve = 1
        keystore = dir:clients
        group = traders
security
    domain = signed
    curve = 1
        keystore = dir:clients
        authority = "%s"
`, acme.Key), 0o600))
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--policy", file)
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/peers/services.py", z.endpoint, dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, z.said())
	}
	const want = `lan anybody user= desk=-
closed anybody refused 400
passwords right user=guest desk=-
passwords wrong refused 400
passwords unknown refused 400
known trader user=trader desk=7
known guest user=guest desk=-
known signed user=signed desk=-
known expired refused 400
known revoked refused 400
known stranger refused 400
groups trader user=trader desk=7
groups guest refused 400
groups signed refused 400
groups expired refused 400
groups revoked refused 400
groups stranger refused 400
signed trader refused 400
signed guest refused 400
signed signed user=signed desk=-
signed expired refused 400
signed revoked refused 400
signed stranger refused 400
`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, z.said())
	}
}
