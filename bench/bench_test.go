package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// asBench is the environment variable that makes the tests' executable bench.
const asBench = "BENCH_TEST_AS_BENCH"

func TestMain(m *testing.M) {
	if os.Getenv(asBench) != "" {
		main()
		return
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "zcurve-bench-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		build = sync.OnceValues(func() (*peers, error) { return buildPeers(context.Background(), dir) })
		return m.Run()
	}())
}

// build builds the programs on its first call.
var build func() (*peers, error)

// built returns the programs.
func built(t *testing.T) *peers {
	t.Helper()
	ztest.NeedPeers(t)
	if testing.Short() {
		t.Skip("builds programs in C and Go")
	}
	p, err := build()
	ztest.Must(t, err)
	return p
}

// until doubles the count, up to 16 times, until shows returns true. A few messages may
// not be enough for the units in which systems count time and memory.
func until(t *testing.T, what string, count int, shows func(count int) bool) {
	t.Helper()
	for range 5 {
		if shows(count) {
			return
		}
		count *= 2
	}
	t.Fatalf("%s doesn't show with a count of %d", what, count/2)
}

// TestPeers runs each role once, with each pair of sides.
func TestPeers(t *testing.T) {
	t.Parallel()
	p := built(t)
	parallel := func(name string, check func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t)
		})
	}
	for _, pair := range pairs {
		from, to := pair[0], pair[1]
		arrow := fmt.Sprintf("%s → %s", from, to)
		parallel("throughput "+arrow, func(t *testing.T) {
			pushed, pulled, err := p.flow(t.Context(), from, to, zap.Curve, 64, 100)
			ztest.Must(t, err)
			for _, f := range []flow{pushed, pulled} {
				if f.Messages != 100 || f.NS <= 0 || f.AllocMessages != 50 {
					t.Errorf("result %+v", f)
				}
			}
		})
		parallel("round trips "+arrow, func(t *testing.T) {
			result, err := p.trips(t.Context(), from, to, zap.Null, 64, 100)
			ztest.Must(t, err)
			if result.Median <= 0 || result.P99 < result.Median {
				t.Errorf("result %+v", result)
			}
		})
		parallel("handshakes "+arrow, func(t *testing.T) {
			until(t, "processor time of the server", 5, func(count int) bool {
				result, err := p.connects(t.Context(), from, to, zap.Curve, true, 2, count)
				ztest.Must(t, err)
				if result.Connections != float64(2*count) || result.NS <= 0 {
					t.Fatalf("result %+v", result)
				}
				return result.serverCPU > 0
			})
		})
	}
	for _, server := range servers {
		parallel("idle "+string(server), func(t *testing.T) {
			until(t, "memory of the server", 100, func(count int) bool {
				held, err := p.heldBytes(t.Context(), server, count, 0)
				ztest.Must(t, err)
				return held > 0
			})
		})
		parallel("active "+string(server), func(t *testing.T) {
			result, err := p.shares(t.Context(), server, 10, 50*time.Millisecond)
			ztest.Must(t, err)
			if result.Min <= 0 || result.Max < result.Median || result.Jain <= 0 || result.Jain > 1 {
				t.Errorf("result %+v", result)
			}
		})
	}
	for _, mechanism := range []string{zap.Null, zap.Curve} {
		for _, with := range kits(mechanism) {
			for _, pattern := range p.patterns() {
				parallel(fmt.Sprint("sockets ", mechanism, " ", pattern.name, " ", with), func(t *testing.T) {
					const count = 200
					f, err := pattern.run(t.Context(), with, mechanism, 64, count)
					ztest.Must(t, err)
					if f.Messages != count || f.NS <= 0 || f.CPU < 0 {
						t.Errorf("result %+v", f)
					}
				})
			}
			parallel(fmt.Sprint("requests ", mechanism, " ", with), func(t *testing.T) {
				result, err := p.asks(t.Context(), with, mechanism, "REQ", "REP", 64, 100)
				ztest.Must(t, err)
				if result.Median <= 0 || result.P99 < result.Median {
					t.Errorf("result %+v", result)
				}
			})
		}
	}
	parallel("allocations libzmq", func(t *testing.T) {
		pushed, _, err := p.flow(t.Context(), counting, counting, zap.Curve, 64, 1000)
		ztest.Must(t, err)
		if pushed.Allocs <= 0 || pushed.AllocBytes <= pushed.Allocs {
			t.Errorf("result %+v", pushed)
		}
	})
}

// TestFailedChild checks that the failure of a child ends the others, and is reported.
func TestFailedChild(t *testing.T) {
	t.Parallel()
	p := built(t)
	g := p.newGroup(t.Context())
	defer g.end()
	waiting, _, err := g.serve(libzmq, "pull", "NULL", 64, 1)
	ztest.Must(t, err)
	if err := g.run(zcurve, nil, "push", "NULL", "nowhere", 64, 1); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a client of no server: %v", err)
	}
	if err := waiting.result(nil); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("the other child: %v", err)
	}
}

