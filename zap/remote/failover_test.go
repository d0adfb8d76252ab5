package remote_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// named admits every client, with the name of the server as the user id.
func named(name string) zap.Handler {
	return zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		return zap.Allow(name)
	})
}

// brokenServer listens on loopback until the test ends, and calls do with each
// connection.
func brokenServer(t *testing.T, do func(nc net.Conn)) string {
	t.Helper()
	nl, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(t, err)
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			nc, err := nl.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				do(nc)
				nc.Close()
			})
		}
	})
	t.Cleanup(func() {
		nl.Close()
		conns.Wait()
	})
	return "tcp://" + nl.Addr().String()
}

// silent reads and sends nothing until the peer closes the connection.
func silent(nc net.Conn) { io.Copy(io.Discard, nc) }

// TestFailover: if one server fails in any way, the next one is asked.
func TestFailover(t *testing.T) {
	t.Parallel()
	refusing, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{Mechanism: zap.Plain, Handler: byName}, byName, nil)
	stale := remotetest.Endpoint(t) // left by a killed process
	nl, err := net.Listen("unix", strings.TrimPrefix(stale, "ipc://"))
	ztest.Must(t, err)
	nl.(*net.UnixListener).SetUnlinkOnClose(false)
	ztest.Must(t, nl.Close())
	for name, tt := range map[string]struct{ broken, why string }{
		"nobody there":      {stale, "refused"},
		"no socket":         {remotetest.Endpoint(t), "no such file"},
		"closes":            {brokenServer(t, func(net.Conn) {}), "handshake"},
		"silent":            {brokenServer(t, silent), "no connection after 300ms, and another server has answered"},
		"another mechanism": {refusing, "mechanism"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, named("good"), nil)
			log := new(ztest.Log)
			client := remotetest.NewHandler(t, remote.Options{Log: log.Logger()}, tt.broken, good)
			for range 3 {
				if got := client.Handle(ztest.Context(t), login("alice")); got.UserID != "good" {
					t.Errorf("got %+v", got)
				}
			}
			if log.Count("ZAP server unreachable: retrying", tt.broken, tt.why) != 1 || log.Count("reconnected to the ZAP server", good) != 1 {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// TestServerCloses: the log says that the server has closed the connection.
func TestServerCloses(t *testing.T) {
	t.Parallel()
	log := new(ztest.Log)
	endpoint := brokenServer(t, func(nc net.Conn) {
		conn, err := zmtp.Server(context.Background(), nc, zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Null})
		if err == nil {
			conn.Close()
		}
	})
	remotetest.NewHandler(t, remote.Options{Log: log.Logger()}, endpoint)
	ztest.Wait(t, "a line of the log", func() bool {
		return log.Count("ZAP server unreachable: retrying", endpoint, "the server has closed the connection") == 1
	})
}

// TestFailoverBack: when the current server ends, the next one is asked. When that one
// ends, the first one, which has been restarted, is asked again.
func TestFailoverBack(t *testing.T) {
	t.Parallel()
	endpoints := []string{remotetest.Endpoint(t), remotetest.Endpoint(t)}
	client := remotetest.NewHandler(t, remote.Options{}, endpoints...)
	_, stop := remotetest.Serve(t, endpoints[0], zmtp.Config{}, named("0"), nil)
	for _, next := range []int{1, 0, 1} {
		before := stop
		if got := client.Handle(ztest.Context(t), login("alice")); got.Status != zap.StatusOK {
			t.Fatalf("before the server ends: %+v", got)
		}
		_, stop = remotetest.Serve(t, endpoints[next], zmtp.Config{}, named(string(rune('0'+next))), nil)
		before()
		if got := client.Handle(ztest.Context(t), login("alice")); got.UserID != string(rune('0'+next)) {
			t.Fatalf("got %+v, expected server %d", got, next)
		}
	}
}

// frozen is a proxy to a server. It can stop forwarding.
type frozen struct {
	endpoint string
	freeze   func()
}

func newFrozen(t *testing.T, server string) *frozen {
	stopped := make(chan bool)
	pass := func(to, from net.Conn) {
		buffer := make([]byte, 1024)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			select {
			case <-stopped:
			default:
				to.Write(buffer[:n])
			}
		}
	}
	endpoint := brokenServer(t, func(near net.Conn) {
		far, err := endpoint.Dial(ztest.Context(t), server)
		if err != nil {
			return
		}
		defer far.Close()
		var back sync.WaitGroup
		defer back.Wait()
		defer far.Close()
		back.Go(func() { pass(near, far) })
		pass(far, near)
	})
	return &frozen{endpoint, func() { close(stopped) }}
}

// TestFailoverFromFrozen: a server that stops answering is noticed, and the next one gets
// its requests.
func TestFailoverFromFrozen(t *testing.T) {
	t.Parallel()
	one, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, named("one"), nil)
	two := remotetest.Endpoint(t) // no server listens there yet
	proxy := newFrozen(t, one)
	log := new(ztest.Log)
	client := remotetest.NewHandler(t, remote.Options{Log: log.Logger()}, proxy.endpoint, two)
	if got := client.Handle(ztest.Context(t), login("alice")); got.UserID != "one" {
		t.Fatalf("got %+v", got)
	}
	remotetest.Serve(t, two, zmtp.Config{}, named("two"), nil)
	proxy.freeze()
	start := time.Now()
	if got := client.Handle(ztest.Context(t), login("alice")); got.UserID != "two" {
		t.Errorf("got %+v", got)
	}
	// It takes a little more than 750 ms. With the heartbeats for a single server, it
	// would take more than 5 seconds.
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("answered after %v", took)
	}
	if log.Count("ZAP server unreachable: retrying", proxy.endpoint, "peer is silent") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

