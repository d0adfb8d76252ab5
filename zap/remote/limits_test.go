package remote_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// Limits of a server, as in the package.
const (
	maxPeers         = 1024
	maxPeerDecisions = 1024
	maxDecisions     = 4096
)

// patient is the link of a server whose peers may stop receiving during a test, and so
// not answer PINGs.
var patient = zmtp.Config{HeartbeatInterval: time.Hour}

// keyFirst decides about keys at once, and about logins after it is released.
type keyFirst struct {
	now, most, calls atomic.Int32
	release          chan struct{}
}

func (h *keyFirst) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	if req.Mechanism == zap.Curve {
		return zap.Allow("key"), true
	}
	return zap.Reply{}, false
}

func (h *keyFirst) Handle(context.Context, *zap.Request) zap.Reply {
	h.calls.Add(1)
	n := h.now.Add(1)
	defer h.now.Add(-1)
	for most := h.most.Load(); n > most && !h.most.CompareAndSwap(most, n); most = h.most.Load() {
	}
	<-h.release // even if its context is done
	return zap.Refuse("wrong password")
}

func newKeyFirst(t *testing.T) *keyFirst {
	h := &keyFirst{release: make(chan struct{})}
	t.Cleanup(func() { close(h.release) })
	return h
}

var byKey = &zap.Request{Domain: "test", Address: "192.0.2.1", Mechanism: zap.Curve, Credentials: [][]byte{make([]byte, 32)}}

// queue sends a request several times.
func queue(t *testing.T, conn *zmtp.Conn, id string, req *zap.Request, times int) {
	t.Helper()
	frames, err := zap.AppendRequest(nil, []byte(id), req)
	ztest.Must(t, err)
	for range times {
		ztest.Must(t, conn.Queue(ztest.Context(t), frames...))
	}
	ztest.Must(t, conn.Flush(ztest.Context(t)))
}

// receive returns the next reply and the id of its request.
func receive(t *testing.T, conn *zmtp.Conn) (string, zap.Reply) {
	t.Helper()
	frames, err := conn.Recv(ztest.Context(t))
	ztest.Must(t, err)
	id, reply, err := zap.ParseReply(frames)
	ztest.Must(t, err)
	return string(id), reply
}

// TestBusy: while a connection has the maximum of slow decisions in progress, requests
// that can be decided at once are still answered, others get status 300 at once, and
// other connections are not affected.
func TestBusy(t *testing.T) {
	t.Parallel()
	h, log := newKeyFirst(t), new(ztest.Log)
	endpoint, _ := remotetest.Serve(t, remotetest.Endpoint(t), patient, h, log.Logger())
	conn := peerOf(t, endpoint, "DEALER")
	queue(t, conn, "login", login("alice"), maxPeerDecisions+10)
	for range 10 {
		if id, reply := receive(t, conn); id != "login" || reply.Status != zap.StatusTryLater || reply.Text != "too many requests in progress" {
			t.Errorf("beyond the bound: %q got %+v", id, reply)
		}
	}
	queue(t, conn, "key", byKey, 1)
	if id, reply := receive(t, conn); id != "key" || reply.Status != zap.StatusOK {
		t.Errorf("a key: %q got %+v", id, reply)
	}
	before := h.calls.Load()
	queue(t, peerOf(t, endpoint, "DEALER"), "login", login("bob"), 1)
	ztest.Wait(t, "another connection's decision begins", func() bool { return h.calls.Load() > before })
	if n := log.Count("client told to try later", "too many requests in progress"); n != 1 {
		t.Errorf("%d lines:\n%s", n, log)
	}
	if n := remote.Hits().Decisions; n < 10 {
		t.Errorf("%d hits", n)
	}
}

// TestDecisionsBounded: the number of slow decisions of all connections and listeners is
// bounded. Not in parallel: it takes all places of the process.
func TestDecisionsBounded(t *testing.T) {
	h := newKeyFirst(t)
	var endpoint string
	for i := range maxDecisions / maxPeerDecisions {
		if i%2 == 0 {
			endpoint, _ = remotetest.Serve(t, remotetest.Endpoint(t), patient, h, nil)
		}
		queue(t, peerOf(t, endpoint, "DEALER"), "login", login("alice"), maxPeerDecisions)
	}
	ztest.Wait(t, "all places are taken", func() bool { return h.now.Load() == maxDecisions })
	conn := peerOf(t, endpoint, "DEALER")
	queue(t, conn, "login", login("alice"), 10)
	for range 10 {
		if _, reply := receive(t, conn); reply.Status != zap.StatusTryLater {
			t.Errorf("got %+v", reply)
		}
	}
	queue(t, conn, "key", byKey, 1)
	if _, reply := receive(t, conn); reply.Status != zap.StatusOK {
		t.Errorf("a key: got %+v", reply)
	}
	if h.most.Load() != maxDecisions {
		t.Errorf("%d decisions at once", h.most.Load())
	}
}

