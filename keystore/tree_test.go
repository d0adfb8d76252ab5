package keystore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

func mkdir(t testing.TB, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	ztest.Must(t, os.MkdirAll(path, 0o755))
	return path
}

// TestPipe: a pipe in place of a certificate is ignored and blocks nothing, even one that
// replaces a file just before it is opened.
func TestPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	guests := mkdir(t, dir, "guests")
	alice := add(t, dir, "alice")
	if err := makePipe(filepath.Join(guests, "x.key")); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system has no named pipes:", err)
	} else {
		ztest.Must(t, err)
	}
	s, log := open(t, dir)
	if !knows(s, alice) || s.Len() != 1 || log.Count("level=ERROR") > 0 {
		t.Errorf("%d identities, log:\n%s", s.Len(), log)
	}
	ztest.Background(t, s.Watch)
	whole, _ := text(t, "guest")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // who may only write to guests
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			os.WriteFile(filepath.Join(guests, ".f"), []byte(whole), 0o644)
			os.Rename(filepath.Join(guests, ".f"), filepath.Join(guests, "x.key"))
			makePipe(filepath.Join(guests, ".p"))
			os.Rename(filepath.Join(guests, ".p"), filepath.Join(guests, "x.key"))
		}
	}()
	defer func() { <-stopped }()
	defer close(stop)
	for i := range 5 {
		bob := add(t, dir, fmt.Sprint("bob-", i))
		ztest.Wait(t, "the wrong identity is known", func() bool { return knows(s, bob) })
		ztest.Must(t, os.Remove(filepath.Join(dir, fmt.Sprint("bob-", i, ".key"))))
		ztest.Wait(t, "the identity is still known", func() bool { return !knows(s, bob) })
		ztest.Must(t, s.Reload())
	}
}

// TestLinks: the store itself and groups may be links to directories, and their targets
// may change. Cycles of links do no harm.
func TestLinks(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	v1, v2 := mkdir(t, base, "v1"), mkdir(t, base, "v2")
	alice, bob := add(t, v1, "alice"), add(t, v2, "bob")
	turn := func(link, target string) {
		ztest.Must(t, os.Symlink(target, link+".new"), os.Rename(link+".new", link))
	}
	current := filepath.Join(base, "current")
	turn(current, "v1")
	s, _ := open(t, current)
	if !knows(s, alice) || knows(s, bob) {
		t.Fatal("an identity behind a link is unknown")
	}
	ztest.Background(t, s.Watch)
	turn(current, "v2")
	ztest.Wait(t, "the link has another target", func() bool { return knows(s, bob) && !knows(s, alice) })
	carol := generate(t, "carol")
	ztest.Must(t, s.Put(put(carol)))
	if again, _ := open(t, v2); !knows(again, carol.Public) {
		t.Error("the new identity isn't there")
	}

	desk1, desk2 := mkdir(t, base, "desk1"), mkdir(t, base, "desk2", "fx")
	dave, erin := add(t, desk1, "dave"), add(t, desk2, "erin")
	turn(filepath.Join(v2, "traders"), "../desk1")
	ztest.Wait(t, "a group that is a link", func() bool { id, ok := s.Lookup(dave); return ok && inGroup(id, "traders") })
	turn(filepath.Join(v2, "traders"), "../desk2")
	ztest.Wait(t, "the link has another target", func() bool {
		id, ok := s.Lookup(erin)
		return ok && inGroup(id, "traders/fx") && !knows(s, dave)
	})
	frank := add(t, desk2, "frank")
	ztest.Wait(t, "a file in the link's target", func() bool { return knows(s, frank) })

	turn(filepath.Join(v2, "self"), ".")
	turn(filepath.Join(v2, "above"), "..")
	turn(filepath.Join(v2, "loop"), "loop")
	again, _ := open(t, current)
	if id, ok := again.Lookup(bob); !ok || id.Name != "bob" {
		t.Errorf("%+v", id)
	}
}

