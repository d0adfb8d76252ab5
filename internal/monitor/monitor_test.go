package monitor_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// script is a handler that replies as a test says.
type script struct{ reply zap.Reply }

func (s *script) Handle(context.Context, *zap.Request) zap.Reply { return s.reply }

func (s *script) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	return s.reply, req.Mechanism == zap.Curve
}

// keyOf returns the n-th key.
func keyOf(n int) (key curve.PublicKey) {
	binary.LittleEndian.PutUint64(key[:], uint64(n)*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(key[8:], uint64(n))
	key[16] = 1 // so that none is zero
	return key
}

func byKey(n int, address string) *zap.Request {
	key := keyOf(n)
	return &zap.Request{Domain: "payments", Address: address, Mechanism: zap.Curve, Credentials: [][]byte{key[:]}, Asker: "ipc"}
}

func byLogin(login, address string) *zap.Request {
	return &zap.Request{Domain: "payments", Address: address, Mechanism: zap.Plain, Credentials: [][]byte{[]byte(login), []byte("secret")}}
}

func admitted(name string) zap.Reply {
	return zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: name, Identity: name, Rule: name + ".key"}
}

func refused(reason string) zap.Reply {
	return zap.Reply{Status: zap.StatusRefused, Text: reason, Rule: "policy.zpl:4"}
}

// scripted is a monitor of a script.
type scripted struct {
	*monitor.Monitor
	handler *script
}

func newScripted(o monitor.Options) scripted {
	handler := new(script)
	return scripted{monitor.New(handler, o), handler}
}

// decide makes a decision.
func (s scripted) decide(t *testing.T, req *zap.Request, reply zap.Reply) {
	t.Helper()
	s.handler.reply = reply
	got, err := zap.Ask(t.Context(), s.Monitor, req)
	ztest.Must(t, err)
	if got.Status != reply.Status || got.Text != reply.Text {
		t.Errorf("got %+v, expected %+v", got, reply)
	}
}

func wantEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, expected %v", what, got, want)
	}
}

// TestCounts: decisions are counted by domain, mechanism and status, and by time.
func TestCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newScripted(monitor.Options{})
		ok := admitted("alice")
		m.decide(t, byKey(1, ""), ok)
		time.Sleep(30 * time.Minute)
		m.decide(t, byKey(1, ""), refused("expired"))
		m.decide(t, byKey(2, ""), refused("unknown key"))
		time.Sleep(50 * time.Second)
		m.decide(t, byLogin("bob", ""), zap.Reply{Status: zap.StatusTryLater, Text: "busy"})
		m.decide(t, &zap.Request{Domain: "payments", Mechanism: "STRANGE"}, zap.Reply{Status: zap.StatusError})
		want := []monitor.Count{
			{monitor.Labels{"payments", "CURVE", 200}, 1},
			{monitor.Labels{"payments", "CURVE", 400}, 2},
			{monitor.Labels{"payments", "PLAIN", 300}, 1},
			{monitor.Labels{"payments", "other", 500}, 1},
		}
		wantEqual(t, "counts", fmt.Sprint(m.Counts()), fmt.Sprint(want))
		wantEqual(t, "last minute", m.LastMinute(), monitor.Totals{0, 1, 2, 1})
		wantEqual(t, "last hour", m.LastHour(), monitor.Totals{1, 1, 2, 1})
		time.Sleep(10 * time.Second)
		wantEqual(t, "last minute, later", m.LastMinute(), monitor.Totals{0, 1, 0, 1})
		minutes, current := m.Minutes()
		wantEqual(t, "current minute", current, time.Now().UTC().Truncate(time.Minute))
		wantEqual(t, "this minute", minutes[59], monitor.Totals{})
		wantEqual(t, "the one before", minutes[58], monitor.Totals{0, 1, 2, 1})
		wantEqual(t, "the first decision", minutes[28], monitor.Totals{1, 0, 0, 0})
		time.Sleep(59 * time.Minute)
		wantEqual(t, "last hour, later", m.LastHour(), monitor.Totals{})
		m.decide(t, byKey(1, ""), ok)
		wantEqual(t, "last hour, again", m.LastHour(), monitor.Totals{Admitted: 1})
		wantEqual(t, "since the start", m.Counts()[0].Count, 2)
	})
}