// TestPeersBounded: when there are too many connections, the server closes one that has
// never sent a request, or the one whose last request is longest ago, but none with a
// request in progress. Not in parallel: it takes all places of the process.
func TestPeersBounded(t *testing.T) {
	h, log := newKeyFirst(t), new(ztest.Log)
	endpoint, _ := remotetest.Serve(t, remotetest.Endpoint(t), patient, h, log.Logger())
	ask := func(conn *zmtp.Conn) {
		t.Helper()
		queue(t, conn, "key", byKey, 1)
		if _, reply := receive(t, conn); reply.Status != zap.StatusOK {
			t.Fatalf("got %+v", reply)
		}
	}
	ends := func(conn *zmtp.Conn, why string) {
		t.Helper()
		if _, err := conn.Recv(ztest.Context(t)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%s: %v", why, err)
		}
	}
	first := peerOf(t, endpoint, "DEALER")
	ask(first)
	var silent, asked []*zmtp.Conn
	for range maxPeers - 1 {
		silent = append(silent, peerOf(t, endpoint, "DEALER"))
	}
	for range maxPeers - 1 { // more than there are places
		conn := peerOf(t, endpoint, "DEALER")
		ask(conn)
		asked = append(asked, conn)
	}
	for _, conn := range silent {
		ends(conn, "a connection that has never asked")
	}
	ask(first)
	ask(peerOf(t, endpoint, "DEALER"))
	ends(asked[0], "the one whose last request is longest ago")
	for _, conn := range asked[1:] {
		queue(t, conn, "login", login("alice"), 1)
	}
	ztest.Wait(t, "requests are in progress", func() bool { return h.now.Load() == int32(len(asked)-1) })
	ask(peerOf(t, endpoint, "DEALER"))
	ends(first, "an idle connection")
	queue(t, asked[1], "key", byKey, 1)
	if id, reply := receive(t, asked[1]); id != "key" || reply.Status != zap.StatusOK {
		t.Errorf("a connection with a request in progress: %q got %+v", id, reply)
	}
	if n := log.Count("connection lost", "1024 connections are open"); n == 0 || n > 10 { // one line, or more if the test takes minutes
		t.Errorf("%d lines:\n%s", n, log)
	}
}

// TestAllBusy: a connection beyond the bound is closed if all others have requests in
// progress. Not in parallel: it takes all places of the process.
func TestAllBusy(t *testing.T) {
	h, log := newKeyFirst(t), new(ztest.Log)
	endpoint, _ := remotetest.Serve(t, remotetest.Endpoint(t), patient, h, log.Logger())
	var busy *zmtp.Conn
	for range maxPeers {
		busy = peerOf(t, endpoint, "DEALER")
		queue(t, busy, "login", login("alice"), 1)
	}
	ztest.Wait(t, "requests are in progress", func() bool { return h.now.Load() == maxPeers })
	if _, err := peerOf(t, endpoint, "DEALER").Recv(ztest.Context(t)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beyond the bound: %v", err)
	}
	queue(t, busy, "key", byKey, 1)
	if _, reply := receive(t, busy); reply.Status != zap.StatusOK {
		t.Errorf("got %+v", reply)
	}
	if remote.Hits().Connections == 0 {
		t.Error("no hits")
	}
	if n := log.Count("connection closed", "1024 connections are open, and requests are in progress on all"); n != 1 {
		t.Errorf("%d lines:\n%s", n, log)
	}
}

// TestServeEnds: Serve returns when its context is done, even if peers do not receive
// replies and handlers do not return.
func TestServeEnds(t *testing.T) {
	t.Parallel()
	h := newKeyFirst(t)
	endpoint, stop := remotetest.Serve(t, remotetest.Endpoint(t), patient, h, nil)
	conn := peerOf(t, endpoint, "DEALER")
	queue(t, conn, "login", login("alice"), 10)
	ztest.Wait(t, "handlers are asked", func() bool { return h.now.Load() == 10 })
	flooded, cancel := context.WithCancel(context.Background())
	defer cancel()
	frames, err := zap.AppendRequest(nil, []byte("key"), byKey)
	ztest.Must(t, err)
	var sent atomic.Int32
	var flood sync.WaitGroup
	flood.Go(func() {
		for conn.Queue(flooded, frames...) == nil {
			sent.Add(1)
		}
	})
	last := int32(-1)
	ztest.Wait(t, "the server accepts no more data", func() bool {
		before := last
		last = sent.Load()
		return last > 10_000 && last == before
	})
	stop()
	cancel()
	flood.Wait()
}