// TestManyLinks: directories full of links to each other have more paths than can be read,
// but the store can be read.
func TestManyLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const count = 24
	for i := range count {
		for j := range count {
			if i != j {
				ztest.Must(t, os.Symlink(filepath.Join("..", fmt.Sprint("d", j)), filepath.Join(mkdir(t, dir, fmt.Sprint("d", i)), fmt.Sprint("to", j))))
			}
		}
	}
	alice := add(t, filepath.Join(dir, "d0"), "alice")
	s, log := open(t, dir)
	if id, ok := s.Lookup(alice); !ok || !inGroup(id, "d0") || !inGroup(id, "d1/to0") {
		t.Errorf("%+v", id)
	}
	if log.Count("level=ERROR", "link within a linked directory") == 0 {
		t.Error("links that aren't followed were not logged")
	}
}

// TestLeftovers: files that programs leave behind are ignored, even when the original is
// gone. The log warns about them, because czmq would admit their keys.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole, key := text(t, "alice")
	names := []string{"#alice.key#", "alice.key~"}
	for _, suffix := range []string{"swp", "tmp", "save", "orig", "bak", "old", "rej", "dpkg-old", "dpkg-new", "dpkg-dist", "dpkg-tmp", "dpkg-bak", "rpmsave", "rpmorig", "rpmnew"} {
		names = append(names, "alice.key."+suffix)
	}
	for _, name := range names {
		write(t, dir, name, whole)
	}
	s, log := open(t, dir)
	if knows(s, key) || s.Len() != 0 {
		t.Error("a leftover counts")
	}
	for _, name := range names {
		if log.Count("level=WARN", "leftover", filepath.Join(dir, name)) != 1 {
			t.Errorf("no warning about %s", name)
		}
	}
}

// TestNames: the name is the file's, never the certificate's. A name that two identities
// share, or that looks like a key, is not used as a user id.
func TestNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice, mallory := generate(t, "alice"), generate(t, "alice", cert.Metadata{{"group", "traders"}}...)
	for file, c := range map[string]*cert.Certificate{"traders/alice.key": alice, "guests/mallory.key": mallory} {
		out, err := c.AppendPublic(nil)
		ztest.Must(t, err)
		write(t, mkdir(t, dir, filepath.Dir(file)), filepath.Base(file), string(out))
	}
	s, _ := open(t, dir)
	check := func(key curve.PublicKey, userID string, groups ...string) {
		t.Helper()
		ztest.Must(t, s.Reload())
		again, _ := open(t, dir)
		for _, s := range []keystore.Store{s, again} {
			if id, ok := s.Lookup(key); !ok || id.UserID != userID || !slices.Equal(id.Groups, groups) {
				t.Errorf("got %+v, want %s in %q", id, userID, groups)
			}
		}
	}
	check(alice.Public, "alice", "traders")
	check(mallory.Public, "mallory", "guests")

	// An expired copy of alice's certificate doesn't replace hers, whatever its name.
	copyOf := &cert.Certificate{Public: alice.Public, Validity: cert.Validity{NotAfter: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}}
	out, err := copyOf.AppendPublic(nil)
	ztest.Must(t, err)
	write(t, filepath.Join(dir, "guests"), "alice.key", string(out))
	check(alice.Public, "alice", "guests", "traders")
	id, _ := s.Lookup(alice.Public)
	valid := id.Certificate.Validity.Check(at) == nil
	for _, other := range id.Others {
		valid = valid || other.Validity.Check(at) == nil
	}
	if !valid {
		t.Error("the valid certificate is lost")
	}

	// With another alice at the same depth, neither gets the name. One that is less deep
	// gets it.
	bob := add(t, filepath.Join(dir, "guests"), "bob")
	ztest.Must(t, os.Rename(filepath.Join(dir, "guests", "bob.key"), filepath.Join(mkdir(t, dir, "other"), "alice.key")))
	check(alice.Public, alice.Public.String(), "guests", "traders")
	check(bob, bob.String(), "other")
	carol := add(t, dir, "alice")
	check(carol, "alice")
	check(bob, bob.String(), "other")
	ztest.Must(t, os.Remove(filepath.Join(dir, "other", "alice.key")), os.Remove(filepath.Join(dir, "alice.key")))
	check(alice.Public, "alice", "guests", "traders")

	// Names that differ only in case are different if file names are.
	if runtime.GOOS == "linux" {
		dave, DAVE := add(t, dir, "dave"), add(t, dir, "DAVE")
		check(dave, "dave")
		check(DAVE, "DAVE")
	}
}

