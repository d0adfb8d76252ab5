package cert

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/nacl/secretbox"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/z85"
)

// TestLock: a secret key that was locked comes back with its passphrase only.
func TestLock(t *testing.T) {
	t.Parallel()
	c := alice(t, item{"name", "alice"})
	before := c.Secret
	for _, err := range []error{c.lock(nil, quick), c.lock([]byte{}, quick)} {
		if !errors.Is(err, errNoPassphrase) || string(c.Secret.AppendZ85(nil)) != aliceSecret {
			t.Fatalf("empty passphrase: %v", err)
		}
	}
	if err := c.lock([]byte("passphrase"), quick); err != nil {
		t.Fatal(err)
	}
	if !c.Secret.IsZero() || string(before.AppendZ85(nil)) == aliceSecret {
		t.Error("the secret key is still in memory")
	}
	if err := c.lock([]byte("passphrase"), quick); !errors.Is(err, errLocked) {
		t.Errorf("locked twice: %v", err)
	}
	text, err := c.AppendSecret(nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(text), string(out), fmt.Sprintf("%v %+v %#v %v %+v %#v", c, c, c, *c.locked, *c.locked, *c.locked)} {
		if strings.Contains(shown, aliceSecret) {
			t.Errorf("the secret key shows in\n%s", shown)
		}
	}
	got, err := Parse(text)
	if err != nil || len(got.Warnings) > 0 {
		t.Fatal(got, err)
	}
	if got.Name() != "alice" || got.Public != c.Public || !got.Secret.IsZero() {
		t.Errorf("a locked certificate shows %+v", got)
	}
	for _, wrong := range []string{"", "Passphrase", "passphrase ", "passphras"} {
		if err := got.Unlock([]byte(wrong)); !errors.Is(err, ErrPassphrase) || !got.Secret.IsZero() {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if err := got.Unlock([]byte("passphrase")); err != nil || string(got.Secret.AppendZ85(nil)) != aliceSecret || got.locked != nil {
		t.Errorf("unlocked: %v, %+v", err, got)
	}
	if err := got.Unlock([]byte("anything")); err != nil {
		t.Errorf("unlocked already: %v", err)
	}
	if err := (&Certificate{Public: c.Public}).lock([]byte("x"), quick); !errors.Is(err, errNoSecretKey) {
		t.Errorf("a public certificate: %v", err)
	}
}

// TestLockedChanged: nothing else in a file with a locked secret can change.
func TestLockedChanged(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Certificate){
		"metadata":  func(c *Certificate) { c.Metadata.Set("name", "mallory") },
		"validity":  func(c *Certificate) { c.Validity.NotAfter = day(12, 30) },
		"serial":    func(c *Certificate) { c.Serial++ },
		"authority": func(c *Certificate) { c.Authority[0] ^= 1 },
		"signature": func(c *Certificate) { c.signature[0] ^= 1 },
		"key":       func(c *Certificate) { c.Public = curve.GenerateKey().Public() },
	} {
		c, _ := locked(t, "passphrase")
		change(c)
		if err := c.Unlock([]byte("passphrase")); !errors.Is(err, errLockedChanged) || !c.Secret.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Order, spacing and the case of names may.
	c, text := locked(t, "passphrase")
	got, err := Parse([]byte(strings.Replace(text, "    name = ", "    NAME   =  ", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Unlock([]byte("passphrase")); err != nil || got.Public != c.Public {
		t.Errorf("written otherwise: %v", err)
	}
}

// TestLockedBox opens a lock with nothing of ours.
func TestLockedBox(t *testing.T) {
	t.Parallel()
	c, _ := locked(t, "passphrase")
	l := c.locked
	key := argon2.IDKey([]byte("passphrase"), l.salt[:], quick.Passes, quick.Memory, quick.Lanes, 32)
	plain, ok := secretbox.Open(nil, l.box[:], new([24]byte), (*[32]byte)(key))
	if !ok {
		t.Fatal("secretbox doesn't open it")
	}
	digest := sha256.Sum256(append([]byte(canonical(t, c)), c.signature[:]...))
	if text, _ := z85.Append(nil, plain[:32]); string(text) != aliceSecret || string(plain[32:]) != string(digest[:]) {
		t.Error("there is something else in it")
	}
	other, _ := locked(t, "passphrase")
	if other.locked.salt == l.salt || other.locked.box == l.box {
		t.Error("two locks have the same salt or box")
	}
}

// TestLockDefault: by default, it is the second recommended option of
// RFC 9106.
func TestLockDefault(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 64 MiB of memory")
	}
	c := alice(t)
	if err := c.Lock([]byte("passphrase")); err != nil {
		t.Fatal(err)
	}
	if got, ok := c.Locked(); got != "argon2id m=65536 t=3 p=4" || !ok {
		t.Errorf("got %s, %v", got, ok)
	}
	if err := c.Unlock([]byte("passphrase")); err != nil {
		t.Error(err)
	}
}

// TestScheme: a file can't ask for anything.
func TestScheme(t *testing.T) {
	t.Parallel()
	for scheme, want := range map[string]error{
		"argon2id m=65536 t=3 p=4":               nil,
		"argon2id m=8 t=1 p=1":                   nil,
		"argon2id m=512 t=1 p=64":                nil,
		"argon2id m=1048576 t=4 p=4":             nil,
		"argon2id m=1048577 t=1 p=4":             errLockLimit,
		"argon2id m=1048576 t=5 p=4":             errLockLimit,
		"argon2id m=4294967295 t=1 p=1":          errLockLimit,
		"argon2id m=4294967288 t=4294967295 p=1": errLockLimit,
		"argon2id m=8 t=524289 p=1":              errLockLimit,
		"argon2id m=1000 t=1 p=65":               errLockLimit,
		"argon2id m=7 t=1 p=1":                   errScheme,
		"argon2id m=511 t=1 p=64":                errScheme,
		"argon2id m=8 t=0 p=1":                   errScheme,
		"argon2id m=8 t=1 p=0":                   errScheme,
		"argon2id m=8 t=1 p=256":                 errScheme,
		"argon2id m=4294967296 t=1 p=1":          errScheme,
		"argon2id m=08 t=1 p=1":                  errScheme,
		"argon2id m=8 t=1 p=1 ":                  errScheme,
		"argon2id  m=8 t=1 p=1":                  errScheme,
		"argon2id m=8 t=1":                       errScheme,
		"argon2id t=1 m=8 p=1":                   errScheme,
		"argon2i m=8 t=1 p=1":                    errScheme,
		"scrypt n=2 r=1 p=1":                     errScheme,
		"":                                       errScheme,
	} {
		if p, err := parseScheme(scheme); !errors.Is(err, want) {
			t.Errorf("%q: got %v, %v, want %v", scheme, p, err, want)
		}
	}
}
