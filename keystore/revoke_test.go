package keystore_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// mustBeRefused checks that a key is revoked and not found, now and after a restart.
func mustBeRefused(t *testing.T, s keystore.Store, url string, key curve.PublicKey) {
	t.Helper()
	check := func(when string, s keystore.Store) {
		t.Helper()
		if _, revoked := s.Revocation(key); !revoked || knows(s, key) {
			t.Errorf("%s: revoked %v, known %v", when, revoked, knows(s, key))
		}
	}
	check("at once", s)
	ztest.Must(t, s.Reload())
	check("reloaded", s)
	again, _ := open(t, url)
	check("after a restart", again)
}

// TestRevokeAnything: every identity can be revoked. Neither odd content of its
// certificate, nor its file's name, nor a copy brings it back.
func TestRevokeAnything(t *testing.T) {
	t.Parallel()
	deep := ""
	for i := range 16 {
		deep += strings.Repeat("    ", i) + "x\n"
	}
	many := ""
	for i := range 3000 {
		many += fmt.Sprintf("    n%d = v\n", i)
	}
	for name, tt := range map[string]struct{ file, in, behind string }{
		"plain":          {file: "mallory.key"},
		"16 levels deep": {file: "mallory.key", behind: deep},
		"3000 lines":     {file: "mallory.key", in: many},
		"64 KiB":         {file: "mallory.key", behind: strings.Repeat("# large\n", (form.MaxFile-400)/8)},
		"both quotes":    {file: "mallory.key", behind: "other\n    a = both \" and '\n"},
		"a long line":    {file: "mallory.key", behind: "other\n    a = " + strings.Repeat("x", 1100) + "\n"},
		"a long name":    {file: strings.Repeat("x", 240) + ".key"},
		"an odd name":    {file: "both \" and '\x01\n.key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			whole, key := text(t, "mallory")
			whole = strings.Replace(whole, "metadata\n", "metadata\n"+tt.in, 1) + tt.behind
			write(t, dir, tt.file, whole)
			s, log := open(t, dir)
			if !knows(s, key) {
				t.Fatalf("not known before:\n%s", log)
			}
			ztest.Must(t, s.Revoke(key, at, "stolen"))
			mustBeRefused(t, s, dir, key)
			if log.Count("level=WARN", "ignoring the certificate") > 0 {
				t.Errorf("warned about its own changes:\n%s", log)
			}
			if _, err := os.Lstat(filepath.Join(dir, tt.file)); err == nil {
				t.Error("its file is still there, for programs that do not know about revocations")
			}
			ztest.Must(t, os.Mkdir(filepath.Join(dir, "group"), 0o755))
			write(t, dir, "copy.key", whole)
			write(t, filepath.Join(dir, "group"), "other.key", whole)
			mustBeRefused(t, s, dir, key)
			if r, _ := s.Revocation(key); r.Reason != "stolen" || !r.Time.Equal(at) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestRecordDamaged: a record still refuses its key, however it is damaged.
func TestRecordDamaged(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"empty":     func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"cut":       func(path string) error { return os.Truncate(path, 100) },
		"junk":      func(path string) error { return os.WriteFile(path, []byte("\x00\xff"), 0o644) },
		"too large": func(path string) error { return os.Truncate(path, 1<<20) },
		"a directory": func(path string) error {
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o755))
		},
		"a dangling link": func(path string) error {
			return errors.Join(os.Remove(path), os.Symlink("nowhere", path))
		},
		"in capitals": func(path string) error {
			return os.Rename(path, filepath.Join(filepath.Dir(path), strings.ToUpper(filepath.Base(path))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			whole, key := text(t, "mallory")
			write(t, dir, "mallory.key", whole)
			s, _ := open(t, dir)
			ztest.Must(t, s.Revoke(key, at, "stolen"), damage(filepath.Join(dir, ".revoked", fmt.Sprintf("%x", key[:]))))
			write(t, dir, "mallory.key", whole)
			mustBeRefused(t, s, dir, key)
			fresh, log := open(t, dir)
			mustBeRefused(t, fresh, dir, key)
			if log.Count("level=ERROR", "invalid revocation record: refusing the key") != 1 {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// TestRevokedAtOnce: another process's revocation applies at its event, and reads nothing
// else. What could be half a record, or lifts a revocation, waits for the next look, which
// reads all records.
func TestRevokedAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice, bob, carol := add(t, dir, "alice"), add(t, dir, "bob"), add(t, dir, "carol")
	s, _ := open(t, dir)
	other, _ := open(t, dir)
	record := func(key curve.PublicKey) string { return filepath.Join(dir, ".revoked", hex.EncodeToString(key[:])) }
	want := func(what, path string, applied, looks, reads bool) {
		t.Helper()
		if a, l, r := keystore.AtOnce(s, path); a != applied || l != looks || r != reads {
			t.Errorf("%s: applied at once %v, causes a look %v, reads everything %v", what, a, l, r)
		}
	}
	ztest.Must(t, other.Revoke(alice, at, "stolen"))
	want("a temporary file", filepath.Join(dir, ".revoked", "."+filepath.Base(record(alice))+".0.tmp"), false, false, false)
	if !knows(s, alice) {
		t.Error("refused before the event")
	}
	want("a record", record(alice), true, false, false)
	if _, revoked := s.Revocation(alice); !revoked || knows(s, alice) {
		t.Error("not refused at the event")
	}
	want("the revoked file", filepath.Join(dir, "alice.key"), false, true, false)

	whole, err := os.ReadFile(record(alice))
	ztest.Must(t, err, os.WriteFile(record(bob), nil, 0o644), os.WriteFile(record(carol), whole[:len(whole)/2], 0o644))
	want("an empty record", record(bob), false, true, true)
	want("half a record", record(carol), false, true, true)
	if !knows(s, bob) || !knows(s, carol) {
		t.Error("refused because of half a record")
	}
	ztest.Must(t, other.Unrevoke(alice, at.Add(time.Hour), ""))
	want("a lifted revocation", record(alice), false, true, true)
	ztest.Must(t, os.Remove(record(alice)))
	want("no record", record(alice), false, true, true)
	want("the directory", filepath.Join(dir, ".revoked"), false, true, true)
}

// TestRecordGone: if a record is removed, the key stays refused while the process runs, and
// the log says so.
func TestRecordGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole, key := text(t, "mallory")
	write(t, dir, "mallory.key", whole)
	s, log := open(t, dir)
	ztest.Must(t, s.Revoke(key, at, ""), os.RemoveAll(filepath.Join(dir, ".revoked")))
	write(t, dir, "mallory.key", whole)
	ztest.Must(t, s.Reload())
	if _, revoked := s.Revocation(key); !revoked || knows(s, key) {
		t.Error("the key is back")
	}
	if log.Count("level=ERROR", "revocation record removed: still refusing the key") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

// TestRevokeFails: if a record can't be written, Revoke fails and the key isn't revoked.
// Once the record is written, the key is revoked, whatever fails after that.
func TestRevokeFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := add(t, dir, "mallory")
	s, _ := open(t, dir)
	write(t, dir, ".revoked", "in the way of the directory\n")
	if err := s.Revoke(key, at, ""); err == nil {
		t.Error("reported as revoked")
	}
	if err := s.Put(put(generate(t, "alice"))); err == nil {
		t.Error("put although the revocations can't be read")
	}
	ztest.Must(t, os.Remove(filepath.Join(dir, "mallory.key")))
	if err := s.Reload(); err == nil || knows(s, key) {
		t.Errorf("%v: a removed identity is known while the revocations can't be read", err)
	}
	if _, err := keystore.Open(dir, nil); err == nil {
		t.Error("opened without its revocations")
	}

	// A crash between the two steps of Revoke leaves the record and the certificate.
	dir = t.TempDir()
	whole, key := text(t, "mallory")
	write(t, dir, "mallory.key", whole)
	s, _ = open(t, dir)
	ztest.Must(t, s.Revoke(key, at, "stolen"))
	write(t, dir, "mallory.key", whole)
	again, _ := open(t, dir)
	ztest.Must(t, again.Revoke(key, at.Add(time.Hour), "once more"))
	mustBeRefused(t, again, dir, key)
	if r, _ := again.Revocation(key); r.Reason != "stolen" {
		t.Errorf("%+v", r)
	}
	if _, err := os.Lstat(filepath.Join(dir, "mallory.key")); err == nil {
		t.Error("the file is still there")
	}
	// A crash between the steps of Unrevoke leaves the certificate and a record that
	// still revokes the key.
	write(t, dir, "mallory.key", whole)
	again, _ = open(t, dir)
	mustBeRefused(t, again, dir, key)
	ztest.Must(t, again.Unrevoke(key, at, ""))
	if again, _ = open(t, dir); !knows(again, key) {
		t.Error("not known after its revocation was lifted")
	}
}

// TestUnrevokeNeedsTheDisk: if the record can't be written, the key stays revoked.
func TestUnrevokeNeedsTheDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := open(t, dir)
	mallory := generate(t, "mallory")
	ztest.Must(t, s.Put(put(mallory, "group")), s.Revoke(mallory.Public, at, ""))
	ztest.Must(t, os.RemoveAll(filepath.Join(dir, "group")))
	write(t, dir, "group", "in the way of the directory\n")
	if err := s.Unrevoke(mallory.Public, at, ""); err == nil {
		t.Error("lifted, but the certificate is lost")
	}
	mustBeRefused(t, s, dir, mallory.Public)
}

// TestRecordsUnreadable: if the directory of the records can't be read, for example
// because it is a dangling link, a store cannot be opened, and an open store adds no
// identity.
func TestRecordsUnreadable(t *testing.T) {
	t.Parallel()
	for name, obstruct := range map[string]func(path string) error{
		"file": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"link": func(path string) error { return os.Symlink("nowhere", path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			add(t, dir, "alice")
			bob := add(t, dir, "bob")
			carolText, carol := text(t, "carol")
			tool, _ := open(t, dir)
			s, log := open(t, dir)
			ztest.Background(t, s.Watch)
			records, away := filepath.Join(dir, ".revoked"), filepath.Join(t.TempDir(), "away")
			ztest.Must(t, tool.Revoke(curve.PublicKey{1}, time.Now(), ""))
			ztest.Wait(t, "read", func() bool { _, ok := s.Revocation(curve.PublicKey{1}); return ok })
			ztest.Must(t, os.Rename(records, away), obstruct(records))
			ztest.Wait(t, "told", func() bool { return log.Count("level=ERROR", "reading the keystore failed") == 1 })
			if _, err := keystore.Open(dir, nil); err == nil {
				t.Error("a store whose revocations can't be read is opened")
			}
			write(t, dir, "carol.key", carolText)
			ztest.Must(t, os.Remove(filepath.Join(dir, "bob.key")))
			ztest.Wait(t, "removed", func() bool { return !knows(s, bob) })
			// Alice's revocation is among those that couldn't be read.
			write(t, away, hex.EncodeToString(carol[:]), "")
			ztest.Must(t, os.Remove(records), os.Rename(away, records))
			ztest.Wait(t, "revoked", func() bool { _, ok := s.Revocation(carol); return ok })
			if log.Count("identity added", "carol") != 0 {
				t.Errorf("a revoked identity was known:\n%s", log)
			}
		})
	}
}

// TestRecordsReadable: every user who can read a store can read its revocations, even if
// another user wrote the first one under a strict umask.
func TestRecordsReadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ztest.Must(t, os.Chmod(dir, 0o770))
	s, _ := open(t, dir)
	ztest.Must(t, s.Revoke(curve.PublicKey{1}, time.Now(), ""))
	info, err := os.Stat(filepath.Join(dir, ".revoked"))
	ztest.Must(t, err)
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o770 {
		t.Errorf("mode %v", info.Mode())
	}
}

// TestRevokedFile: a file NAME.revoked refuses its key. If it can't be read, the file with
// the same name is ignored.
func TestRevokedFile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file    string
		make    func(path, whole string) error
		revoked bool // the key itself
	}{
		"cp alice.key alice.key.revoked": {"alice.key.revoked", func(path, whole string) error { return os.WriteFile(path, []byte(whole), 0o644) }, true},
		"under any name":                 {"x.revoked", func(path, whole string) error { return os.WriteFile(path, []byte(whole), 0o644) }, true},
		"broken":                         {"alice.key.revoked", func(path, _ string) error { return os.WriteFile(path, []byte("oops\n"), 0o644) }, false},
		"invalid, without .key":          {"alice.revoked", func(path, _ string) error { return os.WriteFile(path, []byte("oops\n"), 0o644) }, false},
		"empty":                          {"alice.key.revoked", func(path, _ string) error { return os.WriteFile(path, nil, 0o644) }, false},
		"a dangling link":                {"alice.key.revoked", func(path, _ string) error { return os.Symlink("nowhere", path) }, false},
		"a pipe":                         {"alice.key.revoked", func(path, _ string) error { return makePipe(path) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			whole, alice := text(t, "alice")
			write(t, dir, "alice.key", whole)
			bob := add(t, dir, "bob")
			running, _ := open(t, dir)
			ztest.Background(t, running.Watch)
			if err := tt.make(filepath.Join(dir, tt.file), whole); errors.Is(err, errors.ErrUnsupported) {
				t.Skip("this system has no named pipes:", err)
			} else {
				ztest.Must(t, err)
			}
			ztest.Wait(t, "it counts", func() bool { return !knows(running, alice) })
			fresh, log := open(t, dir)
			if _, revoked := fresh.Revocation(alice); knows(fresh, alice) || revoked != tt.revoked || !knows(fresh, bob) {
				t.Errorf("after a restart: known %v, revoked %v, log:\n%s", knows(fresh, alice), revoked, log)
			}
			ztest.Must(t, os.Remove(filepath.Join(dir, tt.file)))
			if !tt.revoked {
				ztest.Wait(t, "it no longer blocks", func() bool { return knows(running, alice) })
			}
		})
	}
}
