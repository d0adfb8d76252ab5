package zmq4_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// TestCurveFiles takes the keys of a client from files, and tells which one is missing.
func TestCurveFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, alice := cert.Generate("server"), cert.Generate("alice")
	ztest.Must(t, server.Save(filepath.Join(dir, "server")), alice.Save(filepath.Join(dir, "alice")))
	pull := open(t, zmq4.NewPull, zmq4.WithSecurity(zmq4.CurveServer(server.Secret, "test", zap.HandlerFunc(
		func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") }))))
	at := listen(t, pull, "tcp")
	push := open(t, zmq4.NewPush, zmq4.WithCurveFiles(filepath.Join(dir, "alice"+cert.SecretSuffix), filepath.Join(dir, "server")))
	ztest.Must(t, push.Dial(at), push.Send(zmq4.NewMsgString("hello")))
	if msg := recv(t, pull); msg.From().Key != alice.Public {
		t.Errorf("from %v", msg.From())
	}
	for _, files := range [][2]string{{"nobody", "server"}, {"alice" + cert.SecretSuffix, "nobody"}} {
		push := open(t, zmq4.NewPush, zmq4.WithCurveFiles(filepath.Join(dir, files[0]), filepath.Join(dir, files[1])))
		for _, err := range []error{push.Dial(at), push.Listen("tcp://127.0.0.1:*")} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v: %v", files, err)
			}
		}
	}
}

// TestBundle connects to all endpoints of a bundle.
func TestBundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, alice := cert.Generate("server"), cert.Generate("alice")
	security := zmq4.WithSecurity(zmq4.CurveServer(server.Secret, "test", zap.HandlerFunc(
		func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") })))
	pulls := []zmq4.Socket{open(t, zmq4.NewPull, security), open(t, zmq4.NewPull, security)}
	for _, pull := range pulls {
		alice.Service.Endpoints = append(alice.Service.Endpoints, listen(t, pull, "tcp"))
	}
	alice.Service.Key = server.Public
	bundle, lone := filepath.Join(dir, "alice.bundle"), filepath.Join(dir, "alice")
	ztest.Must(t, alice.SaveSecret(bundle), alice.WithoutSecret().SavePublic(lone))
	push := open(t, zmq4.NewPush, zmq4.WithBundle(bundle))
	ztest.Must(t, push.Dial(""), push.Send(zmq4.NewMsgString("1")), push.Send(zmq4.NewMsgString("2")))
	for _, pull := range pulls {
		if msg := recv(t, pull); msg.From().Key != alice.Public {
			t.Errorf("from %v", msg.From())
		}
	}
	for file, want := range map[string]string{lone: "not a bundle", filepath.Join(dir, "nobody"): "no such file"} {
		push := open(t, zmq4.NewPush, zmq4.WithBundle(file))
		if err := push.Dial(""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if err := open(t, zmq4.NewPush).Dial(""); err == nil {
		t.Error("dialed nothing without a bundle")
	}
}

// TestConflate keeps the last message for a peer that is not there yet, and the last of a
// peer that is gone.
func TestConflate(t *testing.T) {
	t.Parallel()
	lost := make(chan struct{})
	pull := open(t, zmq4.NewPull, zmq4.WithConflate(), zmq4.WithEvents(func(e sockets.Event) {
		if e.Kind == sockets.Lost {
			close(lost)
		}
	}))
	at := listen(t, pull, "ipc")
	push := open(t, zmq4.NewPush)
	ztest.Must(t, push.Dial(at))
	for i := range 100 {
		ztest.Must(t, push.Send(zmq4.NewMsgString(fmt.Sprint(i))))
	}
	push.Close()
	ztest.Receive(t, "the end of the connection", lost)
	if msg := recv(t, pull); string(msg.Bytes()) != "99" {
		t.Errorf("got %v", msg)
	}
	if msg, err := zmq4.TryRecv(pull); err != zmq4.ErrAgain {
		t.Errorf("got %v, %v", msg, err)
	}

	later := open(t, zmq4.NewPush, zmq4.WithConflate(), zmq4.WithReconnect(0, 0))
	at = "ipc://" + filepath.Join(t.TempDir(), "later")
	ztest.Must(t, later.Dial(at))
	for i := range 100 {
		ztest.Must(t, later.Send(zmq4.NewMsgString(fmt.Sprint(i))))
	}
	all := open(t, zmq4.NewPull)
	ztest.Must(t, all.Listen(at))
	if msg := recv(t, all); string(msg.Bytes()) != "99" {
		t.Errorf("got %v", msg)
	}
}

// TestBoundEndpoint names the port that the system has chosen in events.
func TestBoundEndpoint(t *testing.T) {
	t.Parallel()
	events := make(chan sockets.Event, 1)
	pull := open(t, zmq4.NewPull, zmq4.WithEvents(func(e sockets.Event) { events <- e }))
	ztest.Must(t, pull.Listen("tcp://127.0.0.1:*"))
	if e := ztest.Receive(t, "an event", events); e.String() != "tcp://"+pull.Addr().String()+": listening" {
		t.Errorf("event %q", e)
	}
}
