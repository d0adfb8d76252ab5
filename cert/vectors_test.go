package cert

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
)

const vectors = "../docs/spec/certificate-vectors"

func vector(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// vectorCertificate reads one that must be written as it was read.
func vectorCertificate(t testing.TB, name string) *Certificate {
	t.Helper()
	c, err := Parse(vector(t, name))
	if err != nil || len(c.Warnings) > 0 {
		t.Fatal(name, err)
	}
	write := c.AppendPublic
	if !c.Secret.IsZero() || c.locked != nil {
		write = c.AppendSecret
	}
	same(t, name, vector(t, name), write)
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

// vectorSecret is the secret key of an identity in the vectors.
func vectorSecret(t testing.TB, name string) curve.SecretKey {
	t.Helper()
	bytes := sha256.Sum256([]byte("certificate test vector: " + name))
	key, err := curve.NewSecretKey(bytes[:])
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func passphrase(t testing.TB, name string) []byte {
	t.Helper()
	for line := range strings.Lines(string(vector(t, "passphrases"))) {
		if p, ok := strings.CutPrefix(line, name+" "); ok {
			return []byte(strings.TrimSuffix(p, "\n"))
		}
	}
	t.Fatal("no passphrase for", name)
	return nil
}

func TestVectorsKeys(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"alice", "bob"} {
		public, secret := vectorCertificate(t, name+".key"), vectorCertificate(t, name+".key_secret")
		if !(string(secret.Secret.AppendZ85(nil)) == string(vectorSecret(t, name).AppendZ85(nil))) || public.Public != secret.Public || public.Name() != name {
			t.Errorf("%s: %v, %v", name, public, secret)
		}
	}
	bundle := vectorCertificate(t, "alice.bundle")
	service := Service{Key: vectorSecret(t, "bob").Public(), Endpoints: []string{"tcp://service.example.org:5555", "tcp://[2001:db8::1]:5555"}}
	if diff := cmp.Diff(service, bundle.Service); diff != "" || bundle.Secret.IsZero() {
		t.Errorf("bundle (-want +got):\n%s", diff)
	}
	alice := vectorCertificate(t, "alice.key")
	want := Metadata{{"name", "alice"}, {"email", "alice@example.org"}, {"Note", `say "hi" # = it`}, {"city", "Zürich"}}
	if diff := cmp.Diff(want, alice.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	text := alice.Public.Fingerprint() + "\n"
	for i, group := range alice.Public.FingerprintGroups() {
		text += fmt.Sprintf("%d %s\n", i+1, group)
	}
	if diff := cmp.Diff(string(vector(t, "alice.fingerprint")), text); diff != "" {
		t.Errorf("fingerprint (-want +got):\n%s", diff)
	}
}

func vectorAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	a, err := ParseAuthority(vector(t, name))
	if err != nil || len(a.Warnings) > 0 {
		t.Fatal(name, err)
	}
	write := a.AppendPublic
	if strings.HasSuffix(name, SecretSuffix) {
		write = a.AppendSecret
	}
	same(t, name, vector(t, name), write)
	return a
}

func TestVectorsAuthority(t *testing.T) {
	t.Parallel()
	public, secret := vectorAuthority(t, "acme.authority"), vectorAuthority(t, "acme.authority_secret")
	locked := vectorAuthority(t, "acme-locked.authority_secret")
	if err := locked.Unlock(passphrase(t, "acme-locked.authority_secret")); err != nil {
		t.Fatal(err)
	}
	for _, a := range []*Authority{secret, locked} {
		if a.Key != public.Key || [32]byte(a.seed.Reveal()) != sha256.Sum256([]byte("certificate test vector: acme")) {
			t.Error("another authority")
		}
	}

	c := vectorCertificate(t, "signed.key")
	if diff := cmp.Diff(string(vector(t, "signed.canonical")), canonical(t, c)); diff != "" {
		t.Errorf("canonical form (-want +got):\n%s", diff)
	}
	l, err := ParseRevocations(vector(t, "acme.revoked"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "acme.revoked", vector(t, "acme.revoked"), l.Append)
	if err := errors.Join(c.verifySignature(), c.Validity.Check(day(3, 1)), l.Check(c, day(3, 1))); err != nil {
		t.Error(err)
	}
	if err := l.Check(vectorCertificate(t, "bob.key"), day(3, 1)); !errors.Is(err, ErrRevoked) {
		t.Errorf("bob: %v", err)
	}

	// Ours over the same are the same bytes.
	again := *c
	again.signature = signatureBytes{}
	if err := secret.Sign(&again); err != nil || again.signature != c.signature {
		t.Errorf("signed again: %v", err)
	}
	list := *l
	if err := secret.SignRevocations(&list, l.Issued, l.Expires); err != nil || list.signature != l.signature {
		t.Errorf("the list signed again: %v", err)
	}
}

func TestVectorsLocked(t *testing.T) {
	t.Parallel()
	for file, name := range map[string]string{"locked.key_secret": "alice", "locked-small.key_secret": "bob"} {
		c := vectorCertificate(t, file)
		if err := c.Unlock([]byte("wrong")); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: %v", file, err)
		}
		if err := c.Unlock(passphrase(t, file)); err != nil || !(string(c.Secret.AppendZ85(nil)) == string(vectorSecret(t, name).AppendZ85(nil))) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestIndependent: what is written here the other implementation reads, and
// refuses when it was changed.
func TestIndependent(t *testing.T) {
	needTools(t)
	dir := t.TempDir()
	save := func(name string, write func([]byte) ([]byte, error)) {
		text, err := write(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := GenerateAuthority("")
	a.Metadata = Metadata{{"Name", "acme"}, {"a", `"`}}
	save("acme.authority", a.AppendPublic)
	save("acme.authority_secret", a.AppendSecret)
	c := Generate("")
	c.Metadata = interopMetadata
	c.Serial, c.Validity = 7, Validity{NotAfter: day(1, 1)}
	if err := a.Sign(c); err != nil {
		t.Fatal(err)
	}
	save("signed.key", c.AppendPublic)
	save("signed.key_secret", c.AppendSecret)
	bundle := *c
	bundle.Service = Service{Key: Generate("").Public, Endpoints: []string{"tcp://service.example.org:5555", "ipc:///run/it"}}
	save("signed.bundle", bundle.AppendSecret)
	bob := Generate("bob")
	save("bob.key_secret", bob.AppendSecret)
	l := new(RevocationList)
	for _, r := range []Revocation{{Serial: 10, Time: day(1, 1)}, {Key: c.Public, Time: day(1, 1), Reason: "it's"}, {Key: bob.Public, Time: day(1, 1)}, {Serial: 9, Time: day(1, 1)}} {
		if _, err := l.Revoke(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.SignRevocations(l, day(1, 1), day(2, 1)); err != nil {
		t.Fatal(err)
	}
	save("acme.revoked", l.Append)
	if err := c.lock([]byte("correct horse"), quick); err != nil { // cheap parameters; the authority below uses the defaults
		t.Fatal(err)
	}
	if err := a.Lock([]byte("pässword")); err != nil {
		t.Fatal(err)
	}
	save("locked.key_secret", c.AppendSecret)
	save("locked.authority_secret", a.AppendSecret)
	save("passphrases", func([]byte) ([]byte, error) {
		return []byte("locked.key_secret correct horse\nlocked.authority_secret pässword\n"), nil
	})
	check := func(dir string) (string, error) {
		out, err := exec.CommandContext(t.Context(), ztest.Python(t), "../docs/spec/certificate.py", "check", dir).CombinedOutput()
		return string(out), err
	}
	out, err := check(dir)
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for _, name := range []string{"acme.authority", "acme.authority_secret", "acme.revoked", "bob.key_secret",
		"locked.authority_secret", "locked.key_secret", "signed.bundle", "signed.key", "signed.key_secret"} {
		if !strings.Contains(out, name+": good\n") {
			t.Errorf("%s isn't good:\n%s", name, out)
		}
	}
	for _, change := range [][3]string{
		{"signed.key", "note = ", "nose = "},
		{"signed.key", "\nmetadata\n", "\nmetadata = \"admins\"\n"},
		{"signed.key", "    public-key", "    any = \"1\"\n    public-key"},
		{"signed.key", "authority\n", "plain\nauthority\n"},
		{"signed.bundle", "    endpoint", "    name"},
		{"signed.bundle", "    server-key", "    public"},
		{"signed.bundle", "    secret-key", "    any"},
		{"acme.revoked", "it's", "its "},
		{"acme.authority", a.Key.String(), AuthorityKey{1}.String()},
		{"acme.revoked", "        reason = \"it's\"\n", "        reason = \"it's\"\n            all\n"},
		{"locked.key_secret", "name = \"alice\"", "name = \"Alice\""},
		{"locked.key_secret", "\ncurve\n", "\ncurve = \"NULL\"\n"},
		{"locked.authority_secret", "acme", "Acme"},
		{"locked.authority_secret", "\nmetadata\n", "\nmetadata = \"x\"\n"},
	} {
		file, change := change[0], change[1:]
		text, err := os.ReadFile(filepath.Join(dir, file))
		ztest.Must(t, err)
		changed := bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, text) {
			t.Fatalf("%s has no %s", file, change[0])
		}
		// It and what it is read with, first as it is and then changed.
		alone := t.TempDir()
		for _, name := range []string{"passphrases", "bob.key_secret", file} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			ztest.Must(t, err)
			ztest.Must(t, os.WriteFile(filepath.Join(alone, name), text, 0o600))
		}
		if out, err := check(alone); err != nil || !strings.Contains(out, file+": good\n") {
			t.Errorf("%s alone: %v\n%s", file, err, out)
		}
		ztest.Must(t, os.WriteFile(filepath.Join(alone, file), changed, 0o600))
		if out, err := check(alone); err == nil || !strings.Contains(out, file+": refused") {
			t.Errorf("%s changed: %v\n%s", file, err, out)
		}
	}
}
