package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zmtp"
)

func TestMain(m *testing.M) { ztest.Main(m) }

// TestSoak is a short soak in which each scenario has one connection, with NULL or CURVE
// in turn. It runs alone, because it checks for leftover goroutines, memory and
// descriptors.
func TestSoak(t *testing.T) {
	ztest.NeedPeers(t)
	s := &soak{seed: rand.Uint64(), length: 3 * time.Second, least: 300 * time.Millisecond, workers: 10, promptly: time.Second, patience: ztest.Patience, settling: ztest.Patience}
	all := scenarios(3 << 20)
	for i := range len(all) / 2 {
		s.scenarios = append(s.scenarios, all[i+len(all)/2*(i%2)])
	}
	var log ztest.Log
	s.out = &log
	ztest.Must(t, s.soakAndReport(t.Context()))
	t.Logf("\n%s", log.String())
	if n := s.faults(); n > 0 {
		t.Errorf("%d faults; to reproduce: go run ./internal/soak -seed %d", n, s.seed)
	}
}

// broken is a connection that breaks a promise.
type broken struct {
	conn
	breaks
	calls atomic.Int64

	mu   sync.Mutex // held by send
	held [][]byte
}

// breaks returns a connection that breaks the promise. Nil leaves it correct.
type breaks struct {
	send     func(b *broken, ctx context.Context, parts [][]byte) error
	recv     func(b *broken, ctx context.Context) ([][]byte, error)
	close    func(b *broken) error
	closeNow func(b *broken) error
}

