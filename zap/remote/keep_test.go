package remote_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

var _ zap.Keeper = (*remote.Handler)(nil)

// keeper admits every client, and counts the admissions that are open.
type keeper struct {
	began chan admission // has each call of Keep

	mu   sync.Mutex
	open int
}

// admission is a call of Keep.
type admission struct {
	req   zap.Request
	reply zap.Reply
	end   func(zap.Reply)
}

func newKeeper() *keeper { return &keeper{began: make(chan admission, 1000)} }

func (*keeper) Handle(_ context.Context, req *zap.Request) zap.Reply {
	reply := zap.Allow("alice")
	reply.Metadata = zap.Metadata{{Name: "group", Value: "a,b"}, {Name: "Mechanism", Value: req.Mechanism}}
	return reply
}

func (k *keeper) Keep(req *zap.Request, reply zap.Reply, end func(zap.Reply)) func() {
	own := *req
	own.Credentials = zmtp.CloneMessage(req.Credentials)
	k.count(1)
	k.began <- admission{own, reply, end}
	return sync.OnceFunc(func() { k.count(-1) })
}

func (k *keeper) count(n int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open += n
	return k.open
}

// none waits until no admission is open.
func (k *keeper) none(t *testing.T) {
	t.Helper()
	ztest.Wait(t, "no admission is open", func() bool { return k.count(0) == 0 })
}

// keep asks a handler and keeps the admission.
func keep(t *testing.T, h *remote.Handler, req *zap.Request) (ended chan zap.Reply, release func()) {
	t.Helper()
	reply := h.Handle(ztest.Context(t), req)
	if reply.Status != zap.StatusOK {
		t.Fatalf("not admitted: %+v", reply)
	}
	ended = make(chan zap.Reply, 2)
	return ended, h.Keep(req, reply, func(r zap.Reply) { ended <- r })
}

// keyed is a request that a handler can decide again.
func keyed() *zap.Request {
	return &zap.Request{Domain: "test", Address: "192.0.2.1", Mechanism: zap.Curve, Credentials: [][]byte{make([]byte, 32)}}
}

// TestKeep: the server watches an admission until the client has left or must leave.
func TestKeep(t *testing.T) {
	t.Parallel()
	for _, req := range []*zap.Request{
		{Domain: "test", Mechanism: zap.Null},
		{Domain: "test", Address: "192.0.2.1", RoutingID: []byte("id"), Mechanism: zap.Plain, Credentials: [][]byte{[]byte("alice"), []byte("secret")}},
		keyed(),
		{Mechanism: zap.GSSAPI, Credentials: [][]byte{[]byte("alice@EXAMPLE.COM")}},
		{Mechanism: zap.ScramSHA256, Credentials: [][]byte{[]byte("alice"), make([]byte, 32)}},
		{Mechanism: zap.ScramSHA256Plus, Credentials: [][]byte{[]byte("alice"), make([]byte, 32), make([]byte, 32)}},
		{Mechanism: "X-OTHER", Credentials: [][]byte{{}, []byte("secret")}},
	} {
		for name, wrap := range map[string]func(k *keeper) zap.Handler{
			"slow":    func(k *keeper) zap.Handler { return k },
			"at once": func(k *keeper) zap.Handler { return promptKeeper{k} },
		} {
			t.Run(req.Mechanism+"/"+name, func(t *testing.T) {
				t.Parallel()
				k := newKeeper()
				at, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, wrap(k), nil)
				h := remotetest.NewHandler(t, remote.Options{}, at)
				ended, _ := keep(t, h, req)
				got := ztest.Receive(t, "Keep", k.began)
				want := *req
				want.Asker = "127.0.0.1"
				if diff := cmp.Diff(want, got.req, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(k.Handle(t.Context(), req), got.reply); diff != "" {
					t.Errorf("reply (-want +got):\n%s", diff)
				}
				got.end(zap.Reply{Status: zap.StatusRefused, Text: "revoked", UserID: "alice", Rule: "policy.zpl:1"})
				if r := ztest.Receive(t, "the end", ended); r.Status != zap.StatusRefused || r.Text != "revoked" || r.UserID != "" {
					t.Errorf("ended with %+v", r)
				}
				k.none(t)
				_, release := keep(t, h, req)
				got = ztest.Receive(t, "Keep", k.began)
				release()
				release()
				k.none(t)
				got.end(zap.Refuse("too late"))
				if len(ended) > 0 {
					t.Errorf("ended again: %+v", <-ended)
				}
			})
		}
	}
}

