package armor

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
)

const vectors = "../../docs/spec/certificate-vectors"

func vector(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func vectorCertificate(t testing.TB, name string) *cert.Certificate {
	t.Helper()
	c, err := cert.Parse(vector(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func same(t testing.TB, name string, want []byte, write func([]byte) ([]byte, error)) {
	t.Helper()
	got, err := write(nil)
	if err != nil {
		t.Fatal(name, err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	bob := vectorCertificate(t, "bob.key_secret").Secret
	alice := vectorCertificate(t, "alice.key").Public
	read := func(name string) *Block {
		e, err := Parse(vector(t, name))
		if err != nil {
			t.Fatal(name, err)
		}
		return e
	}
	content := func(name string, e *Block, want string) {
		if diff := cmp.Diff(string(vector(t, want)), string(e.content.Reveal())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, want := range map[string]string{"alice.armor": "alice.key", "locked.armor": "locked-small.key_secret"} {
		e := read(name)
		same(t, name, vector(t, name), e.Append)
		content(name, e, want)
	}
	guest := read("guest.armor")
	same(t, "guest.armor", vector(t, "guest.armor"), guest.Append)
	if p, err := guest.Login(); err != nil || p.Username != "guest" || p.Password.Reveal() != "it's # me" {
		t.Errorf("guest.armor: %v, %v", p, err)
	}
	for name, want := range map[string]string{"sealed.armor": "alice.key_secret", "anonymous.armor": "alice.key"} {
		e := read(name)
		same(t, name, vector(t, name), e.Append)
		opened, err := e.Open(bob)
		if err != nil {
			t.Fatal(name, err)
		}
		content(name, opened, want)
		if (opened.SealedBy == alice) != (name == "sealed.armor") {
			t.Errorf("%s: sealed by %v", name, opened.SealedBy)
		}
	}
	var found []string
	for b, err := range Find(vector(t, "mail.txt")) {
		if err != nil {
			t.Fatal(err)
		}
		text, err := b.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, string(text))
	}
	want := []string{string(vector(t, "alice.armor")), string(vector(t, "guest.armor")), string(vector(t, "locked.armor"))}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("mail.txt (-want +got):\n%s", diff)
	}
	draft := read("draft-clear.armor")
	signed, err := read("draft-signed.armor").Open(bob)
	if err != nil || signed.SealedBy != alice {
		t.Fatal(signed, err)
	}
	for _, e := range []*Block{draft, signed} {
		c, err := e.Certificate()
		if err != nil || c.Public != alice || string(c.Secret.AppendZ85(nil)) != string(vectorCertificate(t, "alice.key_secret").Secret.AppendZ85(nil)) || e.version != "0.1" {
			t.Errorf("version %s: %v, %v", e.version, c, err)
		}
	}
}

// TestIndependent: the other implementation of the specification reads what this one
// writes, and refuses it after a change.
func TestIndependent(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs Python")
	}
	ztest.NeedPeers(t)
	dir := t.TempDir()
	save := func(name string, write func([]byte) ([]byte, error)) {
		text, err := write(nil)
		if err != nil {
			t.Fatal(err)
		}
		ztest.Must(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	c, bob := cert.Generate("alice"), cert.Generate("bob")
	ztest.Must(t, cert.GenerateAuthority("acme").Sign(c))
	save("bob.key_secret", bob.AppendSecret)
	e, err := NewSecret(c)
	if err != nil {
		t.Fatal(err)
	}
	e.Comment = strings.Repeat("long comment ", 20) + "end"
	e.Extensions = []item{{"X-One", "1"}, {"x-TWO", "2"}}
	save("clear.armor", e.Append)
	for name, from := range map[string]curve.SecretKey{"sealed.armor": c.Secret, "anonymous.armor": {}} {
		sealed, err := e.Seal(bob.Public, from)
		if err != nil {
			t.Fatal(err)
		}
		save(name, sealed.Append)
	}
	check := func(name, want string) {
		t.Helper()
		out, _ := exec.CommandContext(t.Context(), ztest.Python(t), "../../docs/spec/certificate.py", "check", dir).CombinedOutput()
		if !strings.Contains(string(out), name+": "+want) {
			t.Errorf("%s is not %s:\n%s", name, want, out)
		}
	}
	for _, name := range []string{"clear.armor", "sealed.armor", "anonymous.armor"} {
		check(name, "good\n")
	}
	for _, change := range [][3]string{{"clear.armor", "comment", "Comment"}, {"sealed.armor", "X-One: 1", "X-One: 2"}} {
		path := filepath.Join(dir, change[0])
		text, err := os.ReadFile(path)
		ztest.Must(t, err)
		changed := bytes.Replace(text, []byte(change[1]), []byte(change[2]), 1)
		if bytes.Equal(changed, text) {
			t.Fatalf("%s has no %s", path, change[1])
		}
		ztest.Must(t, os.WriteFile(path, changed, 0o600))
		check(change[0], "refused")
		ztest.Must(t, os.WriteFile(path, text, 0o600))
	}
}
