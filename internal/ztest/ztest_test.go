package ztest_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
)

func TestMain(m *testing.M) { os.Exit(ztest.WithPrograms(m).Run()) }

// another is a test that the tests below check.
type another struct {
	testing.TB
	name    string
	failed  string
	skipped bool
}

func (a *another) Name() string { return a.name }
func (a *another) Helper()      {}

func (a *another) Fatal(args ...any) {
	a.failed = fmt.Sprint(args...)
	runtime.Goexit()
}

func (a *another) Fatalf(format string, args ...any) { a.Fatal(fmt.Sprintf(format, args...)) }

func (a *another) Skip(...any) {
	a.skipped = true
	runtime.Goexit()
}

// run runs a test to its end.
func (a *another) run(test func(t testing.TB)) {
	var wg sync.WaitGroup
	wg.Go(func() { test(a) })
	wg.Wait()
}

// TestFails: each helper that waits can fail a test, with the reason, and not too early.
func TestFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		test func(t testing.TB)
		want string
		took time.Duration
	}{
		"no error":       {func(t testing.TB) { ztest.Must(t, nil, nil) }, "", 0},
		"second error":   {func(t testing.TB) { ztest.Must(t, nil, errors.New("broken")) }, "broken", 0},
		"happens":        {func(t testing.TB) { ztest.Wait(t, "the event", func() bool { return true }) }, "", 0},
		"doesn't happen": {func(t testing.TB) { ztest.Wait(t, "the event", func() bool { return false }) }, "the event: not within 1m0s", ztest.Patience},
		"comes": {func(t testing.TB) {
			values := make(chan int, 1)
			values <- 7
			if got := ztest.Receive(t, "a value", values); got != 7 {
				t.Fatalf("got %d", got)
			}
		}, "", 0},
		"doesn't come": {func(t testing.TB) { ztest.Receive(t, "a value", make(chan int)) }, "a value: not within 1m0s", ztest.Patience},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // with its own clock
				a, start := &another{TB: t}, time.Now()
				a.run(tt.test)
				took := time.Since(start)
				if a.failed != tt.want || took < tt.took || took > tt.took+time.Second {
					t.Errorf("reports %q after %v, want %q after %v", a.failed, took, tt.want, tt.took)
				}
			})
		})
	}
}

// TestUnraced: a test that is skipped under the race detector has a name by which make
// test runs it without the detector.
func TestUnraced(t *testing.T) {
	t.Parallel()
	for name, found := range map[string]bool{
		"TestLargeUnraced": true, "TestSealAllocs/64": true, "TestLarge": false, "TestLarge/Unraced": false,
	} {
		a := &another{TB: t, name: name}
		a.run(ztest.Unraced)
		if (a.failed == "") != found || a.skipped != (found && ztest.Race) {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// TestPrograms: all tests that ask for a program get the same one, and a test that asks
// with other flags gets another.
func TestPrograms(t *testing.T) {
	t.Parallel()
	ztest.NeedPeers(t)
	paths := make([]string, 4)
	t.Run("ask", func(t *testing.T) {
		for i := range paths {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				paths[i] = ztest.CProgram(t, "internal/ztest/testdata/hello.c", fmt.Sprintf("-DNUMBER=%d", i%2))
			})
		}
	})
	if paths[0] != paths[2] || paths[1] != paths[3] || paths[0] == paths[1] {
		t.Errorf("%q", paths)
	}
	for i, path := range paths {
		if out, err := exec.Command(path).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != fmt.Sprint("hello ", i%2) {
			t.Errorf("%s: %q, %v", path, out, err)
		}
	}
}