func (b *broken) Send(ctx context.Context, parts ...[]byte) error {
	if b.send == nil {
		return b.conn.Send(ctx, parts...)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.send(b, ctx, parts)
}

func (b *broken) Recv(ctx context.Context) ([][]byte, error) {
	if b.recv == nil {
		return b.conn.Recv(ctx)
	}
	return b.recv(b, ctx)
}

func (b *broken) Close() error {
	if b.close == nil {
		return b.conn.Close()
	}
	return b.close(b)
}

func (b *broken) CloseNow() error {
	if b.closeNow == nil {
		return b.conn.CloseNow()
	}
	return b.closeNow(b)
}

// nowAndThen returns true every fifth time.
func (b *broken) nowAndThen() bool { return b.calls.Add(1)%5 == 0 }

// TestFindsFaults: each fault of a connection is found. Lateness excuses nothing here.
func TestFindsFaults(t *testing.T) {
	t.Parallel()
	ztest.NeedPeers(t)
	const ms = time.Millisecond
	pair := func(f fate, hasty bool, size int) scenario {
		return scenario{transport: "tcp", mechanism: null, fate: f,
			client: party{socket: "DEALER", sends: flatOut, size: size, receives: polls, hasty: hasty}.beats(50*ms, time.Minute),
			server: party{socket: "DEALER", receives: receives}.beats(50*ms, time.Minute)}
	}
	for name, tt := range map[string]struct {
		scenario scenario
		breaks   *breaks
		want     string
	}{
		"nothing": {scenario: pair(lives, true, 1000)},
		"lost": {pair(lives, false, 1000), &breaks{send: func(b *broken, ctx context.Context, parts [][]byte) error {
			if b.nowAndThen() {
				return nil
			}
			return b.conn.Send(ctx, parts...)
		}}, "messages are lost"},
		"doubled": {pair(lives, false, 1000), &breaks{send: func(b *broken, ctx context.Context, parts [][]byte) error {
			if b.nowAndThen() {
				b.conn.Send(ctx, parts...)
			}
			return b.conn.Send(ctx, parts...)
		}}, "arrives again"},
		"swapped": {pair(lives, false, 1000), &breaks{send: func(b *broken, ctx context.Context, parts [][]byte) error {
			if b.held == nil && b.nowAndThen() {
				b.held = zmtp.CloneMessage(parts)
				return nil
			}
			err := b.conn.Send(ctx, parts...)
			if b.held != nil {
				b.conn.Send(ctx, b.held...)
				b.held = nil
			}
			return err
		}}, "arrives after"},
		"damaged": {pair(lives, false, 1000), &breaks{send: func(b *broken, ctx context.Context, parts [][]byte) error {
			if b.nowAndThen() {
				parts = zmtp.CloneMessage(parts)
				parts[0][0] ^= 1
			}
			return b.conn.Send(ctx, parts...)
		}}, "the checksum of a message"},
		"of another connection": {pair(lives, false, 1000), &breaks{send: func(b *broken, ctx context.Context, parts [][]byte) error {
			if b.nowAndThen() {
				f := newLane("", 1, nil).flows[0]
				parts = f.message(0, 0, nil)
			}
			return b.conn.Send(ctx, parts...)
		}}, "a message of another connection"},
		"parts joined": {pair(lives, false, 1000), &breaks{send: func(b *broken, ctx context.Context, parts [][]byte) error {
			if len(parts) > 2 {
				parts = append(append([][]byte{}, parts[:1]...), append(append([]byte{}, parts[1]...), parts[2]...))
			}
			return b.conn.Send(ctx, parts...)
		}}, "the checksum of a message"},
		"sent though refused": {pair(lives, true, 1000), &breaks{send: func(b *broken, ctx context.Context, parts [][]byte) error {
			if err := b.conn.Send(context.Background(), parts...); err != nil {
				return err
			}
			return ctx.Err()
		}}, "or Send had returned an error"},
		"not sent though queued": {pair(lives, true, 1000), &breaks{send: func(b *broken, ctx context.Context, parts [][]byte) error {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("%w: %w", zmtp.ErrQueued, err)
			}
			return b.conn.Send(ctx, parts...)
		}}, "messages are lost"},
		"refused without a reason": {pair(lives, false, 1000), &breaks{send: func(b *broken, ctx context.Context, parts [][]byte) error {
			if b.nowAndThen() {
				return context.DeadlineExceeded
			}
			return b.conn.Send(ctx, parts...)
		}}, "ended wrongly"},
		"late": {pair(lives, false, 1000), &breaks{recv: func(b *broken, ctx context.Context) ([][]byte, error) {
			if b.nowAndThen() {
				<-ctx.Done()
				time.Sleep(300 * ms)
			}
			return b.conn.Recv(ctx)
		}}, "overran: client: Recv returned"},
		"ended": {pair(lives, false, 1000), &breaks{recv: func(b *broken, ctx context.Context) ([][]byte, error) {
			if b.nowAndThen() {
				b.conn.CloseNow()
			}
			return b.conn.Recv(ctx)
		}}, "ended wrongly"},
		"taken for dead": {pair(lives, false, 1000), &breaks{recv: func(b *broken, ctx context.Context) ([][]byte, error) {
			return nil, zmtp.ErrHeartbeat
		}}, "ended wrongly: client: Recv: " + zmtp.ErrHeartbeat.Error()},
		"not noticed": {dying(), &breaks{recv: func(b *broken, ctx context.Context) ([][]byte, error) {
			message, err := b.conn.Recv(ctx)
			if errors.Is(err, zmtp.ErrHeartbeat) {
				time.Sleep(time.Second)
			}
			return message, err
		}}, "noticed late: client"},
		"another cause": {dying(), &breaks{recv: func(b *broken, ctx context.Context) ([][]byte, error) {
			message, err := b.conn.Recv(ctx)
			if errors.Is(err, zmtp.ErrHeartbeat) {
				err = os.ErrClosed
			}
			return message, err
		}}, "wrong: client: ended with Recv: " + os.ErrClosed.Error()},
		"closed without the last": {pair(closes, false, 1000), &breaks{
			send: func(b *broken, ctx context.Context, parts [][]byte) error {
				defer func(held [][]byte) { b.held = held }(zmtp.CloneMessage(parts))
				if b.held == nil {
					return nil
				}
				return b.conn.Send(ctx, b.held...)
			},
		}, "messages are lost"},
		"closed slowly": {pair(leaves, false, 1000), &breaks{closeNow: func(b *broken) error {
			time.Sleep(300 * ms)
			return b.conn.CloseNow()
		}}, "overran: client: closing took"},
		"closed in vain, without an error": {pair(closesInVain, false, 50000), &breaks{close: func(b *broken) error {
			b.conn.CloseNow()
			return nil
		}}, "messages are lost"},
		"libzmq ended": {scenario{transport: "ipc", mechanism: curved,
			client: party{socket: "PUSH", sends: flatOut, size: 1000, receives: never},
			server: party{libzmq: true, socket: "PULL"},
		}, &breaks{send: func(b *broken, ctx context.Context, parts [][]byte) error {
			if b.calls.Add(1) < 5 {
				return b.conn.Send(ctx, parts...)
			}
			b.conn.CloseNow()
			time.Sleep(ms)
			return nil // so that only libzmq reports it
		}}, "ended wrongly: server: libzmq has ended the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := tt.scenario
			sc.name = name
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			log := &telling{until: tt.want, told: cancel}
			s := &soak{scenarios: []*scenario{&sc}, seed: 1, least: 300 * ms, workers: 1, promptly: 100 * ms, patience: ztest.Patience, settling: ztest.Patience, out: log}
			if tt.breaks != nil {
				s.length = ztest.Patience // or until it is found
				s.settling = time.Second
				s.control = &control{start: time.Now()}
				s.wrap = func(end int, c *zmtp.Conn) conn {
					if end == server {
						return c
					}
					return &broken{conn: c, breaks: *tt.breaks}
				}
			}
			ztest.Must(t, s.run(ctx))
			if got := log.String(); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("expected %q, says:\n%s", tt.want, got)
			}
		})
	}
}