// TestLabels: labels are bounded, and no decision is uncounted.
func TestLabels(t *testing.T) {
	t.Parallel()
	m := newScripted(monitor.Options{})
	for n := range 1000 {
		req := byKey(n, "")
		req.Domain = fmt.Sprint("domain-", n)
		m.decide(t, req, refused("no rule for this domain"))
		m.decide(t, req, refused("no rule for this domain"))
	}
	counts := m.Counts()
	var sum uint64
	for _, c := range counts {
		sum += c.Count
		if c.Domain == "other" {
			wantEqual(t, "others", c.Count, 1600)
		}
	}
	wantEqual(t, "labels", len(counts), 201)
	wantEqual(t, "decisions", sum, 2000)
}

// slow decides after a time.
type slow struct{ takes time.Duration }

func (s *slow) Handle(context.Context, *zap.Request) zap.Reply {
	time.Sleep(s.takes)
	return zap.Allow("alice")
}

// TestLatencies: how long decisions take is counted by mechanism.
func TestLatencies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		m := monitor.New(s, monitor.Options{})
		for _, s.takes = range []time.Duration{0, 50 * time.Microsecond, 51 * time.Microsecond, time.Minute} {
			m.Handle(t.Context(), byKey(1, ""))
		}
		s.takes = time.Second
		m.Handle(t.Context(), byLogin("alice", ""))
		all := m.Latencies()
		if len(all) != 2 || all[0].Mechanism != zap.Curve || all[1].Mechanism != zap.Plain {
			t.Fatalf("got %+v", all)
		}
		h := all[0]
		wantEqual(t, "buckets", len(h.Counts), len(h.Bounds)+1)
		wantEqual(t, "sum", h.Sum, time.Minute+101*time.Microsecond)
		wantEqual(t, "count", h.Count, 4)
		for i, bound := range h.Bounds {
			want := map[time.Duration]uint64{h.Bounds[0]: 1, 50 * time.Microsecond: 1, 100 * time.Microsecond: 1}[bound]
			wantEqual(t, fmt.Sprint("up to ", bound), h.Counts[i], want)
		}
		wantEqual(t, "longer", h.Counts[len(h.Bounds)], 1)
		wantEqual(t, "PLAIN", all[1].Sum, time.Second)
	})
}

// keeper ends each admission at once.
type keeper struct{ script }

func (*keeper) Keep(_ *zap.Request, _ zap.Reply, end func(zap.Reply)) func() {
	end(zap.Refuse("revoked"))
	return func() {}
}

// TestKeep passes on when a client must leave.
func TestKeep(t *testing.T) {
	t.Parallel()
	ends := 0
	end := func(zap.Reply) { ends++ }
	for want, handler := range []zap.Handler{&script{}, &keeper{}} {
		monitor.New(handler, monitor.Options{}).Keep(byKey(1, ""), zap.Allow("alice"), end)()
		wantEqual(t, "clients that must leave", ends, want)
	}
}

// TestAtOnce: a decision that isn't made at once isn't remembered twice.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	m := newScripted(monitor.Options{})
	m.decide(t, byKey(1, ""), admitted("alice"))
	m.decide(t, byLogin("alice", ""), admitted("alice"))
	if _, ok := monitor.New(&slow{}, monitor.Options{}).HandleAtOnce(byKey(1, "")); ok {
		t.Error("decided at once")
	}
	wantEqual(t, "decisions", m.LastHour().Admitted, 2)
}

// TestDecidingAllocsUnraced: a decision like an earlier one allocates nothing.
func TestDecidingAllocsUnraced(t *testing.T) {
	ztest.Unraced(t)
	m := newScripted(monitor.Options{Names: func(curve.PublicKey) []string { return nil }})
	for name, c := range map[string]struct {
		requests []*zap.Request
		reply    zap.Reply
	}{
		"admitted":       {[]*zap.Request{byKey(1, "192.0.2.1")}, admitted("alice")},
		"two services":   {[]*zap.Request{byKey(2, "192.0.2.1"), byKey(2, "192.0.2.2")}, admitted("bob")},
		"unknown":        {[]*zap.Request{byKey(3, "192.0.2.1")}, refused("unknown key")},
		"without a name": {[]*zap.Request{{Domain: "status", Address: "192.0.2.1", Mechanism: zap.Null}}, zap.Allow("")},
	} {
		m.handler.reply = c.reply
		if n := testing.AllocsPerRun(100, func() {
			for _, req := range c.requests {
				if _, ok := m.HandleAtOnce(req); !ok {
					m.Handle(context.Background(), req)
				}
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
