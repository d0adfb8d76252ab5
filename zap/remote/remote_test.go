package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

func TestMain(m *testing.M) { ztest.Main(m) }

// byName admits every login with the password "secret", with the login as the user id.
var byName = zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
	name, password, ok := req.PlainLogin()
	if !ok || string(password) != "secret" {
		return zap.Refuse("unknown user or wrong password")
	}
	return zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: name, Metadata: zap.Metadata{{Name: "Domain", Value: req.Domain}}}
})

func login(name string) *zap.Request {
	return &zap.Request{Domain: "test", Address: "192.0.2.1", Mechanism: zap.Plain, Credentials: [][]byte{[]byte(name), []byte("secret")}}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	serverKeys, clientKeys := curve.GenerateKey(), curve.GenerateKey()
	known := zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		if key, ok := req.CurveKey(); !ok || key != clientKeys.Public() {
			return zap.Refuse("unknown key")
		}
		return zap.Allow("proxy")
	})
	for _, tt := range []struct {
		name, endpoint string
		server, client zmtp.Config
	}{
		{"tcp", "tcp://127.0.0.1:*", zmtp.Config{}, zmtp.Config{}},
		{"ipc", remotetest.Endpoint(t), zmtp.Config{}, zmtp.Config{}},
		{"CURVE", "tcp://127.0.0.1:*",
			zmtp.Config{Mechanism: zap.Curve, Key: serverKeys, Handler: known},
			zmtp.Config{Mechanism: zap.Curve, Key: clientKeys, ServerKey: serverKeys.Public()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			endpoint, _ := remotetest.Serve(t, tt.endpoint, tt.server, byName, nil)
			client := remotetest.NewHandler(t, remote.Options{Link: tt.client}, endpoint)
			want := zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: "alice", Metadata: zap.Metadata{{Name: "Domain", Value: "test"}}}
			if diff := cmp.Diff(want, client.Handle(context.Background(), login("alice"))); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
			req := login("alice")
			req.Credentials[1] = []byte("guess")
			if got := client.Handle(context.Background(), req); got.Status != zap.StatusRefused {
				t.Errorf("wrong password: %+v", got)
			}
		})
	}
}

// TestAnyOrder: a connection can have many requests in progress, and a slow decision does
// not delay others.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	slow := zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
		if name, _, _ := req.PlainLogin(); name == "slow" {
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		return byName(ctx, req)
	})
	endpoint, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, slow, nil)
	client := remotetest.NewHandler(t, remote.Options{}, endpoint)
	slowDone := make(chan zap.Reply, 1)
	go func() { slowDone <- client.Handle(context.Background(), login("slow")) }()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			name := fmt.Sprintf("user-%d", i)
			if reply := client.Handle(context.Background(), login(name)); reply.UserID != name {
				t.Errorf("%s got the reply %+v", name, reply)
			}
		})
	}
	wg.Wait()
	close(release)
	if reply := ztest.Receive(t, "an answer", slowDone); reply.UserID != "slow" {
		t.Errorf("slow got %+v", reply)
	}
}

// halfPrompt decides about every second user at once, and about the rest after other
// goroutines have run.
type halfPrompt struct{}

func (halfPrompt) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	name, _, _ := req.PlainLogin()
	if name[len(name)-1]%2 == 0 {
		return zap.Reply{Status: zap.StatusError, Text: "this should be decided at once"}
	}
	runtime.Gosched()
	return byName(ctx, req)
}

func (halfPrompt) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	if name, _, _ := req.PlainLogin(); name[len(name)-1]%2 == 0 {
		return byName(context.Background(), req), true
	}
	return zap.Reply{}, false
}

