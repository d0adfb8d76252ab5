package cert

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/regular"
	"github.com/zcurve/zcurve/internal/ztest"
)

// TestAuthorityKey: a key has one text.
func TestAuthorityKey(t *testing.T) {
	t.Parallel()
	key := GenerateAuthority("").Key
	text := key.String()
	if want := "ed25519:" + base64.RawStdEncoding.EncodeToString(key[:]); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
	if got, err := ParseAuthorityKey(text); err != nil || got != key {
		t.Errorf("read back: %v, %v", got, err)
	}
	out, err := json.Marshal(map[AuthorityKey]AuthorityKey{key: key})
	if err != nil {
		t.Fatal(err)
	}
	var back map[AuthorityKey]AuthorityKey
	if err := json.Unmarshal(out, &back); err != nil || back[key] != key {
		t.Errorf("read back from %s: %v", out, err)
	}
	for _, wrong := range []string{
		"", "ed25519:", "ed25519", key.String()[len("ed25519:"):], "Ed25519:" + text[8:], " " + text, text + " ", text + "=", text + "A",
		text[:len(text)-1], text[:len(text)-1] + "B", text[:len(text)-1] + "\n", text[:20] + "\n" + text[21:], text[:20] + "\r" + text[21:],
		text[:20] + "-" + text[21:], text[:20] + "\x00" + text[21:], "ed25519:" + strings.Repeat("A", 43), alicePublic,
	} {
		if k, err := ParseAuthorityKey(wrong); !errors.Is(err, errAuthorityKey) || k != (AuthorityKey{}) {
			t.Errorf("%q: %v, %v", wrong, k, err)
		}
		if err := new(AuthorityKey).UnmarshalText([]byte(wrong)); !errors.Is(err, errAuthorityKey) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// TestGenerateAuthority: each is another, and signs what others verify.
func TestGenerateAuthority(t *testing.T) {
	t.Parallel()
	a, b := GenerateAuthority("acme"), GenerateAuthority("")
	if a.Key == b.Key || a.Key == (AuthorityKey{}) || !a.HasSecret() || a.Name() != "acme" || b.Name() != "" {
		t.Errorf("got %+v and %+v", a, b)
	}
	c := Generate("")
	if err := a.Sign(c); err != nil {
		t.Fatal(err)
	}
	text, err := c.AppendCanonical([]byte("zeromq-certificate-1\n"))
	if err != nil || !ed25519.Verify(a.Key[:], text, c.signature[:]) {
		t.Errorf("signed otherwise: %v", err)
	}
	again := c.signature
	if err := a.Sign(c); err != nil || c.signature != again {
		t.Errorf("signed again: %v", err)
	}
}

// TestAuthorityLock: what can't be locked or unlocked stays as it is, and after a
// lock the seed is no more.
func TestAuthorityLock(t *testing.T) {
	t.Parallel()
	public := &Authority{Key: authority(t, "acme").Key}
	double := authority(t, "acme")
	double.Metadata = Metadata{{"a", "1"}, {"A", "2"}}
	noKey := authority(t, "acme")
	noKey.Key = AuthorityKey{}
	alreadyLocked, _ := lockedAuthority(t, "x")
	for name, tt := range map[string]struct {
		a          *Authority
		passphrase string
		want       error
	}{
		"no passphrase": {authority(t, "acme"), "", errNoPassphrase},
		"public":        {public, "x", errNoSeed},
		"locked":        {alreadyLocked, "x", errLocked},
		"metadata":      {double, "x", form.ErrMetadata},
		"no key":        {noKey, "x", errNoAuthority},
	} {
		before := *tt.a
		if err := tt.a.lock([]byte(tt.passphrase), quick); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		if tt.a.HasSecret() != before.HasSecret() || tt.a.locked != before.locked {
			t.Errorf("%s: has changed", name)
		}
	}

	a := authority(t, "acme")
	seed := a.seed.Reveal()
	if err := a.Unlock([]byte("anything")); err != nil || !a.HasSecret() {
		t.Errorf("not locked: %v", err)
	}
	if err := a.lock([]byte("passphrase"), quick); err != nil {
		t.Fatal(err)
	}
	if a.HasSecret() || !bytes.Equal(seed, make([]byte, len(seed))) {
		t.Error("the seed is still in memory")
	}
	if err := a.SignRevocations(new(RevocationList), day(1, 1), day(2, 1)); !errors.Is(err, errLocked) {
		t.Errorf("signed: %v", err)
	}
	for name, change := range map[string]func(*Authority){
		"metadata":     func(a *Authority) { a.Metadata.Set("name", "Acme") },
		"more of it":   func(a *Authority) { a.Metadata.Set("note", "") },
		"key":          func(a *Authority) { a.Key = GenerateAuthority("").Key },
		"a wrong text": func(a *Authority) { a.Metadata.Set("note", "a\nb") },
	} {
		changed := *a
		changed.Metadata = append(Metadata(nil), a.Metadata...)
		change(&changed)
		want := errLockedChanged
		if name == "a wrong text" {
			want = form.ErrMetadata
		}
		if err := changed.Unlock([]byte("passphrase")); !errors.Is(err, want) || changed.HasSecret() {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	if err := a.Unlock([]byte("Passphrase")); !errors.Is(err, ErrPassphrase) || a.HasSecret() {
		t.Errorf("wrong passphrase: %v", err)
	}
	if err := a.Unlock([]byte("passphrase")); err != nil || !bytes.Equal(a.seed.Reveal(), authority(t, "acme").seed.Reveal()) || a.locked != nil {
		t.Errorf("unlocked: %v", err)
	}

	// Somebody locked another seed beside this key.
	text, err := a.publicText()
	if err != nil {
		t.Fatal(err)
	}
	forged := &Authority{Key: a.Key, Metadata: a.Metadata}
	if forged.locked, err = lock((*[32]byte)(authority(t, "mallory").seed.Reveal()), text, []byte("x"), quick); err != nil {
		t.Fatal(err)
	}
	if err := forged.Unlock([]byte("x")); !errors.Is(err, errSeed) || forged.HasSecret() {
		t.Errorf("another seed: %v", err)
	}
}

// TestAuthorityPrintsNoSeed: not even where fmt follows pointers.
func TestAuthorityPrintsNoSeed(t *testing.T) {
	t.Parallel()
	a := authority(t, "acme")
	seed := a.seed.Reveal()
	type inside struct {
		a *Authority
		v Authority
	}
	for _, v := range []any{a, *a, []*Authority{a}, []Authority{*a}, inside{a, *a}, map[string]any{"a": *a}} {
		ztest.CheckHidden(t, v, string(seed), fmt.Sprint(seed[:8])[1:24], form.Encoding.EncodeToString(seed)[:20])
	}
	for _, write := range []func([]byte) ([]byte, error){a.AppendPublic, func(dst []byte) ([]byte, error) {
		if err := a.lock([]byte("x"), quick); err != nil {
			return nil, err
		}
		return a.AppendSecret(dst)
	}} {
		text, err := write(nil)
		if err != nil || strings.Contains(string(text), form.Encoding.EncodeToString(authority(t, "acme").seed.Reveal())) {
			t.Errorf("the seed is in\n%s: %v", text, err)
		}
	}
}

// TestAuthoritySave: both files are written or neither, and read back.
func TestAuthoritySave(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "acme.authority")
	a := authority(t, "acme")
	if err := a.Save(path); err != nil {
		t.Fatal(err)
	}
	public, err := a.AppendPublic(nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := a.AppendSecret(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"acme.authority": string(public), "acme.authority_secret": string(secret)}
	checkFiles(t, path, want)
	for file, hasSecret := range map[string]bool{path: false, path + SecretSuffix: true} {
		got, err := LoadAuthority(file)
		if err != nil || len(got.Warnings) > 0 {
			t.Fatal(got, err)
		}
		if got.Key != a.Key || got.HasSecret() != hasSecret || cmp.Diff(a.Metadata, got.Metadata) != "" {
			t.Errorf("%s: %+v", file, got)
		}
	}
	if runtime.GOOS != "windows" {
		if info, err := os.Stat(path + SecretSuffix); err != nil || info.Mode() != secretMode {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}

	// What can't be saved leaves nothing behind.
	other := authority(t, "other")
	if err := other.Save(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	if err := other.SaveSecret(path + SecretSuffix); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	if err := (&Authority{Key: a.Key}).Save(path, Replace); !errors.Is(err, errNoSeed) {
		t.Errorf("public: %v", err)
	}
	if err := (&Authority{Key: a.Key}).SaveSecret(path, Replace); !errors.Is(err, errNoSeed) {
		t.Errorf("public: %v", err)
	}
	other.Metadata.Set("note", "a\nb")
	if err := other.Save(path, Replace); !errors.Is(err, form.ErrMetadata) {
		t.Errorf("metadata: %v", err)
	}
	if err := other.SaveSecret(path, Replace); !errors.Is(err, form.ErrMetadata) {
		t.Errorf("metadata: %v", err)
	}
	for _, write := range []func([]byte) ([]byte, error){new(Authority).AppendPublic, new(Authority).AppendSecret} {
		if text, err := write([]byte("before")); !errors.Is(err, errNoAuthority) || string(text) != "before" {
			t.Errorf("no key: %q, %v", text, err)
		}
	}
	checkFiles(t, path, want)

	// Locked in place.
	if err := a.lock([]byte("passphrase"), quick); err != nil {
		t.Fatal(err)
	}
	if err := a.SaveSecret(path+SecretSuffix, Replace); err != nil {
		t.Fatal(err)
	}
	got, err := LoadAuthority(path + SecretSuffix)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Unlock([]byte("passphrase")); err != nil || got.Key != a.Key {
		t.Errorf("unlocked: %v", err)
	}
}

// TestLoadAuthorityRefuses: an error says which file it is.
func TestLoadAuthorityRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("authority\n    key = x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, bytes.Repeat([]byte("#\n"), form.MaxFile/2+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		text:                       errAuthorityKey,
		large:                      regular.ErrTooLarge,
		dir:                        regular.ErrNotRegular,
		filepath.Join(dir, "none"): fs.ErrNotExist,
	} {
		if a, err := LoadAuthority(path); a != nil || !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %v", path, err, want)
		}
	}
}
