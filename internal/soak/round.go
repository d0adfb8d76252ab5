package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

const (
	// closeTime is the time limit for Close.
	closeTime = 5 * time.Second
	// endTime is how long Close waits for the peer to close its side, too.
	endTime = 100 * time.Millisecond
	// slack is the allowed lateness of a call, as a multiple of the control's: a call
	// returns only after several goroutines have woken up one after another.
	slack = 4
)

// round is one connection of a scenario, from beginning to end.
type round struct {
	soak   *soak
	s      *scenario
	tally  *tally
	number uint64
	dir    string // for ipc sockets

	ctx     context.Context // done when every call must return
	quiet   chan struct{}   // closed to stop all senders
	flushes bool            // senders that queue flush at the end

	connected time.Time
	network   *network // nil if the ends are connected to each other
	lanes     [2]*lane // to the client, and to the server
	ours      [2]*ours // nil if the end is libzmq's
	theirs    [2]*theirs
	closers   []func() // closes the parts of the connection that aren't ends
}

var rounds atomic.Uint64

const (
	client = 0
	server = 1
)

var endNames = [2]string{"client", "server"}

// run runs a round for about this long.
func (s *soak) round(ctx context.Context, sc *scenario, length time.Duration) {
	r := &round{soak: s, s: sc, tally: s.tally(sc), number: rounds.Add(1), quiet: make(chan struct{}), flushes: sc.fate != closes}
	r.tally.began()
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	var err error
	if r.dir, err = os.MkdirTemp("", "soak-"); err != nil {
		r.fault(wrong, "%v", err)
		return
	}
	defer os.RemoveAll(r.dir)
	for i, p := range []party{sc.client, sc.server} {
		from := 1 - i
		sender := []party{sc.client, sc.server}[from]
		flows := 0
		if sender.sends != nothing {
			flows = max(1, sender.senders)
		}
		r.lanes[i] = newLane("to the "+endNames[i], flows, r.faultOf)
		r.lanes[i].unordered = p.receivers > 1
	}
	if err := r.connect(); err != nil {
		r.fault(wrong, "no connection: %v", err)
	} else {
		r.connected = time.Now()
		for i := range r.ours {
			if r.ours[i] != nil {
				r.ours[i].start()
			} else {
				r.theirs[i].start()
			}
		}
		r.live(ctx, length)
	}
	cancel()
	r.cleanUp()
}

// live keeps the connection open for a while, and then ends it as the scenario says.
func (r *round) live(ctx context.Context, length time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(length):
	case <-r.endedOf(client):
	case <-r.endedOf(server):
	}
	r.checkAlive()
	switch r.s.fate {
	case lives:
		r.settle()
	case closes:
		r.closeBusy()
	case closesInVain:
		r.closeInVain()
	case leaves:
		r.leave()
	case cut:
		r.breakDown(r.network.cut)
	case reset:
		r.breakDown(r.network.reset)
	case stops:
		r.breakDown(r.stop)
	}
}

// connect connects both ends.
func (r *round) connect() error {
	ctx, cancel := context.WithTimeout(r.ctx, r.soak.patience)
	defer cancel()
	if r.s.rate > 0 || r.s.fate == cut || r.s.fate == reset || r.s.fate == stops {
		r.network = newNetwork(r.s.rate)
	}
	nets, err := r.connectNets(ctx)
	if err != nil {
		return err
	}
	// Both ends do their handshakes at the same time.
	results := make(chan error, 2)
	waiting := 0
	for i, p := range []party{r.s.client, r.s.server} {
		if p.libzmq {
			continue
		}
		waiting++
		go func() {
			cfg := r.config(p, i == server)
			var c *zmtp.Conn
			var err error
			if i == server {
				c, err = zmtp.Server(ctx, nets[i], cfg)
			} else {
				c, err = zmtp.Client(ctx, nets[i], cfg)
			}
			if err == nil {
				r.ours[i] = newOurs(r, endNames[i], p, r.soak.wrapped(i, c), r.lanes[i], r.lanes[1-i])
			}
			results <- err
		}()
	}
	for range waiting {
		err = errors.Join(err, <-results)
	}
	for _, e := range r.theirs {
		if e == nil || err != nil {
			continue
		}
		select {
		case <-e.joined:
		case <-ctx.Done():
			err = errors.New("libzmq's end isn't connected")
		}
	}
	return err
}

