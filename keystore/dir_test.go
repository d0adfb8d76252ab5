package keystore_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice := add(t, dir, "alice")
	for _, url := range []string{dir, "dir:" + dir, "dir:" + dir + "/"} {
		d, _ := open(t, url)
		id, ok := d.Lookup(alice)
		if !ok || id.Name != "alice" || id.Key() != alice || id.Place != filepath.Join(dir, "alice.key") {
			t.Errorf("%s: %+v, %v", url, id, ok)
		}
	}
	for url, want := range map[string]error{
		"":                            keystore.ErrURL,
		"dir:":                        keystore.ErrURL,
		"etcd://host":                 keystore.ErrURL,
		"mem:clients":                 keystore.ErrURL,
		"clients:":                    keystore.ErrURL,
		filepath.Join(dir, "missing"): fs.ErrNotExist,
	} {
		if _, err := keystore.Open(url, nil); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", url, err, want)
		}
	}
	if _, err := keystore.Open(filepath.Join(dir, "alice.key"), nil); err == nil {
		t.Error("a file is opened as a directory")
	}
}

// TestWhatCounts: the files that are read, and the names of their identities.
func TestWhatCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	elsewhere := t.TempDir()
	named, namedKey := text(t, "in the file")
	write(t, dir, "named.key", named)
	nameless := cert.Generate("")
	out, err := nameless.AppendPublic(nil)
	ztest.Must(t, err)
	write(t, dir, "nameless.key", string(out))
	other := cert.Generate("")
	out, err = other.AppendPublic(nil)
	ztest.Must(t, err)
	write(t, dir, "czmq.txt", string(out))
	linked := add(t, elsewhere, "linked")
	ztest.Must(t, os.Symlink(filepath.Join(elsewhere, "linked.key"), filepath.Join(dir, "link.key")))
	var ignored []curve.PublicKey
	for _, file := range []string{".hidden.key", "mallory.key_secret", "backup.key~", ".backup.key.swp", "half.key.tmp"} {
		text, key := text(t, "ignored")
		write(t, dir, file, text)
		ignored = append(ignored, key)
	}
	ztest.Must(t, os.Mkdir(filepath.Join(dir, "sub.key"), 0o755))
	ztest.Must(t, os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "dangling.key")))

	d, log := open(t, dir)
	for key, name := range map[curve.PublicKey]string{namedKey: "named", nameless.Public: "nameless", other.Public: "czmq.txt", linked: "link"} {
		if id, ok := d.Lookup(key); !ok || id.Name != name {
			t.Errorf("%s: %+v, %v", name, id, ok)
		}
	}
	for _, key := range ignored {
		if knows(d, key) {
			t.Error("a file that should be ignored was read")
		}
	}
	if d.Len() != 4 || log.Count("level=ERROR") != 0 {
		t.Errorf("%d identities, log:\n%s", d.Len(), log)
	}
}

// TestSignature: a certificate that was changed after an authority signed it is ignored.
func TestSignature(t *testing.T) {
	t.Parallel()
	c := cert.Generate("alice")
	ztest.Must(t, cert.GenerateAuthority("").Sign(c))
	text, err := c.AppendPublic(nil)
	ztest.Must(t, err)
	dir := t.TempDir()
	write(t, dir, "alice.key", string(text))
	d, err := keystore.Open(dir, nil)
	ztest.Must(t, err)
	if _, ok := d.Lookup(c.Public); !ok {
		t.Error("a signed certificate is ignored")
	}
	dir = t.TempDir()
	write(t, dir, "alice.key", strings.Replace(string(text), "alice", "admin", 1))
	var log ztest.Log
	d, err = keystore.Open(dir, log.Logger())
	ztest.Must(t, err)
	if _, ok := d.Lookup(c.Public); ok {
		t.Error("a changed certificate is used")
	}
	if log.Count("level=ERROR", "alice.key", "wrong signature") != 1 {
		t.Errorf("log:\n%s", log.String())
	}
}

// TestBroken: an invalid file is logged with its place, and does not affect other files.
func TestBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice := add(t, dir, "alice")
	write(t, dir, "broken.key", "metadata\n    name = \"bob\"\ncurve\n    public-key = \"tooshort\"\n")
	write(t, dir, "README", "Certificates go here.\n")
	write(t, dir, "large.key", strings.Repeat("# large\n", form.MaxFile/8+1))
	d, log := open(t, dir)
	if !knows(d, alice) || d.Len() != 1 {
		t.Errorf("%d identities", d.Len())
	}
	for _, words := range [][]string{
		{"level=ERROR", filepath.Join(dir, "broken.key") + ":4:19"},
		{"level=ERROR", filepath.Join(dir, "README") + ":1:14"},
		{"level=ERROR", filepath.Join(dir, "large.key"), "larger than"},
	} {
		if log.Count(words...) != 1 {
			t.Errorf("no line with %q in:\n%s", words, log)
		}
	}
	ztest.Must(t, d.Reload())
	if n := log.Count("level=ERROR"); n != 3 {
		t.Errorf("%d errors after a reload, want no new ones:\n%s", n, log)
	}
}

