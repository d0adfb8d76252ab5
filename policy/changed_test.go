package policy_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/cert/armor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// TestPolicyBeingWritten: a policy file that is half written does not apply, and the
// previous policy stays.
func TestPolicyBeingWritten(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux reports that a file is open for writing")
	}
	dir := t.TempDir()
	mallory, trader := scenario.Named("mallory"), scenario.Named("trader")
	mkdir(t, filepath.Join(dir, "clients"), mallory)
	mkdir(t, filepath.Join(dir, "clients", "traders"), trader)
	text := "security\n    curve = 1\n        keystore = dir:clients\n        group = traders\n"
	p, log := load(t, dir, text)
	ztest.Background(t, p.Watch)
	f, err := os.OpenFile(filepath.Join(dir, "policy.zpl"), os.O_WRONLY|os.O_TRUNC, 0)
	ztest.Must(t, err)
	defer f.Close()
	_, err = f.WriteString(text[:strings.Index(text, "        group")])
	ztest.Must(t, err)
	other := t.TempDir() // a change of another watched file shows that time has passed
	q, _ := load(t, other, "security\n    anonymous = 0\n")
	ztest.Background(t, q.Watch)
	for i := range 2 {
		ztest.WriteFile(t, filepath.Join(other, "policy.zpl"), fmt.Sprintf("security\n    anonymous = %d\n", 1-i))
		ztest.Wait(t, "the other file is read", func() bool {
			return (q.Handle(t.Context(), ask("", "", zap.Null)).Status == zap.StatusOK) == (i == 0)
		})
		if admits(p, "", mallory) || !admits(p, "", trader) {
			t.Fatal("half a policy applies")
		}
	}
	_, err = f.WriteString("        group = others\n")
	ztest.Must(t, err, f.Close())
	ztest.Wait(t, "the whole", func() bool { return !admits(p, "", trader) })
	if admits(p, "", mallory) || log.Count("level=ERROR") > 0 {
		t.Errorf("log:\n%s", log)
	}
}

// TestSameStamp: a change of the file that keeps its size and time is noticed.
func TestSameStamp(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("this system reports only size and time")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.zpl")
	old := time.Unix(1, 0)
	ztest.WriteFile(t, file, "security\n    anonymous = 1\n")
	ztest.Must(t, os.Chtimes(file, old, old))
	p, err := policy.Load(file, policy.Options{})
	ztest.Must(t, err)
	defer p.Close()
	p.PollOnly()
	ztest.Background(t, p.Watch)
	ztest.WriteFile(t, file, "security\n    anonymous = 0\n")
	ztest.Must(t, os.Chtimes(file, old, old))
	ztest.Wait(t, "the change", func() bool { return p.Handle(t.Context(), ask("", "", zap.Null)).Status != zap.StatusOK })
}

// TestTriedAgain: a policy whose keystore is missing applies once the keystore exists.
func TestTriedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice := scenario.Named("alice")
	p, log := load(t, dir, "security\n    anonymous = 1\n")
	ztest.Background(t, p.Watch)
	ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), "security\n    curve = 1\n        keystore = dir:clients\n")
	ztest.Wait(t, "the error is logged", func() bool { return log.Count("level=ERROR", "clients", "keeping the previous one") == 1 })
	mkdir(t, filepath.Join(dir, "clients"), alice)
	ztest.Wait(t, "tried again", func() bool { return admits(p, "", alice) })
}

// TestAllOrNothing: an invalid policy changes neither the rules nor the keystores.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice, bob := scenario.Named("alice"), scenario.Named("bob")
	armored := func(c *cert.Certificate) string {
		e, err := armor.New(c)
		ztest.Must(t, err)
		text, err := e.Append(nil)
		ztest.Must(t, err)
		return string(text)
	}
	ztest.WriteFile(t, filepath.Join(dir, "clients"), armored(alice))
	p, _ := load(t, dir, "security\n    curve = 1\n        keystore = file:clients\n")
	ztest.WriteFile(t, filepath.Join(dir, "clients"), armored(bob))
	ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), "security\n    curve = 1\n        keystore = file:clients\n        keystore = dir:missing\n")
	if err := p.Reload(); err == nil || !admits(p, "", alice) || admits(p, "", bob) {
		t.Errorf("%v: half of it applies", err)
	}
}

// TestPipesDontStop: a named pipe in place of a policy, a list or a state file is an
// error, and blocks nothing.
func TestPipesDontStop(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"policy.zpl", "acme.revoked", "policy.zpl.state"} {
		dir := t.TempDir()
		if err := makePipe(filepath.Join(dir, name)); errors.Is(err, errors.ErrUnsupported) {
			t.Skip("this system has no named pipes:", err)
		}
		mkdir(t, filepath.Join(dir, "clients"))
		if name != "policy.zpl" {
			ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), ofAuthority(cert.GenerateAuthority(""), "acme.revoked"))
		}
		if _, err := policy.Load(filepath.Join(dir, "policy.zpl"), policy.Options{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
