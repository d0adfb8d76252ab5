//go:build unix

package examples_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestPublisher revokes the key of one of many subscribers: its connection ends, it learns
// why, and it receives nothing more. The others receive every message.
func TestPublisher(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gen(t, dir, "news", "alice", "bob", "carol", "dave")
	subscribers := filepath.Join(dir, "subscribers")
	ztest.Must(t, os.Mkdir(subscribers, 0o755))
	for _, name := range []string{"alice", "bob", "carol"} {
		ztest.Must(t, os.Link(filepath.Join(dir, name+".key"), filepath.Join(subscribers, name+".key")))
	}
	publisher := run(t, ztest.GoProgram(t, "examples/go/publisher", "CGO_ENABLED=0"),
		"tcp://127.0.0.1:*", filepath.Join(dir, "news.key_secret"), subscribers)
	endpoint := publisher.await(t, "publishing at ")
	subscribe := func(name string, program ...string) *running {
		return run(t, append(program, endpoint, filepath.Join(dir, name+".key_secret"), filepath.Join(dir, "news.key"), "tick")...)
	}
	inGo := ztest.GoProgram(t, "examples/go/subscriber", "CGO_ENABLED=0")
	alice, bob, dave := subscribe("alice", inGo), subscribe("bob", inGo), subscribe("dave", inGo)
	others := []*running{bob}
	if ztest.Peers() {
		others = append(others, subscribe("carol", ztest.Python(t), "python/subscriber.py"))
	}
	alice.await(t, "tick ")
	firsts := make([]string, len(others))
	for i, other := range others {
		firsts[i] = other.await(t, "tick ")
	}
	dave.await(t, endpoint+": refused by server: 400")

	if out, err := output(t, tool(t, "zcert"), "store", "revoke", "dir:"+subscribers, "alice"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	alice.await(t, endpoint+": refused by server: 400")
	publisher.await(t, endpoint+`: "alice": client refused: 400 key revoked`)
	last := 0
	for _, log := range []string{alice.log.String(), bob.log.String()} {
		for line := range strings.Lines(log) {
			n := 0
			fmt.Sscanf(line, "tick %d\n", &n)
			last = max(last, n)
		}
	}
	last += 10
	for i, other := range others {
		other.await(t, fmt.Sprint("tick ", last))
		first := 0
		fmt.Sscan(firsts[i], &first)
		ticks := ""
		for n := first; n <= last; n++ {
			ticks += fmt.Sprintf("tick %d\n", n)
		}
		if !strings.Contains(other.log.String(), ticks) {
			t.Errorf("%q lacks some of the messages %d to %d", other.words, first, last)
		}
	}
	// What she had received before may follow the event in her output.
	if strings.Contains(alice.log.String(), fmt.Sprintf("tick %d\n", last)) {
		t.Errorf("alice received a message after her key was revoked")
	}
	if strings.Contains(dave.log.String(), "tick") {
		t.Error("dave, who is not in the keystore, received a message")
	}
}

// TestRevokedAtServer revokes the key of a client that is connected to the service that asks
// zauth: its connection ends, and the client learns why.
func TestRevokedAtServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gen(t, dir, "server", "alice", "bob")
	clients := filepath.Join(dir, "clients")
	ztest.Must(t, os.Mkdir(clients, 0o755))
	for _, name := range []string{"alice", "bob"} {
		ztest.Must(t, os.Link(filepath.Join(dir, name+".key"), filepath.Join(clients, name+".key")))
	}
	zauth := start(t, "listening on ", tool(t, "zauth"), "serve", "--log-format", "text", "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+clients)
	server := run(t, ztest.GoProgram(t, "examples/go/server", "CGO_ENABLED=0"), "tcp://127.0.0.1:*", filepath.Join(dir, "server.key_secret"), zauth)
	endpoint := server.await(t, "serving on ")
	lost := make(chan sockets.Event, 1)
	connect := func(name string, opts ...zmq4.Option) zmq4.Socket {
		req := zmq4.NewReq(ztest.Context(t), append(opts, zmq4.WithLogger(nil),
			zmq4.WithCurveFiles(filepath.Join(dir, name+".key_secret"), filepath.Join(dir, "server.key")))...)
		t.Cleanup(func() { req.Close() })
		ztest.Must(t, req.Dial(endpoint))
		return req
	}
	ask := func(name string, req zmq4.Socket) {
		ztest.Must(t, req.Send(zmq4.NewMsgString("good morning")))
		reply, err := req.Recv()
		if err != nil || string(reply.Bytes()) != "hello "+name {
			t.Errorf("%s: %v, %v", name, reply, err)
		}
		server.await(t, name+` says "good morning"`)
	}
	alice := connect("alice", zmq4.WithEvents(func(e sockets.Event) {
		if e.Kind == sockets.Lost {
			lost <- e
		}
	}))
	bob := connect("bob")
	ask("alice", alice)
	ask("bob", bob)
	if out, err := output(t, tool(t, "zcert"), "store", "revoke", "dir:"+clients, "alice"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var refused *zmtp.RefusedError
	if e := ztest.Receive(t, "the end of alice's connection", lost); !errors.As(e.Err, &refused) || refused.Reply.Status != zap.StatusRefused {
		t.Errorf("alice's connection ended with %v", e)
	}
	ask("bob", bob)
}