// TestSecretInTheStore: a file with a secret key is logged, and the secret is not kept.
func TestSecretInTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := cert.Generate("careless")
	text, err := c.AppendSecret(nil)
	ztest.Must(t, err)
	write(t, dir, "careless.key", string(text))
	d, log := open(t, dir)
	if !knows(d, c.Public) || log.Count("level=WARN", "careless.key", "secret key") != 1 {
		t.Errorf("log:\n%s", log)
	}
	if strings.Contains(log.String(), string(c.Secret.AppendZ85(nil))) {
		t.Error("the secret is in the log")
	}
}

// TestOneKeyInManyFiles: an identity is in the groups of all files with its key, and has
// the name of the least deep file. If several files are equally deep and their names
// differ, its user id is its key.
func TestOneKeyInManyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, key := text(t, "shared")
	for _, group := range []string{"traders", "guests/day"} {
		ztest.Must(t, os.MkdirAll(filepath.Join(dir, group), 0o755))
		write(t, filepath.Join(dir, group), "alice.key", one)
	}
	d, log := open(t, dir)
	check := func(name, userID string, groups ...string) {
		t.Helper()
		ztest.Must(t, d.Reload())
		id, ok := d.Lookup(key)
		if !ok || id.Name != name || id.UserID != userID || !slices.Equal(id.Groups, groups) {
			t.Errorf("%+v", id)
		}
	}
	check("alice", "alice", "guests", "guests/day", "traders")
	if log.Count("level=WARN") > 0 {
		t.Errorf("log:\n%s", log)
	}
	write(t, filepath.Join(dir, "guests"), "admin.key", one)
	check("admin", key.String(), "guests", "guests/day", "traders")
	if log.Count("level=WARN", "using the key", "different names") != 1 {
		t.Errorf("log:\n%s", log)
	}
	write(t, dir, "root.key", one)
	check("root", "root", "guests", "guests/day", "traders")
	ztest.Must(t, os.RemoveAll(filepath.Join(dir, "guests")), os.Remove(filepath.Join(dir, "root.key")))
	check("alice", "alice", "traders")
}

// TestReload: if the directory can't be read, nothing changes.
func TestReload(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "clients")
	ztest.Must(t, os.Mkdir(dir, 0o755))
	alice := add(t, dir, "alice")
	d, _ := open(t, dir)
	bob := add(t, dir, "bob")
	ztest.Must(t, os.Remove(filepath.Join(dir, "alice.key")))
	ztest.Must(t, d.Reload())
	if knows(d, alice) || !knows(d, bob) {
		t.Error("the change does not apply")
	}
	ztest.Must(t, os.RemoveAll(dir))
	if err := d.Reload(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if !knows(d, bob) {
		t.Error("a reload that failed changed something")
	}
}

// TestLookupUnderChange: an identity that stays in the store is always found while others
// change.
func TestLookupUnderChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice := add(t, dir, "alice")
	d, _ := open(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if id, ok := d.Lookup(alice); !ok || id.Name != "alice" {
					t.Errorf("%+v, %v", id, ok)
					return
				}
			}
		})
	}
	for n := range 100 {
		name := fmt.Sprintf("client-%d", n%5)
		if n%3 == 2 {
			os.Remove(filepath.Join(dir, name+".key"))
		} else {
			add(t, dir, name)
		}
		ztest.Must(t, d.Reload())
	}
	cancel()
	wg.Wait()
}

// TestLookupAllocs: Lookup doesn't allocate.
func TestLookupAllocs(t *testing.T) {
	dir := t.TempDir()
	alice := add(t, dir, "alice")
	d, _ := open(t, dir)
	stranger := curve.GenerateKey().Public()
	if n := testing.AllocsPerRun(1000, func() {
		if !knows(d, alice) || knows(d, stranger) {
			t.Fatal("wrong answer")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// many creates a directory of n certificates.
func many(b *testing.B, n int) (dir string, keys []curve.PublicKey) {
	dir = b.TempDir()
	for i := range n {
		keys = append(keys, add(b, dir, fmt.Sprintf("client-%06d", i)))
	}
	return dir, keys
}

func BenchmarkOpen10000(b *testing.B) {
	dir, _ := many(b, 10_000)
	for b.Loop() {
		d, err := keystore.Open(dir, nil)
		ztest.Must(b, err)
		if d.Len() != 10_000 {
			b.Fatal(d.Len())
		}
	}
}

func BenchmarkLookup10000(b *testing.B) {
	dir, keys := many(b, 10_000)
	d, err := keystore.Open(dir, nil)
	ztest.Must(b, err)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if !knows(d, keys[i%len(keys)]) {
			b.Fatal("not found")
		}
		i++
	}
}
