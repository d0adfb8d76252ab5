package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/ztest"
)

// signMany creates an authority and count identities, and returns the command line that
// signs them, and their files.
func signMany(t testing.TB, count int) (args, files []string, a *cert.Authority) {
	t.Helper()
	dir := t.TempDir()
	authority := filepath.Join(dir, "acme.authority")
	a = cert.GenerateAuthority("")
	ztest.Must(t, a.Save(authority))
	for i := range count {
		path := filepath.Join(dir, fmt.Sprintf("k%d.key", i))
		ztest.Must(t, cert.Generate("").Save(path), os.Chmod(path+cert.SecretSuffix, 0o644))
		files = append(files, path)
	}
	list := filepath.Join(dir, "list")
	ztest.WriteFile(t, list, strings.Join(files, "\n"))
	return []string{"sign", "--names-from", list, "--authority", authority + cert.SecretSuffix, "--valid", "1d"}, files, a
}

// TestSignMany: many identities get different serial numbers, and each warning is on
// its own line.
func TestSignMany(t *testing.T) {
	t.Parallel()
	args, files, a := signMany(t, 50)
	var stdout, stderr strings.Builder
	if code := cli.Run(ztest.Context(t), newRoot(), args, strings.NewReader(""), &stdout, &stderr); code != cli.ExitDone {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	if n := strings.Count(stderr.String(), "zcert: warning: "); n != len(files) {
		t.Errorf("%d warnings, want one for each of %d secrets: %s", n, len(files), stderr.String())
	}
	serials := map[uint64]bool{}
	for _, path := range files {
		for _, file := range []string{path, path + cert.SecretSuffix} {
			c, err := cert.Load(file)
			if err != nil || len(c.Warnings) > 0 || c.Authority != a.Key {
				t.Errorf("%s: %v: %+v", file, err, c)
			}
			serials[c.Serial] = true
		}
	}
	if len(serials) != len(files) {
		t.Errorf("%d serials, want %d", len(serials), len(files))
	}
}

// TestSignCanceled: a signal ends zcert between two files.
func TestSignCanceled(t *testing.T) {
	t.Parallel()
	args, files, _ := signMany(t, 3)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("that is enough"))
	var stdout, stderr strings.Builder
	code := cli.Run(ctx, newRoot(), args, strings.NewReader(""), &stdout, &stderr)
	if code != cli.ExitFailed || !strings.Contains(stderr.String(), "that is enough") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	for _, path := range files {
		if c, err := cert.Load(path); err != nil || c.Authority != (cert.AuthorityKey{}) {
			t.Errorf("%s: signed, %v", path, err)
		}
	}
}