// TestSentTwice: a request that was sent on two lost connections is not sent on a third.
// It gets status 300, and other requests are not affected.
func TestSentTwice(t *testing.T) {
	t.Parallel()
	for name, servers := range map[string]int{"one server": 1, "two servers": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			ctx := ztest.Context(t)
			var endpoints []string
			for range servers {
				endpoints = append(endpoints, brokenServer(t, func(nc net.Conn) {
					conn, err := zmtp.Server(ctx, nc, zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Null})
					if err != nil {
						return
					}
					defer conn.Close()
					frames, err := conn.Recv(ctx)
					if err != nil {
						return
					}
					asked.Add(1)
					mallory := false
					reply, err := zap.Answer(ctx, zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
						mallory = string(req.Credentials[0]) == "mallory"
						return zap.Allow("alice")
					}), "", frames)
					if err == nil && !mallory {
						conn.Send(ctx, reply...)
						conn.Recv(ctx)
					}
				}))
			}
			client := remotetest.NewHandler(t, remote.Options{Wait: 10 * ztest.Patience}, endpoints...)
			if got := client.Handle(ctx, login("mallory")); got.Status != zap.StatusTryLater || got.Text != "the connection was lost twice before a reply" {
				t.Errorf("got %+v", got)
			}
			if asked.Load() != 2 {
				t.Errorf("sent %d times", asked.Load())
			}
			if got := client.Handle(ctx, login("alice")); got.UserID != "alice" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestHandleKeepsContext: Handle returns when its context is done, even if the server
// reads nothing and answers no heartbeats, and so does Close.
func TestHandleKeepsContext(t *testing.T) {
	t.Parallel()
	connected := make(chan bool, 10)
	endpoint := brokenServer(t, func(nc net.Conn) {
		conn, err := zmtp.Server(ztest.Context(t), nc, zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Null})
		if err != nil {
			return
		}
		connected <- true
		<-t.Context().Done() // without reading
		conn.Close()
	})
	client := remotetest.NewHandler(t, remote.Options{
		Wait: 10 * ztest.Patience,
		Link: zmtp.Config{HeartbeatInterval: 10 * ztest.Patience},
	}, endpoint)
	ztest.Receive(t, "a connection", connected)
	large := login("alice")
	large.Credentials = [][]byte{make([]byte, 255), make([]byte, 1024)}
	replies := make(chan zap.Reply, 4000) // more than the connection can hold
	for range cap(replies) {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second/5)
			defer cancel()
			replies <- client.Handle(ctx, large)
		}()
	}
	for range cap(replies) {
		if got := ztest.Receive(t, "the end of Handle", replies); got.Status != zap.StatusTryLater {
			t.Fatalf("got %+v", got)
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- client.Close() }()
	ztest.Must(t, ztest.Receive(t, "the end of Close", closed))
}

// TestSilentServer: an attempt to connect to a server that sends nothing ends after some
// seconds, and is logged.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	log := new(ztest.Log)
	ended := make(chan bool, 1)
	endpoint := brokenServer(t, func(nc net.Conn) {
		silent(nc)
		select {
		case ended <- true:
		default:
		}
	})
	client := remotetest.NewHandler(t, remote.Options{Wait: 10 * time.Millisecond, Log: log.Logger()}, endpoint)
	if got := client.Handle(ztest.Context(t), login("alice")); got.Status != zap.StatusTryLater {
		t.Errorf("got %+v", got)
	}
	start := time.Now()
	ztest.Receive(t, "the end of the attempt", ended)
	if took := time.Since(start); took > 25*time.Second { // a handshake may take 30
		t.Errorf("the attempt took %v", took)
	}
	ztest.Wait(t, "the log says so", func() bool { return log.Count("ZAP server unreachable: retrying", endpoint) == 1 })
}

// TestCallerWipes: the caller can change its request when Handle has returned. The race
// detector would find a read after that.
func TestCallerWipes(t *testing.T) {
	t.Parallel()
	endpoint := remotetest.Endpoint(t)
	client := remotetest.NewHandler(t, remote.Options{}, endpoint)
	var stop atomic.Bool
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for password := []byte("secret"); !stop.Load(); password[0]++ {
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				req := login("alice")
				req.Credentials[1] = password
				client.Handle(ctx, req)
				cancel()
			}
		})
	}
	for range 5 {
		var asked atomic.Bool
		_, end := remotetest.Serve(t, endpoint, zmtp.Config{}, zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
			asked.Store(true)
			return zap.Refuse("no")
		}), nil)
		ztest.Wait(t, "the server is asked", asked.Load)
		end()
	}
	stop.Store(true)
	asking.Wait()
}