// TestPrimitives checks that C and Go have the same operations.
func TestPrimitives(t *testing.T) {
	t.Parallel()
	s, err := (&lab{peers: built(t), short: true}).primitives()
	ztest.Must(t, err)
	rows, err := s.measure(t.Context(), 1, regexp.MustCompile("64 B|x25519"), t.Output())
	ztest.Must(t, err)
	if len(rows) != 4 {
		t.Errorf("%d rows, want 4", len(rows))
	}
	for _, r := range rows {
		for i, samples := range r.samples {
			if samples[0][0] <= 0 {
				t.Errorf("%s, %s: %v ns", r.name, r.variants[i].name, samples[0][0])
			}
		}
	}
}

// TestProfile checks that the profiles have symbols.
func TestProfile(t *testing.T) {
	t.Parallel()
	p := built(t)
	for _, tt := range []struct {
		want, kind string
		count      int
		run        func(l *lab, count int) func(context.Context, *group) error
	}{
		{"XORKeyStream", cpuProfile, 5_000, func(l *lab, count int) func(context.Context, *group) error {
			return l.profiledFlow("push", 8<<10, count)
		}},
		{"poly1305", cpuProfile, 5_000, func(l *lab, count int) func(context.Context, *group) error {
			return l.profiledFlow("pull", 8<<10, count)
		}},
		{"zmtp", memoryProfile, 20, (*lab).profiledConnects},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			l := &lab{peers: p, dir: t.TempDir(), short: true}
			until(t, tt.want+" in a profile", tt.count, func(count int) bool {
				top, err := l.profile(t.Context(), profile{kind: tt.kind, run: tt.run(l, count)})
				ztest.Must(t, err)
				return strings.Contains(top, tt.want)
			})
		})
	}
}

// TestCommand runs the command for a few rows, and writes them to a document.
func TestCommand(t *testing.T) {
	t.Parallel()
	ztest.NeedPeers(t)
	if testing.Short() {
		t.Skip("builds and measures")
	}
	path := filepath.Join(t.TempDir(), "performance.md")
	ztest.Must(t, os.WriteFile(path, []byte("# Title\n"+beginMarker+"\n"+endMarker+"\nThe end.\n"), 0o644))
	bench, err := os.Executable()
	ztest.Must(t, err)
	cmd := exec.CommandContext(t.Context(), bench, "-short", "-rounds", "1", "-o", path,
		"-run", "^(throughput NULL 64 B|limit 64 B|profile sending 64 B)$")
	cmd.Env = append(os.Environ(), asBench+"=1")
	var printed, progress bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &progress
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	document, err := os.ReadFile(path)
	ztest.Must(t, err)
	if text := strings.TrimSpace(printed.String()); text == "" || !strings.Contains(string(document), text) {
		t.Errorf("printed\n%s\nand wrote\n%s", text, document)
	}
	for _, want := range []string{"# Title\n", "Measured on ", "| NULL 64 B | libzmq → libzmq |", "zcurve → libzmq |", "### Limit", "Sending 64 B:", "\nThe end.\n"} {
		if !strings.Contains(string(document), want) {
			t.Errorf("no %q in\n%s", want, document)
		}
	}
}

func TestTimed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // with a fake clock
		prepared, calls := 0, 0
		works := operation{
			prepare: func() error { prepared++; return nil },
			once:    func(int) error { calls++; time.Sleep(time.Millisecond); return nil },
		}
		ns, err := timed(10*time.Millisecond, 2, works)
		if err != nil || ns != 1e6 || calls != 10 || prepared != 5 {
			t.Errorf("%v ns, %v, %d calls in %d batches of 2", ns, err, calls, prepared)
		}
		broken := errors.New("broken")
		for _, op := range []operation{
			{prepare: func() error { return broken }, once: works.once},
			{prepare: works.prepare, once: func(int) error { return broken }},
		} {
			if _, err := timed(time.Minute, 2, op); err != broken {
				t.Errorf("error %v", err)
			}
		}
	})
}

// TestMeasure checks the order of measurements and the table of their results.
func TestMeasure(t *testing.T) {
	t.Parallel()
	var order []string
	ours := 0.0
	s := &section{
		name: "things", note: "Of no use.",
		columns: []column{{name: "a", spread: true, ratio: true}, {name: "b"}},
		rows: []row{{"one", []variant{
			{"base", func(context.Context) (sample, error) {
				order = append(order, "base")
				return sample{10, 1234567}, nil
			}},
			{"ours", func(context.Context) (sample, error) {
				order = append(order, "ours")
				ours += 10
				return sample{ours, 0.5}, nil
			}},
		}}, {"two", nil}},
	}
	rows, err := s.measure(t.Context(), 3, regexp.MustCompile("things o"), t.Output())
	ztest.Must(t, err)
	if got := strings.Join(order, " "); got != "base ours base ours base ours" {
		t.Errorf("order %s", got)
	}
	want := `### Things

Of no use.

| | | a | min–max | ratio | b |
|---|---|--:|--:|--:|--:|
| one | base | 10.0 | 10.0–10.0 | 1.00 | 1,230,000 |
|  | ours | 20.0 | 10.0–30.0 | 2.00 | 0.500 |
`
	if got := s.markdown(rows); got != want {
		t.Errorf("table\n%s\nwant\n%s", got, want)
	}

	s.rows[0].variants[1].measure = func(context.Context) (sample, error) { return nil, errors.New("broken") }
	if _, err := s.measure(t.Context(), 1, regexp.MustCompile(""), t.Output()); err == nil || err.Error() != "things one, ours: broken" {
		t.Errorf("error %v", err)
	}
}