// connectNets connects the ends below ZMTP, and returns the net.Conns of our ends.
func (r *round) connectNets(ctx context.Context) (nets [2]net.Conn, err error) {
	if r.s.transport == "pipe" {
		a, b := net.Pipe()
		if r.network == nil {
			return [2]net.Conn{a, b}, nil
		}
		c, d := net.Pipe()
		r.network.join(b, c)
		return [2]net.Conn{a, d}, nil
	}
	for i, p := range []party{r.s.client, r.s.server} {
		if !p.libzmq {
			continue
		}
		e, err := newTheirs(r, endNames[i], p, i == server)
		if err != nil {
			return nets, err
		}
		e.in, e.out = r.lanes[i], r.lanes[1-i]
		r.theirs[i] = e
	}
	// The server listens.
	var ln net.Listener
	at := ""
	if e := r.theirs[server]; e != nil {
		if err := e.sock.Bind(wildcard(r.s.transport, r.dir, "server")); err != nil {
			return nets, err
		}
		if at, err = e.sock.GetLastEndpoint(); err != nil {
			return nets, err
		}
	} else {
		if ln, err = listen(ctx, r.s.transport, r.dir, "server"); err != nil {
			return nets, err
		}
		r.closers = append(r.closers, func() { ln.Close() })
		at = endpointOf(r.s.transport, ln)
	}
	if r.network != nil {
		before, err := listen(ctx, r.s.transport, r.dir, "network")
		if err != nil {
			return nets, err
		}
		r.closers = append(r.closers, func() { before.Close() })
		r.network.through(ctx, before, at)
		at = endpointOf(r.s.transport, before)
	}
	if e := r.theirs[client]; e != nil {
		if err := e.sock.Connect(at); err != nil {
			return nets, err
		}
	} else if nets[client], err = endpoint.Dial(ctx, at); err != nil {
		return nets, err
	}
	if ln != nil {
		if nets[server], err = ln.Accept(); err != nil {
			return nets, err
		}
	}
	for _, nc := range nets {
		if nc != nil {
			r.closers = append(r.closers, func() { nc.Close() })
		}
	}
	if r.stopsReceiving() || r.s.rate > 0 { // otherwise, it takes long to fill the buffers
		for _, nc := range nets {
			limitBuffers(nc)
		}
	}
	return nets, nil
}

// stopsReceiving reports whether the server stops receiving at the end.
func (r *round) stopsReceiving() bool { return r.s.fate == stops || r.s.fate == closesInVain }

// config returns the configuration of one of our ends.
func (r *round) config(p party, asServer bool) zmtp.Config {
	cfg := zmtp.Config{
		SocketType: p.socket, Mechanism: r.s.mechanism,
		HeartbeatInterval: p.interval, HeartbeatTimeout: p.timeout,
		HandshakeTimeout: r.soak.patience,
	}
	if r.s.mechanism == curved {
		cfg.Key, cfg.ServerKey = r.soak.clientKeys, r.soak.serverKeys.Public()
		if asServer {
			cfg.Key = r.soak.serverKeys
			cfg.Handler = zap.HandlerFunc(allow)
		}
	}
	return cfg
}

// random returns a separate source for each user of random numbers.
func (r *round) random(who, does string, i int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, who, does, i, r.s.name)
	return rand.New(rand.NewPCG(r.soak.seed+r.number, h.Sum64()))
}

// interval returns a random time from one turn of sending to the next.
func interval(p party, rnd *rand.Rand) time.Duration {
	switch p.sends {
	case paced, subscribes:
		return time.Duration(rnd.IntN(10000)) * time.Microsecond
	case rarely:
		return max(2*p.interval, 200*time.Millisecond) + time.Duration(rnd.IntN(200))*time.Millisecond
	}
	return 0
}

// pause waits for the next turn of sending, and reports whether there is one.
func (r *round) pause(p party, rnd *rand.Rand) bool {
	if d := interval(p, rnd); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.quiet:
		case <-r.ctx.Done():
		}
	}
	return !r.sendsNoMore()
}

func (r *round) sendsNoMore() bool {
	select {
	case <-r.quiet:
		return true
	case <-r.ctx.Done():
		return true
	default:
		return false
	}
}

// sleep waits, but not beyond the round.
func (r *round) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.ctx.Done():
	}
}

// pace is the pace of a slow reader. A reader that was delayed by a busy machine catches
// up, so that it is not slower than intended.
type pace struct{ due time.Time }

// take spends some time on a message.
func (p *pace) take(r *round, d time.Duration) {
	if p.due.IsZero() {
		p.due = time.Now()
	}
	p.due = p.due.Add(d)
	if wait := time.Until(p.due); wait > 0 {
		r.sleep(wait)
	}
}

// wait waits for an event, and counts a fault if it does not occur within patience.
func (r *round) wait(what string, event <-chan struct{}) bool {
	timer := time.NewTimer(r.soak.patience)
	defer timer.Stop()
	select {
	case <-event:
		return true
	case <-timer.C:
		r.soak.tellStacks()
		r.fault(wrong, "%s: not within %v", what, r.soak.patience)
		return false
	}
}

// after runs a function and returns a channel that is closed when it has returned.
func after(run func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		run()
	}()
	return done
}

// endedOf returns a channel that is closed when an end has noticed that the connection has ended.
func (r *round) endedOf(end int) <-chan struct{} {
	if r.ours[end] != nil {
		return r.ours[end].ended
	}
	return r.theirs[end].ended
}