// telling is a log that signals when it contains certain words.
type telling struct {
	ztest.Log
	until string
	told  func()
}

func (l *telling) Write(p []byte) (int, error) {
	n, err := l.Log.Write(p)
	if l.until != "" && strings.Contains(l.String(), l.until) {
		l.told()
	}
	return n, err
}

// dying is a scenario in which the network stops carrying data.
func dying() scenario {
	const ms = time.Millisecond
	return scenario{transport: "tcp", mechanism: null, fate: cut,
		client: party{socket: "DEALER", receives: receives}.beats(50*ms, 200*ms),
		server: party{socket: "DEALER", receives: receives}}
}

// TestGivesUpTooEarly: giving up on a peer too early is a fault.
func TestGivesUpTooEarly(t *testing.T) {
	t.Parallel()
	var log ztest.Log
	now := time.Now()
	s := &soak{out: &log, began: now, control: &control{start: now}, tallies: map[string]*tally{}, patience: ztest.Patience}
	sc := dying()
	r := &round{soak: s, s: &sc, tally: s.tally(&sc)}
	e := newOurs(r, "client", sc.client, nil, nil, nil)
	r.ours[client] = e
	e.end("Recv", zmtp.ErrHeartbeat)
	r.noticed(client, now, now, time.Minute)
	if s.faults() > 0 {
		t.Errorf("finds\n%s", log.String())
	}
	r.noticed(client, now, now.Add(time.Hour), time.Minute)
	if s.faults(noticedEarly) != 1 {
		t.Errorf("finds\n%s", log.String())
	}
}

// TestExcuses: a late call is not a fault if the control is late, too. Nor is it a fault
// to give up on a peer if the machine stood still.
func TestExcuses(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{0, time.Minute} {
		var log ztest.Log
		now := time.Now()
		s := &soak{out: &log, began: now, control: &control{start: now.Add(-time.Hour)}, tallies: map[string]*tally{}}
		s.control.note(now.Add(-time.Second), late)
		sc := dying()
		r := &round{soak: s, s: &sc, tally: s.tally(&sc)}
		e := newOurs(r, "client", sc.client, nil, nil, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d := &deadline{ctx: ctx, began: now.Add(-5 * time.Second)}
		d.done.set(now.Add(-5 * time.Second))
		r.returned(e, "Recv", d)
		if faults := s.faults(overran); faults != map[bool]int{true: 0, false: 1}[late > 0] {
			t.Errorf("late by %v: %d calls overran", late, faults)
		}
		r.ours[client] = e
		if e.end("Recv", io.EOF); r.excused(client) {
			t.Errorf("late by %v: excuses a connection ended by the peer", late)
		}
		e.err = zmtp.ErrHeartbeat
		if r.excused(client) != (late > 0) {
			t.Errorf("late by %v: excuses an end that gave up on its peer: %v", late, late == 0)
		}
	}
}

// TestLeft: leftover goroutines, memory and descriptors are reported.
func TestLeft(t *testing.T) { // alone: other tests would leave some for a while
	before := resources()
	if what := before.leftAfter(ztest.Patience); what != "" {
		t.Error(what)
	}
	wait := make(chan struct{})
	go func() { <-wait }()
	if what := before.leftAfter(0); !strings.Contains(what, "goroutines") {
		t.Errorf("a goroutine: %q", what)
	}
	close(wait)
	memory := make([]byte, 2*heapSlack)
	if what := before.leftAfter(0); !strings.Contains(what, "MiB of heap") {
		t.Errorf("memory: %q", what)
	}
	runtime.KeepAlive(memory)
	memory = nil
	file, err := os.Open("soak_test.go")
	ztest.Must(t, err)
	if what := before.leftAfter(0); before.descriptors >= 0 && !strings.Contains(what, "descriptors") {
		t.Errorf("a descriptor: %q", what)
	}
	ztest.Must(t, file.Close())
	if what := before.leftAfter(ztest.Patience); what != "" {
		t.Error(what)
	}
}
