// Package ztest holds helpers that the tests of several packages share: for ending a test
// on an error, waiting for an event, reading a log while it is written, and building the
// programs that tests run. Its subpackages hold the rest:
//
//   - scenario: a keystore with a trader, a guest and those to be refused,
//   - script: what testscript files can use,
//   - remotetest: servers and handlers of package zap/remote,
//   - zmqtest: sockets of libzmq and their monitors.
//
// A test waits for an event, never for a time. If it must give up, it does so after
// [Patience], which even a busy machine doesn't reach.
package ztest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Patience is how long a test waits for an event that must happen. It bounds only how
// long a failure takes: no test passes because of it.
const Patience = time.Minute

// Must ends the test at the first error that isn't nil.
func Must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Context returns a context that is done after [Patience], or when the test ends.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Background runs a function until the test ends, which must then return without an
// error.
func Background(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := Receive(t, "the end of the function in the background", done); err != nil {
			t.Error(err)
		}
	})
}

// Wait waits until happened reports true. After [Patience] it ends the test and reports
// what didn't happen.
func Wait(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !happened(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, Patience)
		}
	}
}

// Receive waits for a value, or for the channel to be closed. After [Patience] it
// ends the test and reports what didn't arrive.
func Receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(Patience):
		t.Fatalf("%s: not within %v", what, Patience)
		panic("unreachable")
	}
}

// Unraced skips a test under the race detector, which makes it slow or its counts of
// allocations wrong. make test runs such tests again without it: all tests whose names
// contain Alloc or Unraced, as the name of this one must.
func Unraced(t testing.TB) {
	t.Helper()
	if name, _, _ := strings.Cut(t.Name(), "/"); !strings.Contains(name, "Alloc") && !strings.Contains(name, "Unraced") {
		t.Fatal("make test would never run this: its name contains neither Alloc nor Unraced")
	}
	if Race {
		t.Skip("runs without the race detector only")
	}
}

// Peers reports whether libzmq, czmq, pyzmq and a C compiler are installed. It returns
// true unless make test has found that they are missing.
func Peers() bool { return os.Getenv("ZCURVE_TEST_PEERS") != "none" }

// NeedPeers skips a test that needs any of [Peers] if they are missing.
func NeedPeers(t testing.TB) {
	t.Helper()
	if !Peers() {
		t.Skip("needs libzmq, czmq, pyzmq and gcc from Debian's packages")
	}
}

// Python returns the path of Debian's Python, which has the modules of Debian's
// packages: pyzmq, jupyter_client, PyNaCl, argon2-cffi and PyYAML.
func Python(t testing.TB) string {
	t.Helper()
	NeedPeers(t)
	return "/usr/bin/python3"
}

// WriteFile creates or replaces a file in one step, so that a program that watches it
// never reads half of it. It writes a hidden file next to it and renames that.
func WriteFile(t testing.TB, path, text string) {
	t.Helper()
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	Must(t, os.WriteFile(next, []byte(text), 0o600))
	Must(t, os.Rename(next, path))
}