// TestNoGroup: a directory is not a group if a service would read its name as several
// groups, or as another group; nor are its subdirectories.
func TestNoGroup(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir := mkdir(t, base, "clients")
	for name, want := range map[string][]string{
		"traders,admins": nil, "admins ": nil, " ops": nil, "a\nb": nil,
		"two words": {"two words"}, "händler": {"händler"},
	} {
		key := add(t, mkdir(t, dir, name), "x")
		below := add(t, mkdir(t, dir, name, "y"), "z")
		s, log := open(t, dir)
		id, ok := s.Lookup(key)
		if !ok || !slices.Equal(id.Groups, want) {
			t.Errorf("%q: %+v", name, id)
		}
		if id, ok := s.Lookup(below); !ok || (len(id.Groups) == 0) != (want == nil) {
			t.Errorf("below %q: %+v", name, id)
		}
		if got := log.Count("level=ERROR", "directory is not a group"); (got == 1) != (want == nil) {
			t.Errorf("%q: told %d times", name, got)
		}
		ztest.Must(t, os.RemoveAll(filepath.Join(dir, name)))
	}
}

// TestNameLikeAKey: if a file's name is another identity's key, the user id of its
// identity is its own key.
func TestNameLikeAKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim := curve.GenerateKey().Public()
	for strings.ContainsAny(victim.String(), "/") {
		victim = curve.GenerateKey().Public()
	}
	mallory := add(t, dir, victim.String())
	s, log := open(t, dir)
	if id, ok := s.Lookup(mallory); !ok || id.UserID != mallory.String() || log.Count("level=WARN", "looks like a key") != 1 {
		t.Errorf("%+v, log:\n%s", id, log)
	}
}

// TestReservedNames: Put refuses names that can't be file names on every system.
func TestReservedNames(t *testing.T) {
	t.Parallel()
	s, _ := open(t, urlOf(t, "dir"))
	for _, name := range []string{"NUL", "con", "Aux.x", "com1", "LPT9", "conin$", "a ", " a", "a/b", `a\b`, "a:b", "a*", "..", ".a", "a.key", "a.revoked",
		"a.key_secret", "a~", "a.bak", "#a#", "a.tmp", strings.Repeat("x", 201)} {
		if err := s.Put(&keystore.Identity{Name: name, Certificate: generate(t, "x")}); !errors.Is(err, keystore.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, group := range []string{"a.", "a ", "a/b.", "a//b", "/a", "a/"} {
		if err := s.Put(&keystore.Identity{Name: "x", Certificate: generate(t, "x"), Groups: []string{group}}); !errors.Is(err, keystore.ErrGroup) {
			t.Errorf("group %q: %v", group, err)
		}
	}
	if s.Len() != 0 {
		t.Error("something was put")
	}
}

// TestForgedReplacesNothing: a tampered copy of a certificate doesn't replace the valid
// one, neither in memory nor on disk.
func TestForgedReplacesNothing(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, s keystore.Store, again func() keystore.Store) {
		alice := generate(t, "alice")
		ztest.Must(t, cert.GenerateAuthority("").Sign(alice), s.Put(put(alice)))
		forged := *alice
		forged.Metadata = append(slices.Clone(alice.Metadata), struct{ Name, Value string }{"group", "admins"})
		madeUp := generate(t, "mallory")
		madeUp.Authority = alice.Authority
		for _, c := range []*cert.Certificate{&forged, madeUp} {
			if err := s.Put(put(c)); err == nil || !strings.Contains(err.Error(), "sign") {
				t.Errorf("%s: %v", c.Name(), err)
			}
		}
		if again != nil {
			s = again()
		}
		if id, ok := s.Lookup(alice.Public); !ok || canonical(t, id.Certificate) != canonical(t, alice) || s.Len() != 1 {
			t.Errorf("%d identities, %+v", s.Len(), id)
		}
	})
}
