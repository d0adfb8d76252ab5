package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// schedule decides what runs next and records failures.
type schedule struct {
	deadline time.Time // no run starts after it, except the first of each suite
	out      string

	mu     sync.Mutex // guards the fields below
	suites []*suite
	kept   int // outputs in files
}

// run keeps several runs going until the deadline.
func (s *schedule) run(ctx context.Context, workers int) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for next := s.next(ctx); next != nil; next = s.next(ctx) {
				start := time.Now()
				out, err := next.run(ctx)
				s.done(ctx, next, time.Since(start), out, err)
			}
		})
	}
	wg.Wait()
}

// next returns the suite that has had the least time, or nil at the end.
func (s *schedule) next(ctx context.Context) *suite {
	s.mu.Lock()
	defer s.mu.Unlock()
	var least *suite
	for _, c := range s.suites {
		if !c.running && (least == nil || c.spent < least.spent) {
			least = c
		}
	}
	if ctx.Err() != nil || least == nil || least.runs > 0 && time.Now().After(s.deadline) {
		return nil
	}
	least.running = true
	return least
}

// run runs a suite once.
func (c *suite) run(ctx context.Context) (out []byte, err error) {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	// A child that outlives its test must not keep this process waiting for its output.
	cmd.WaitDelay = time.Minute
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	err = cmd.Run()
	return buf.Bytes(), err
}

// maxKept is the number of outputs kept for each suite.
const maxKept = 20

// clear creates the directory for outputs, and removes those of an earlier run.
func clear(out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	earlier, err := filepath.Glob(filepath.Join(out, "[0-9]*.log"))
	for _, file := range earlier {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// done counts a run and keeps its output if it failed. Runs that an interrupt ended don't
// count.
func (s *schedule) done(ctx context.Context, c *suite, took time.Duration, out []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.running = false
	if ctx.Err() != nil {
		return
	}
	c.runs++
	c.spent += took
	if err == nil {
		return
	}
	c.failed++
	if c.tests == nil {
		c.tests = map[string]int{}
	}
	names := failures(string(out), err)
	for _, name := range names {
		c.tests[name]++
	}
	file := "output not kept"
	if c.failed <= maxKept {
		s.kept++
		file = filepath.Join(s.out, fmt.Sprintf("%d.log", s.kept))
		if err := os.WriteFile(file, fmt.Appendf(nil, "%s: %v\n%s", c.name, err, out), 0o644); err != nil {
			file = err.Error()
		}
	}
	fmt.Printf("FAIL %s: %s (%s)\n", c.name, strings.Join(names, ", "), file)
}

var (
	failed    = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	timedOut  = regexp.MustCompile(`(?m)^\t+(\S+) \(\S+\)$`) // below "running tests:"
	otherwise = regexp.MustCompile(`(?m)^(panic:|fatal error:|goroutines are left|WARNING: DATA RACE).*`)
)

// failures returns the names of the tests that failed or timed out, without their
// parents. If no test is named, it returns a line that describes the failure.
func failures(out string, err error) (names []string) {
	found := failed.FindAllStringSubmatch(out, -1)
	if _, running, ok := strings.Cut(out, "\n\trunning tests:\n"); ok {
		running, _, _ = strings.Cut(running, "\n\n")
		found = append(found, timedOut.FindAllStringSubmatch(running, -1)...)
	}
	for _, m := range found {
		isParent := func(other []string) bool { return strings.HasPrefix(other[1], m[1]+"/") }
		if !slices.Contains(names, m[1]) && !slices.ContainsFunc(found, isParent) {
			names = append(names, m[1])
		}
	}
	if len(names) > 0 {
		return names
	}
	if line := otherwise.FindString(out); line != "" {
		return []string{line}
	}
	return []string{fmt.Sprint("no test: ", err)}
}

// report prints how often each suite ran and which tests failed, worst last.
func (s *schedule) report(w io.Writer) (anyFailed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(s.suites, func(a, b *suite) int { return cmp.Compare(a.failed, b.failed) })
	runs, bad := 0, 0
	for _, c := range s.suites {
		runs, bad = runs+c.runs, bad+c.failed
		fmt.Fprintf(w, "%4d of %4d failed, %5.0f s: %s\n", c.failed, c.runs, c.spent.Seconds(), c.name)
		for _, name := range slices.SortedFunc(maps.Keys(c.tests), func(a, b string) int {
			return cmp.Or(cmp.Compare(c.tests[a], c.tests[b]), cmp.Compare(a, b))
		}) {
			fmt.Fprintf(w, "%12d %s\n", c.tests[name], name)
		}
	}
	fmt.Fprintf(w, "%d of %d runs failed\n", bad, runs)
	return bad > 0
}