// TestMalformedInARow: the server disconnects a peer that sends only malformed requests,
// and logs few lines about it. A peer that also sends valid requests stays connected.
func TestMalformedInARow(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]zap.Handler{"slow": byName, "at once": atOnce{byName}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := new(ztest.Log)
			endpoint, stop := remotetest.Serve(t, remotetest.Endpoint(t), patient, handler, log.Logger())
			good := peerOf(t, endpoint, "DEALER")
			for range 3 {
				for range 90 {
					ztest.Must(t, good.Queue(ztest.Context(t), nil))
				}
				queue(t, good, "1", login("alice"), 1)
				if _, reply := receive(t, good); reply.Status != zap.StatusOK {
					t.Errorf("got %+v", reply)
				}
			}
			bad := peerOf(t, endpoint, "DEALER")
			for n := 0; n < 10_000 && bad.Queue(ztest.Context(t), nil) == nil; n++ {
			}
			bad.Flush(ztest.Context(t))
			if _, err := bad.Recv(ztest.Context(t)); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after malformed requests: %v", err)
			}
			queue(t, good, "2", login("alice"), 1)
			receive(t, good)
			stop()
			if n := log.Count("malformed ZAP request: no return address, dropped"); n < 2 || n > 3 || log.Count("malformed ZAP request: no return address, dropped again", "count=") == 0 {
				t.Errorf("log:\n%s", log)
			}
			if log.Count("connection lost", "100 malformed requests in a row") != 1 || strings.Count(log.String(), "\n") > 6 {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// TestListen: other machines cannot reach a listener without CURVE.
func TestListen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		endpoint, mechanism string
		want                string // part of the error
	}{
		{"tcp://*:*", zap.Null, "remote: "},
		{"tcp://0.0.0.0:*", zap.Null, "remote: "},
		{"tcp://[::]:*", zap.Plain, "remote: "},
		{"tcp://192.0.2.1:9127", zap.Null, "remote: "},
		{"tcp://127.0.0.1:*", zap.Null, ""},
		{remotetest.Endpoint(t), zap.Plain, ""},
		{"zauth", zap.Null, "remote: invalid endpoint"},
	} {
		t.Run(fmt.Sprint(tt.endpoint, " ", tt.mechanism), func(t *testing.T) {
			ln, err := remote.Listen(ztest.Context(t), tt.endpoint, zmtp.Config{Mechanism: tt.mechanism, Handler: byName})
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, expected %q", err, tt.want)
			}
			if ln != nil {
				ln.Close()
			}
		})
	}
}

// ending is a handler that ends the goroutine that asks it.
type ending struct{ zap.Handler }

func (ending) HandleAtOnce(*zap.Request) (zap.Reply, bool) {
	runtime.Goexit()
	return zap.Reply{}, false
}

// TestHandlerEndsGoroutine: if the handler calls runtime.Goexit, as a failed test does,
// no request waits for a reply, and this is logged.
func TestHandlerEndsGoroutine(t *testing.T) {
	t.Parallel()
	log := new(ztest.Log)
	endpoint, _ := remotetest.Serve(t, remotetest.Endpoint(t), zmtp.Config{}, ending{byName}, log.Logger())
	client := remotetest.NewHandler(t, remote.Options{}, endpoint)
	if got := client.Handle(ztest.Context(t), login("alice")); got.Status != zap.StatusTryLater || !strings.Contains(got.Text, "lost twice") {
		t.Errorf("got %+v", got)
	}
	if n := log.Count("level=ERROR", `msg="connection lost"`, "the handler ended its goroutine"); n != 1 {
		t.Errorf("%d lines:\n%s", n, log)
	}
}

// stuck is a handler whose HandleAtOnce does not return until it is released.
type stuck struct {
	zap.Handler
	asked, release chan struct{}
}

func (s stuck) HandleAtOnce(*zap.Request) (zap.Reply, bool) {
	close(s.asked)
	<-s.release
	return zap.Reply{}, false
}

// TestServeLeavesHandler: Serve returns even if HandleAtOnce does not.
func TestServeLeavesHandler(t *testing.T) {
	t.Parallel()
	h := stuck{newKeyFirst(t), make(chan struct{}), make(chan struct{})}
	t.Cleanup(func() { close(h.release) })
	var log ztest.Log
	endpoint, stop := remotetest.Serve(t, remotetest.Endpoint(t), patient, h, log.Logger())
	queue(t, peerOf(t, endpoint, "DEALER"), "login", login("alice"), 1)
	<-h.asked
	stop()
	if log.Count("level=ERROR", "does not return from HandleAtOnce") != 1 {
		t.Errorf("the log is:\n%s", &log)
	}
}