// TestPrompt: all requests, whether decided at once or later, get their own replies,
// however many arrive together.
func TestPrompt(t *testing.T) {
	t.Parallel()
	endpoint, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, halfPrompt{}, nil)
	client := remotetest.NewHandler(t, remote.Options{}, endpoint)
	var wg sync.WaitGroup
	for i := range 1024 {
		wg.Go(func() {
			name := fmt.Sprint("user-", i)
			if got := client.Handle(context.Background(), login(name)); got.Status != zap.StatusOK || got.UserID != name {
				t.Errorf("%s: %+v", name, got)
			}
		})
	}
	wg.Wait()
}

// peerOf dials the server as an ordinary ZMTP peer.
func peerOf(t *testing.T, endpoint, socketType string) *zmtp.Conn {
	t.Helper()
	conn, err := zmtp.Dial(ztest.Context(t), endpoint, zmtp.Config{SocketType: socketType, Mechanism: zap.Null})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestEnvelopes: a REQ socket, and DEALER sockets behind any number of proxies, get their
// envelopes back.
func TestEnvelopes(t *testing.T) {
	t.Parallel()
	endpoint, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, byName, nil)
	for _, tt := range []struct {
		socketType string
		ids        [][]byte
	}{
		{"REQ", nil},
		{"DEALER", nil},
		{"DEALER", [][]byte{{0, 1, 2, 3, 4}}},
		{"DEALER", [][]byte{[]byte("a"), []byte("bb"), []byte("ccc")}},
	} {
		conn := peerOf(t, endpoint, tt.socketType)
		frames, err := zap.AppendRequest(slices.Clone(tt.ids), []byte("1"), login("bob"))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Send(ztest.Context(t), frames...); err != nil {
			t.Fatal(err)
		}
		frames, err = conn.Recv(ztest.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		id, reply, err := zap.ParseReply(frames)
		n := len(tt.ids)
		if err != nil || reply.UserID != "bob" || string(id) != "1" || !slices.EqualFunc(tt.ids, frames[:n], bytes.Equal) || len(frames[n]) > 0 {
			t.Errorf("%s behind %d proxies: %q %+v %v", tt.socketType, n, frames, reply, err)
		}
	}
}

// TestMalformed: a malformed request gets status 500, or is dropped. The log names the
// peer, and others are not affected.
func TestMalformed(t *testing.T) {
	t.Parallel()
	log := new(ztest.Log)
	endpoint, _ := remotetest.Serve(t, "tcp://127.0.0.1:*", zmtp.Config{}, byName, log.Logger())
	client := remotetest.NewHandler(t, remote.Options{}, endpoint)
	conn := peerOf(t, endpoint, "DEALER")
	for _, tt := range []struct {
		name   string
		frames []string
		status zap.Status // 0: no reply
	}{
		{"no delimiter", []string{"1.0", "x"}, 0},
		{"no request id", []string{"", "1.0"}, 0},
		{"another version", []string{"", "2.0", "1", "", "", "", "NULL"}, 500},
		{"cut off", []string{"", "1.0", "1", "domain"}, 500},
		{"short key", []string{"", "1.0", "1", "", "", "", "CURVE", "short"}, 500},
		{"no mechanism", []string{"", "1.0", "1", "", "", "", ""}, 500},
	} {
		var frames [][]byte
		for _, f := range tt.frames {
			frames = append(frames, []byte(f))
		}
		if err := conn.Send(ztest.Context(t), frames...); err != nil {
			t.Fatal(err)
		}
		if tt.status != 0 {
			answer, err := conn.Recv(ztest.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			if _, reply, err := zap.ParseReply(answer); err != nil || reply.Status != tt.status {
				t.Errorf("%s: got %+v, %v", tt.name, reply, err)
			}
		}
		if reply := client.Handle(context.Background(), login("alice")); reply.Status != zap.StatusOK {
			t.Errorf("%s: another client got %+v", tt.name, reply)
		}
	}
	if got := remote.Hits().Malformed; got < 6 {
		t.Errorf("%d malformed requests", got)
	}
	if got := log.Count("malformed ZAP request", "peer=127.0.0.1:"); got != 6 {
		t.Errorf("the log names the peer %d times, want 6:\n%s", got, log)
	}
}

// TestServerRestarts: requests that are made while no server can be reached are answered
// when it is back. Those that have waited too long get status 300.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	endpoint, stop := remotetest.Serve(t, remotetest.Endpoint(t), zmtp.Config{}, byName, nil)
	log := new(ztest.Log)
	patient := remotetest.NewHandler(t, remote.Options{Log: log.Logger()}, endpoint)
	hasty := remotetest.NewHandler(t, remote.Options{Wait: 50 * time.Millisecond}, endpoint)
	if reply := patient.Handle(context.Background(), login("alice")); reply.Status != zap.StatusOK {
		t.Fatalf("%+v", reply)
	}
	stop()
	replies := make(chan zap.Reply, 10)
	var asking sync.WaitGroup
	for range cap(replies) {
		asking.Add(1)
		go func() {
			asking.Done()
			replies <- patient.Handle(context.Background(), login("alice"))
		}()
	}
	asking.Wait()
	if reply := hasty.Handle(context.Background(), login("alice")); reply.Status != zap.StatusTryLater {
		t.Errorf("without a server: %+v", reply)
	}
	ztest.Wait(t, "the outage is noticed", func() bool { return log.Count("ZAP server unreachable: retrying") > 0 })
	if len(replies) > 0 {
		t.Errorf("without a server: %+v", <-replies)
	}
	remotetest.Serve(t, endpoint, zmtp.Config{}, byName, nil)
	for range cap(replies) {
		if reply := ztest.Receive(t, "an answer", replies); reply.UserID != "alice" {
			t.Errorf("after the restart: %+v", reply)
		}
	}
	for _, want := range []string{"ZAP server unreachable: retrying", "reconnected to the ZAP server"} {
		if n := log.Count(want); n != 1 {
			t.Errorf("%q is logged %d times", want, n)
		}
	}
}

// TestStorm: when the server starts, all requests that have waited for it are answered,
// even if the connection cannot hold all requests and replies.
func TestStorm(t *testing.T) {
	t.Parallel()
	// As many as a server decides at a time. They fill the connection, and so do the
	// replies.
	const requests, size = 1024, 4 << 10
	large := zap.Metadata{{Name: "large", Value: string(make([]byte, size))}}
	endpoint := remotetest.Endpoint(t)
	log := new(ztest.Log)
	client := remotetest.NewHandler(t, remote.Options{Log: log.Logger()}, endpoint)
	var answered, asking sync.WaitGroup
	for range requests {
		asking.Add(1)
		answered.Go(func() {
			req := login(strings.Repeat("a", 255))
			req.Domain = strings.Repeat("d", 255)
			asking.Done()
			if reply := client.Handle(context.Background(), req); reply.Status != zap.StatusOK {
				t.Errorf("got %+v", reply)
			}
		})
	}
	asking.Wait()
	remotetest.Serve(t, endpoint, zmtp.Config{}, zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
		reply := byName(ctx, req)
		reply.Metadata = large
		return reply
	}), log.Logger())
	answered.Wait()
	if t.Failed() {
		t.Logf("the connection was lost %d times", log.Count("connection lost"))
	}
}