// promptKeeper decides at once.
type promptKeeper struct{ *keeper }

func (k promptKeeper) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	return k.Handle(context.Background(), req), true
}

// TestKeepFails: an admission ends if the server's Keep fails, or if it ends in a wrong way.
func TestKeepFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		keep   func(end func(zap.Reply))
		status zap.Status
		log    string
	}{
		"ends at once": {func(end func(zap.Reply)) { end(zap.Refuse("no")) }, zap.StatusRefused, ""},
		"panics":       {func(func(zap.Reply)) { panic("out of luck") }, zap.StatusError, "out of luck"},
		"status 200":   {func(end func(zap.Reply)) { end(zap.Allow("")) }, zap.StatusError, ""},
		"no status":    {func(end func(zap.Reply)) { end(zap.Reply{}) }, zap.StatusError, ""},
		"bad text":     {func(end func(zap.Reply)) { end(zap.Refuse("größer")) }, zap.StatusError, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := failing{newKeeper(), tt.keep}
			var log ztest.Log
			at, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, k, log.Logger())
			h := remotetest.NewHandler(t, remote.Options{}, at)
			ended, _ := keep(t, h, keyed())
			if got := ztest.Receive(t, "the end", ended); got.Status != tt.status {
				t.Errorf("ended with %+v", got)
			}
			if tt.log != "" && log.Count("the ZAP handler failed", tt.log) != 1 {
				t.Errorf("log:\n%s", &log)
			}
			k.none(t)
		})
	}
}

type failing struct {
	*keeper
	keep func(end func(zap.Reply))
}

func (f failing) Keep(req *zap.Request, reply zap.Reply, end func(zap.Reply)) func() {
	f.keep(end)
	return f.keeper.Keep(req, reply, end)
}

// TestKeepWithOthers: a server or a service that does not know notices works as before.
func TestKeepWithOthers(t *testing.T) {
	t.Parallel()
	k, ctx := newKeeper(), ztest.Context(t)
	var log ztest.Log
	endpoint, before := remotetest.Endpoint(t), newKeeper()
	_, stop := remotetest.Serve(t, endpoint, zmtp.Config{}, before, nil)
	h := remotetest.NewHandler(t, remote.Options{}, endpoint)
	keep(t, h, keyed())
	ztest.Receive(t, "Keep", before.began)
	stop()
	ln, err := zmtp.Listen(ctx, endpoint, zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Null})
	ztest.Must(t, err)
	ztest.Background(t, func(ctx context.Context) error { return remote.Serve(ctx, ln, k, log.Logger()) })
	ended, release := keep(t, h, keyed())
	keep(t, h, keyed()) // answered after a notice would have been
	release()

	at, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, k, log.Logger())
	old, err := zmtp.Dial(ctx, at, zmtp.Config{SocketType: "DEALER", Mechanism: zap.Null})
	ztest.Must(t, err)
	defer old.Close()
	request, err := zap.AppendRequest(nil, []byte("id"), keyed())
	ztest.Must(t, err, old.Send(ctx, nil, []byte("RELEASE"), make([]byte, 16)), old.Send(ctx, request...))
	for _, want := range []zap.Status{zap.StatusError, zap.StatusOK} {
		frames, err := old.Recv(ctx)
		ztest.Must(t, err)
		if _, reply, err := zap.ParseReply(frames); err != nil || reply.Status != want {
			t.Errorf("got %q, %v", frames, err)
		}
	}
	if k.count(0) != 0 || len(ended) > 0 || log.Count("malformed") != 1 {
		t.Errorf("%d open, %d ended, log:\n%s", k.count(0), len(ended), &log)
	}
}

