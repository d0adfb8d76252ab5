package policy_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// modelSeed is the environment variable with a seed that replaces the fixed ones, to
// replay a sequence that failed or to try others.
const modelSeed = "ZCURVE_MODEL_SEED"

// TestModelUnraced takes ten thousand random steps on each kind of store: they add,
// revoke, sign, renew, copy, rename, damage and restore keys, some by writers that are
// killed. After each step, all keys ask in all domains, and each answer must be that of a
// simple model. Above all, a key whose revocation was reported is refused until the
// revocation is lifted.
func TestModelUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	if testing.Short() {
		t.Skip("takes ten thousand steps")
	}
	for _, run := range []modelRun{{"dir", 4, 1000, false}, {"bolt", 2, 1000, false}, {"file", 2, 1000, false}, {"mem", 2, 1000, false}} {
		run.start(t)
	}
}

// TestModel takes a few of these steps with the race detector, and a few that the policy
// must notice without a reload.
func TestModel(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"dir", "bolt", "file", "mem"} {
		modelRun{kind, 1, 100, false}.start(t)
	}
	for _, kind := range []string{"dir", "bolt", "file"} {
		modelRun{kind, 1, 60, true}.start(t)
	}
}

// modelRun describes a number of sequences of steps.
type modelRun struct {
	kind    string
	seeds   int
	steps   int
	watched bool // the policy must notice changes without a reload
}

func (r modelRun) start(t *testing.T) {
	seeds := make([]uint64, r.seeds)
	for i := range seeds {
		seeds[i] = uint64(i + 1)
	}
	if s := os.Getenv(modelSeed); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		ztest.Must(t, err)
		seeds = []uint64{seed}
	}
	for _, seed := range seeds {
		name := fmt.Sprintf("%s/%d", r.kind, seed)
		if r.watched {
			name = "watched/" + name
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, r.kind, seed, r.watched)
			for range r.steps {
				w.step()
			}
			t.Logf("%d steps: %s", r.steps, w.counts())
		})
	}
}

// forking keeps a process from starting while another sequence has a file open. The process
// would hold it open for a moment, and the file would seem to be still being written.
var forking sync.RWMutex

// step takes one step and compares.
func (w *world) step() {
	if !w.watched {
		forking.RLock()
		defer forking.RUnlock()
	}
	w.now++
	w.note("")
	for before := w.trace[len(w.trace)-1]; w.trace[len(w.trace)-1] == before; { // until a step is possible
		s := w.steps[w.rand.IntN(len(w.steps))]
		if s.do(w); w.trace[len(w.trace)-1] != before {
			w.taken[s.name]++
		}
	}
	w.follow()
}

// follow reloads the policy and compares.
func (w *world) follow() {
	w.t.Helper()
	if w.p == nil {
		return
	}
	w.learn()
	if w.watched {
		w.await()
	}
	if err := w.p.Reload(); err != nil {
		w.fail("reloading: %v", err)
	}
	w.compare()
}

// await waits until the policy has noticed a change by itself.
func (w *world) await() {
	w.t.Helper()
	var differences []string
	defer func() {
		if w.t.Failed() {
			w.t.Logf("%s\n%s", strings.Join(differences, "\n"), w.history())
		}
	}()
	ztest.Wait(w.t, "what the model expects", func() bool {
		differences = w.differences()
		return len(differences) == 0
	})
}

func (w *world) compare() {
	w.t.Helper()
	if w.watched {
		w.await() // a file may seem to be written while a process is started
	} else if d := w.differences(); len(d) > 0 {
		w.fail("%s", strings.Join(d, "\n"))
	}
}

// differences returns the decisions in which the policy differs from the model.
func (w *world) differences() (all []string) {
	for _, domain := range w.domains() {
		for i, c := range w.clients[:w.asking] {
			reply := w.p.Handle(w.t.Context(), ask(domain, "192.0.2.1", zap.Curve, string(c.key[:])))
			got := answer{}
			if reply.Status == zap.StatusOK {
				got = answer{true, reply.UserID, groupsOf(reply.Metadata)}
			}
			if want := w.want(domain, i); got != want {
				all = append(all, fmt.Sprintf("%s (%s) in domain %s: got %+v (%s), want %+v; the model remembers %v",
					c.name, c.key, domain, got, reply.Text, want, w.remembered[i]))
			}
		}
	}
	return all
}

// groupsOf returns the groups in a reply, which must have them once.
func groupsOf(m zap.Metadata) string {
	groups := "not told"
	for _, p := range m {
		switch {
		case strings.EqualFold(p.Name, "group") && groups == "not told":
			groups = string(p.Value)
		case strings.EqualFold(p.Name, "group"):
			groups = "told twice"
		}
	}
	return groups
}

// note records a step, to be printed if the test fails.
func (w *world) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if text == "" {
		w.trace = append(w.trace, fmt.Sprintf("%d:", w.now))
		return
	}
	w.trace[len(w.trace)-1] += " " + text
}

// history returns the latest steps.
func (w *world) history() string {
	return fmt.Sprintf("to replay: %s=%d go test ./policy -run '%s'\n%s", modelSeed, w.seed, w.t.Name(),
		strings.Join(w.trace[max(0, len(w.trace)-200):], "\n"))
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), w.history())
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.fail("%v", err)
	}
}

// counts returns how often each step was taken.
func (w *world) counts() string {
	var out []string
	for name, n := range w.taken {
		out = append(out, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