// TestNoServer: Handle and Close return in time if there has never been a server.
func TestNoServer(t *testing.T) {
	t.Parallel()
	client := remotetest.NewHandler(t, remote.Options{Wait: time.Hour}, remotetest.Endpoint(t))
	done := make(chan zap.Reply, 2)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- client.Handle(ctx, login("alice")) }()
	cancel()
	if reply := ztest.Receive(t, "an answer", done); reply.Status != zap.StatusTryLater {
		t.Errorf("given up: %+v", reply)
	}
	go func() { done <- client.Handle(context.Background(), login("alice")) }()
	client.Close()
	if reply := ztest.Receive(t, "an answer", done); reply.Status != zap.StatusTryLater {
		t.Errorf("closed: %+v", reply)
	}
}

// TestBounded: requests beyond the bound get status 300 at once.
func TestBounded(t *testing.T) {
	t.Parallel()
	client := remotetest.NewHandler(t, remote.Options{Wait: time.Hour}, remotetest.Endpoint(t))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	replies := make(chan zap.Reply, 4097)
	for range cap(replies) {
		go func() { replies <- client.Handle(ctx, login("alice")) }()
	}
	if reply := ztest.Receive(t, "an answer", replies); reply.Status != zap.StatusTryLater || !strings.Contains(reply.Text, "too many") {
		t.Errorf("%+v", reply)
	}
	cancel()
	for range cap(replies) - 1 {
		ztest.Receive(t, "an answer", replies)
	}
}