// cuttable is a proxy to a server, whose connections can be cut.
type cuttable struct {
	endpoint string
	mu       sync.Mutex
	conns    map[net.Conn]bool
}

func newCuttable(t *testing.T, server string) *cuttable {
	c := &cuttable{conns: map[net.Conn]bool{}}
	c.endpoint = brokenServer(t, func(near net.Conn) {
		far, err := endpoint.Dial(ztest.Context(t), server)
		if err != nil {
			return
		}
		c.mu.Lock()
		c.conns[near] = true
		c.mu.Unlock()
		var back sync.WaitGroup
		back.Go(func() {
			io.Copy(near, far)
			near.Close()
		})
		io.Copy(far, near)
		far.Close()
		back.Wait()
	})
	return c
}

// cut closes all connections.
func (c *cuttable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for nc := range c.conns {
		nc.Close()
		delete(c.conns, nc)
	}
}

// TestKeepResumed: after the connection to the server was lost, the same server watches the
// same admissions on the next one, also those by password.
func TestKeepResumed(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	at, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, k, nil)
	proxy := newCuttable(t, at)
	h := remotetest.NewHandler(t, remote.Options{}, proxy.endpoint)
	for i, req := range []*zap.Request{keyed(), login("alice")} {
		ended, _ := keep(t, h, req)
		neighbor, releaseNeighbor := keep(t, h, req)
		end := ztest.Receive(t, "Keep", k.began).end
		ztest.Receive(t, "Keep", k.began)
		for range 3 {
			proxy.cut()
			_, release := keep(t, h, req) // its notice follows those about the others
			ztest.Receive(t, "Keep", k.began)
			defer release()
		}
		end(zap.Refuse("revoked"))
		if got := ztest.Receive(t, "the end", ended); got.Text != "revoked" {
			t.Errorf("%s: %+v", req.Mechanism, got)
		}
		releaseNeighbor()
		ztest.Wait(t, "both are released", func() bool { return k.count(0) == 3*(i+1) })
		if len(k.began) > 0 || len(neighbor) > 0 {
			t.Errorf("%s: %d kept again, %d ended", req.Mechanism, len(k.began), len(neighbor))
		}
	}
}

// TestKeepRestarted: another server decides again about admissions by key. Those by password
// end, so that the client connects again.
func TestKeepRestarted(t *testing.T) {
	t.Parallel()
	at := remotetest.Endpoint(t)
	first, second := newKeeper(), newKeeper()
	_, stop := remotetest.Serve(t, at, zmtp.Config{}, first, nil)
	h := remotetest.NewHandler(t, remote.Options{}, at)
	key, _ := keep(t, h, keyed())
	_, release := keep(t, h, keyed())
	password, _ := keep(t, h, login("alice"))
	for range 3 {
		ztest.Receive(t, "Keep", first.began)
	}
	stop()
	if n := first.count(0); n != 0 {
		t.Errorf("%d are open when Serve has returned", n)
	}
	release()
	meanwhile := make(chan zap.Reply, 2)
	req := keyed()
	h.Keep(req, second.Handle(t.Context(), req), func(r zap.Reply) { meanwhile <- r })
	remotetest.Serve(t, at, zmtp.Config{}, second, nil)
	if got := ztest.Receive(t, "the end of an admission by password", password); got.Status != zap.StatusTryLater {
		t.Errorf("ended with %+v", got)
	}
	for range 2 {
		a := ztest.Receive(t, "Keep", second.began)
		if a.reply.UserID != "alice" || a.reply.Metadata.Get("group") != "a,b" {
			t.Errorf("kept again as %+v", a.reply)
		}
		a.end(zap.Refuse("revoked meanwhile"))
	}
	for _, ended := range []chan zap.Reply{key, meanwhile} {
		if got := ztest.Receive(t, "the end", ended); got.Text != "revoked meanwhile" {
			t.Errorf("ended with %+v", got)
		}
	}
	second.none(t)
}

