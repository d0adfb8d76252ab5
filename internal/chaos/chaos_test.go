package main

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zcurve/zcurve/internal/ztest"
)

func TestMain(m *testing.M) {
	if isChild() {
		live()
	}
	goleak.VerifyTestMain(m)
}

// TestChaosUnraced kills processes for a while. Nothing arrives twice, nothing is lost
// without a kill, and all are connected in the end.
func TestChaosUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	ztest.NeedPeers(t)
	length := 20 * time.Second
	if testing.Short() {
		length = time.Second
	}
	c, err := run(t.Context(), length, 100*time.Millisecond, links())
	ztest.Must(t, err)
	var report strings.Builder
	c.report(&report)
	t.Log(report.String())
	for _, fault := range c.faults {
		t.Error(fault)
	}
	if c.kills == 0 {
		t.Error("nothing was killed")
	}
}

// TestLedger finds what is doubled, lost and late.
func TestLedger(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	opened := func(l *link) *ledger {
		ledger := newLedger(l)
		ledger.up(0, at(0))
		ledger.up(1, at(1))
		ledger.got(1, arrival{number: 1}, 10, at(2))
		return ledger
	}
	for name, test := range map[string]struct {
		link    link
		happens func(*ledger)
		fault   string
	}{
		"nothing": {link{}, func(l *ledger) { l.got(1, arrival{number: 11}, 20, at(3)) }, ""},
		"double":  {link{}, func(l *ledger) { l.got(1, arrival{number: 10}, 20, at(3)) }, "message 10 of incarnation 0 after 10"},
		"double for another": {link{}, func(l *ledger) {
			l.down(1, at(3))
			l.up(1, at(4))
			l.got(1, arrival{number: 10}, 20, at(5))
		}, "message 10 of incarnation 0 after 10"},
		"lost":                {link{}, func(l *ledger) { l.got(1, arrival{number: 12}, 20, at(3)) }, "1 messages lost after 10"},
		"lost by a kill":      {link{}, func(l *ledger) { l.down(1, at(3)); l.up(1, at(4)); l.got(1, arrival{number: 12}, 20, at(5)) }, ""},
		"lost by a stop":      {link{}, func(l *ledger) { l.stop(at(3), time.Second); l.got(1, arrival{number: 12}, 20, at(5)) }, "1 messages lost"},
		"dropped":             {link{mayDrop: true}, func(l *ledger) { l.stop(at(3), time.Second); l.got(1, arrival{number: 12}, 20, at(5)) }, ""},
		"dropped for nothing": {link{mayDrop: true}, func(l *ledger) { l.got(1, arrival{number: 12}, 20, at(10_000)) }, "1 messages lost"},
	} {
		l := opened(&test.link)
		test.happens(l)
		if got := strings.Join(l.faults, "\n"); !strings.Contains(got, test.fault) || test.fault == "" && got != "" {
			t.Errorf("%s: %q, want %q", name, got, test.fault)
		}
	}
	for _, late := range []bool{false, true} {
		l := opened(&link{ours: true})
		l.down(1, at(100))
		l.up(1, at(200))
		l.got(1, arrival{number: 11}, 11, at(map[bool]int{false: 449, true: 451}[late]))
		c := &chaos{ledgers: []*ledger{l}}
		if found := len(c.late()) > 0; found != late {
			t.Errorf("late: %v, found %v", late, found)
		}
	}
}