// TestNewHandler: NewHandler refuses options with which the handler could not ask, or
// could not ask safely.
func TestNewHandler(t *testing.T) {
	t.Parallel()
	keys := curve.GenerateKey()
	for name, tt := range map[string]struct {
		opts      remote.Options
		endpoints []string
		want      string // part of the error
	}{
		"endpoint":  {remote.Options{}, []string{"zauth"}, "remote: invalid endpoint"},
		"no port":   {remote.Options{}, []string{"tcp://127.0.0.1:*"}, "remote: invalid endpoint"},
		"no host":   {remote.Options{}, []string{"tcp://*:9127"}, "remote: invalid endpoint"},
		"port":      {remote.Options{}, []string{"tcp://127.0.0.1:99999"}, "remote: invalid endpoint"},
		"port name": {remote.Options{}, []string{"tcp://127.0.0.1:abc"}, "remote: invalid endpoint"},
		"clear":     {remote.Options{}, []string{"tcp://192.0.2.1:9127"}, "remote: tcp://192.0.2.1:9127 is on another machine"},
		"PLAIN":     {remote.Options{Link: zmtp.Config{Mechanism: zap.Plain}}, []string{"tcp://192.0.2.1:9127"}, "remote: tcp://192.0.2.1:9127 is on another machine"},
		"nobody":    {remote.Options{}, nil, "remote: no endpoint"},
		"no time":   {remote.Options{Wait: -1}, []string{"tcp://127.0.0.1:9127"}, "remote: Wait is negative"},
		"second":    {remote.Options{}, []string{"tcp://127.0.0.1:9127", "tcp://192.0.2.1:9127"}, "remote: tcp://192.0.2.1:9127 is on another machine"},
		"wrong key": {remote.Options{Link: zmtp.Config{Mechanism: zap.Curve, Key: keys}}, []string{"tcp://127.0.0.1:9127"}, "ServerKey"},
	} {
		if h, err := remote.NewHandler(tt.opts, tt.endpoints...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, expected %v", name, err, tt.want)
			if h != nil {
				h.Close()
			}
		}
	}
}

// TestZeroHandler: the zero value admits no client, and can be closed.
func TestZeroHandler(t *testing.T) {
	t.Parallel()
	var h remote.Handler
	if reply := h.Handle(t.Context(), login("alice")); reply.Status != zap.StatusError {
		t.Errorf("got %+v", reply)
	}
	ztest.Must(t, h.Close())
}

func BenchmarkAsk(b *testing.B) {
	for _, transport := range []string{"tcp", "ipc"} {
		endpoint := "tcp://127.0.0.1:*"
		if transport == "ipc" {
			endpoint = remotetest.Endpoint(b)
		}
		for _, parallel := range []int{1, 32} { // times GOMAXPROCS in progress
			b.Run(fmt.Sprintf("%s/%d", transport, parallel), func(b *testing.B) {
				at, stop := remotetest.Serve(b, endpoint, zmtp.Config{}, byName, nil)
				defer stop()
				client := remotetest.NewHandler(b, remote.Options{}, at)
				b.SetParallelism(parallel)
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if reply := client.Handle(context.Background(), login("alice")); reply.Status != zap.StatusOK {
							b.Errorf("%+v", reply)
						}
					}
				})
			})
		}
	}
}