// TestKeepUnproved: no service can keep an admission by a password that was not right, so
// KEEP does not help to guess passwords.
func TestKeepUnproved(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	at, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, k, nil)
	h := remotetest.NewHandler(t, remote.Options{}, at)
	keep(t, h, login("alice"))
	ztest.Receive(t, "Keep", k.began)
	for name, change := range map[string]func(req *zap.Request){
		"password":  func(req *zap.Request) { req.Credentials[1] = []byte("guess") },
		"login":     func(req *zap.Request) { req.Credentials[0] = []byte("bob") },
		"both":      func(req *zap.Request) { req.Credentials = [][]byte{[]byte("alices"), []byte("ecret")} },
		"domain":    func(req *zap.Request) { req.Domain = "other" },
		"address":   func(req *zap.Request) { req.Address = "192.0.2.2" },
		"mechanism": func(req *zap.Request) { req.Mechanism = "X-OTHER" },
	} {
		req := login("alice")
		change(req)
		ended := make(chan zap.Reply, 1)
		h.Keep(req, zap.Allow("alice"), func(r zap.Reply) { ended <- r })
		if got := ztest.Receive(t, "the end", ended); got.Status != zap.StatusTryLater || len(k.began) > 0 {
			t.Errorf("another %s: %+v, %d kept", name, got, len(k.began))
		}
	}
}

// TestKeepClosed: a handler that is closed ends no admission.
func TestKeepClosed(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	at, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, k, nil)
	h := remotetest.NewHandler(t, remote.Options{}, at)
	ended, release := keep(t, h, keyed())
	a := ztest.Receive(t, "Keep", k.began)
	ztest.Must(t, h.Close())
	a.end(zap.Refuse("no"))
	h.Keep(keyed(), zap.Allow("alice"), func(r zap.Reply) { ended <- r })()
	release()
	var zero remote.Handler
	zero.Keep(keyed(), zap.Allow("alice"), func(r zap.Reply) { ended <- r })()
	if len(ended) > 0 {
		t.Errorf("ended with %+v", <-ended)
	}
}

// TestKeepMany: admissions begin and end in many goroutines while the connection is cut. Each
// ends once or is released, and nothing is left.
func TestKeepMany(t *testing.T) {
	t.Parallel()
	k := newKeeper()
	var ending sync.WaitGroup
	stop := make(chan bool)
	ending.Go(func() {
		for i := 0; ; i++ {
			select {
			case a := <-k.began:
				if i%2 == 0 {
					ending.Go(func() { a.end(zap.Refuse("no")) })
				}
			case <-stop:
				return
			}
		}
	})
	at, end := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, k, nil)
	proxy := newCuttable(t, at)
	h := remotetest.NewHandler(t, remote.Options{}, proxy.endpoint)
	var services sync.WaitGroup
	for i := range 20 {
		services.Go(func() {
			for j := range 20 {
				req := keyed()
				if j%2 == 0 {
					req = login(fmt.Sprint("user-", i))
				}
				reply := h.Handle(ztest.Context(t), req)
				if reply.Status == zap.StatusTryLater {
					continue // two connections were lost
				}
				ended := make(chan zap.Reply, 2)
				release := h.Keep(req, reply, func(r zap.Reply) { ended <- r })
				if i == 0 && j%5 == 0 {
					proxy.cut()
				}
				release()
				release()
				if len(ended) > 1 {
					t.Error("ended twice")
				}
			}
		})
	}
	services.Wait()
	h.Close()
	end()
	close(stop)
	ending.Wait()
	k.none(t)
}
