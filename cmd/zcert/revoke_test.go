package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/ztest"
)

// zcert runs a command line, which must succeed, and returns its stdout.
func zcert(t testing.TB, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	if code := cli.Run(ztest.Context(t), newRoot(), args, strings.NewReader(""), &stdout, &stderr); code != cli.ExitDone {
		t.Errorf("zcert %q: exit code %d: %s", args, code, stderr.String())
	}
	return stdout.String()
}

// TestRevokeTogether: no revocation is lost among concurrent revocations and renewals,
// and each list is issued later than the previous one.
func TestRevokeTogether(t *testing.T) {
	t.Parallel()
	const revocations, renewals = 20, 10
	dir := t.TempDir()
	name := filepath.Join(dir, "acme")
	a := cert.GenerateAuthority("")
	ztest.Must(t, a.Save(name+".authority"))
	zcert(t, "revoke", "--new", "--authority", name+".authority_secret")
	first, err := cert.LoadRevocations(name + ".revoked")
	ztest.Must(t, err)
	// A link to the list has the same lock.
	link := filepath.Join(dir, "link")
	ztest.Must(t, os.Symlink("acme.revoked", link))

	var group sync.WaitGroup
	for i := range revocations {
		path := filepath.Join(dir, fmt.Sprintf("k%d.key", i))
		ztest.Must(t, cert.Generate("").SavePublic(path))
		group.Go(func() { zcert(t, "revoke", path, "--authority", name+".authority_secret", "--list", link) })
	}
	for range renewals {
		group.Go(func() { zcert(t, "revoke", "--authority", name+".authority_secret") })
	}
	group.Wait()

	last, err := cert.LoadRevocations(name + ".revoked")
	ztest.Must(t, err)
	if last.Len() != revocations {
		t.Errorf("%d keys are on the list, want %d", last.Len(), revocations)
	}
	if passed := last.Issued.Sub(first.Issued); passed < (revocations+renewals)*time.Second {
		t.Errorf("%d lists were issued within %v: two have the same time", revocations+renewals, passed)
	}
	if err := last.Check(&cert.Certificate{Authority: a.Key}, time.Now()); err != nil {
		t.Error(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode().IsRegular() {
		t.Errorf("the link was replaced: %v", err)
	}
}

// TestIssueTime: a list is issued in the past, and later than the previous one.
func TestIssueTime(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	for _, tt := range []struct{ before, want time.Time }{
		{time.Time{}, now.Add(-backdate)},
		{now.Add(-time.Hour), now.Add(-backdate)},
		{now.Add(-backdate), now.Add(-backdate + time.Second)},
		{now.Add(-time.Second), now},
	} {
		got, err := issueTime(t.Context(), "list", tt.before, now)
		if err != nil || !got.Equal(tt.want) {
			t.Errorf("after %v: got %v, %v, want %v", tt.before, got, err, tt.want)
		}
	}
	if got, err := issueTime(t.Context(), "list", now, now); err != nil || time.Now().Before(got) {
		t.Errorf("got %v, which is in the future, %v", got, err)
	}
	if _, err := issueTime(t.Context(), "list", now.Add(time.Hour), now); err == nil || !strings.Contains(err.Error(), "one of the two clocks is wrong") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("canceled")
	cancel(cause)
	if _, err := issueTime(ctx, "list", now.Add(2*time.Second), now); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
}
