//go:build unix

package main

import (
	"errors"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// cutService is a service in Go that asks zauth, and echoes what its clients send.
type cutService struct {
	t   *testing.T
	ln  *zmtp.Listener
	key curve.SecretKey
	log ztest.Log
}

// newCutService starts a service that asks the zauth at an endpoint.
func newCutService(t *testing.T, mechanism string, opts remote.Options, at string) *cutService {
	t.Helper()
	s := &cutService{t: t, key: curve.GenerateKey()}
	cfg := zmtp.Config{SocketType: "ROUTER", Mechanism: mechanism, Domain: "test", Handler: remotetest.NewHandler(t, opts, at), Log: s.log.Logger()}
	if mechanism == zap.Curve {
		cfg.Key = s.key
	}
	ctx := ztest.Context(t)
	var err error
	s.ln, err = zmtp.Listen(ctx, "tcp://127.0.0.1:*", cfg)
	ztest.Must(t, err)
	t.Cleanup(func() { s.ln.Close() })
	go func() {
		for {
			conn, err := s.ln.Accept(ctx)
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for {
					message, err := conn.Recv(ctx)
					if err != nil || conn.Send(ctx, message...) != nil {
						return
					}
				}
			}()
		}
	}()
	return s
}

// dial connects a client by its key, or by its login.
func (s *cutService) dial(key curve.SecretKey, login, password string) (*zmtp.Conn, error) {
	cfg := zmtp.Config{SocketType: "DEALER", Mechanism: zap.Plain, Username: login, Password: zap.NewPassword(password)}
	if login == "" {
		cfg.Mechanism, cfg.Key, cfg.ServerKey = zap.Curve, key, s.key.Public()
	}
	return zmtp.Dial(ztest.Context(s.t), s.ln.Endpoint(), cfg)
}

// connect connects a client, which is admitted.
func (s *cutService) connect(key curve.SecretKey) *zmtp.Conn {
	s.t.Helper()
	conn, err := s.dial(key, "", "")
	ztest.Must(s.t, err)
	s.t.Cleanup(func() { conn.CloseNow() })
	echoes(s.t, conn)
	return conn
}

// echoes expects a connection to work.
func echoes(t *testing.T, conn *zmtp.Conn) {
	t.Helper()
	ctx := ztest.Context(t)
	ztest.Must(t, conn.Send(ctx, []byte("hello")))
	if reply, err := conn.Recv(ctx); err != nil || string(reply[0]) != "hello" {
		t.Errorf("%q, %v", reply, err)
	}
}

// isCut expects that a connection ends now because its client must leave, and that the client
// does not come back if the status is 400. No status of 300 is sent.
func (s *cutService) isCut(conn *zmtp.Conn, status zap.Status, again func() (*zmtp.Conn, error)) {
	s.t.Helper()
	_, err := conn.Recv(ztest.Context(s.t))
	refused, ok := errors.AsType[*zmtp.RefusedError](err)
	if status == zap.StatusTryLater && err == io.EOF {
		return
	}
	if !ok || refused.Reply.Status != status {
		s.t.Fatalf("the connection ended with %v", err)
	}
	if status != zap.StatusRefused {
		return
	}
	later, err := again()
	if refused, ok := errors.AsType[*zmtp.RefusedError](err); !ok || refused.Reply.Status != zap.StatusRefused {
		s.t.Errorf("connecting again: %v, %v", later, err)
	}
	ztest.Wait(s.t, "the log says so", func() bool { return s.log.Count("client removed", "status=400") > 0 })
}

// revoke runs zcert store revoke.
func revoke(t *testing.T, dir, name string) {
	t.Helper()
	zcert := ztest.GoProgram(t, "cmd/zcert", "CGO_ENABLED=0")
	if out, err := exec.Command(zcert, "store", "revoke", "dir:"+dir, name, "--reason", "stolen").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestCutByZauth: a client whose key is revoked leaves a service that asks zauth, and no other
// client does, whatever happens to zauth in between.
func TestCutByZauth(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(z *zauth, start func()){
		"running":              func(*zauth, func()) {},
		"restarted before":     func(z *zauth, start func()) { z.kill(); start() },
		"down in the meantime": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, keys := keystoreOf(t, "alice", "bob")
			listen := remotetest.Endpoint(t)
			start := func() *zauth { return startZauth(t, "--listen", listen, "--keystore", "dir:"+dir) }
			z := start()
			s := newCutService(t, zap.Curve, remote.Options{}, listen)
			alice, bob := s.connect(keys[0]), s.connect(keys[1])
			if before != nil {
				before(z, func() { z = start() })
				echoes(t, s.connect(keys[0])) // the service has found zauth again
				revoke(t, dir, "alice")
			} else {
				z.kill()
				revoke(t, dir, "alice")
				echoes(t, alice)
				start()
			}
			s.isCut(alice, zap.StatusRefused, func() (*zmtp.Conn, error) { return s.dial(keys[0], "", "") })
			echoes(t, bob)
			echoes(t, s.connect(keys[1]))
		})
	}
}

// TestCutPassword: a client whose password changes leaves. After a restart of zauth, clients
// with passwords connect again.
func TestCutPassword(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "policy.zpl")
	forBob := policy.HashPassword([]byte("two"))
	write := func(password string) {
		t.Helper()
		text := "security\n    plain = 1\n"
		for login, hash := range map[string]string{"alice": policy.HashPassword([]byte(password)), "bob": forBob} {
			text += "        account\n            login = " + login + "\n            password = \"" + hash + "\"\n"
		}
		ztest.Must(t, os.WriteFile(file+".new", []byte(text), 0o600), os.Rename(file+".new", file))
	}
	write("one")
	listen := remotetest.Endpoint(t)
	z := startZauth(t, "--listen", listen, "--policy", file)
	s := newCutService(t, zap.Plain, remote.Options{}, listen)
	login := func(name, password string) *zmtp.Conn {
		t.Helper()
		conn, err := s.dial(curve.SecretKey{}, name, password)
		ztest.Must(t, err)
		t.Cleanup(func() { conn.CloseNow() })
		echoes(t, conn)
		return conn
	}
	alice, bob := login("alice", "one"), login("bob", "two")
	write("three")
	s.isCut(alice, zap.StatusRefused, func() (*zmtp.Conn, error) { return s.dial(curve.SecretKey{}, "alice", "one") })
	echoes(t, bob)
	z.kill()
	startZauth(t, "--listen", listen, "--policy", file)
	s.isCut(bob, zap.StatusTryLater, nil)
	login("bob", "two")
}

// TestCutService: a service whose key is revoked can no longer ask zauth, and one that asks by
// CURVE loses its clients as others do.
func TestCutService(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	services, serviceKeys := keystoreOf(t, "service")
	own := cert.Generate("zauth")
	path := filepath.Join(t.TempDir(), "zauth.key")
	ztest.Must(t, own.Save(path))
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--cert", path+cert.SecretSuffix, "--keystore", "dir:"+dir, "--askers", "dir:"+services)
	link := zmtp.Config{Mechanism: zap.Curve, Key: serviceKeys[0], ServerKey: own.Public}
	s := newCutService(t, zap.Curve, remote.Options{Link: link}, z.endpoint)
	alice := s.connect(keys[0])
	revoke(t, dir, "alice")
	s.isCut(alice, zap.StatusRefused, func() (*zmtp.Conn, error) { return s.dial(keys[0], "", "") })
	revoke(t, services, "service")
	z.waitFor(t, "client removed", serviceKeys[0].Public().String(), "status=400")
}

// TestCutSocket: a socket of sockets/zmq4 that asks zauth loses the client as well, and goes on
// with others.
func TestCutSocket(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice", "bob")
	z := startZauth(t, "--listen", remotetest.Endpoint(t), "--keystore", "dir:"+dir)
	ctx, own := ztest.Context(t), curve.GenerateKey()
	pull := zmq4.NewPull(ctx, zmq4.WithLogger(log.New(io.Discard, "", 0)),
		zmq4.WithSecurity(zmq4.CurveServer(own, "test", remotetest.NewHandler(t, remote.Options{}, z.endpoint))))
	defer pull.Close()
	ztest.Must(t, pull.Listen("tcp://127.0.0.1:0"))
	dial := func(key curve.SecretKey) (*zmtp.Conn, error) {
		return zmtp.Dial(ctx, "tcp://"+pull.Addr().String(), zmtp.Config{SocketType: "PUSH", Mechanism: zap.Curve, Key: key, ServerKey: own.Public()})
	}
	says := func(conn *zmtp.Conn, text string) {
		t.Helper()
		ztest.Must(t, conn.Send(ctx, []byte(text)))
		if msg, err := pull.Recv(); err != nil || string(msg.Bytes()) != text {
			t.Errorf("%v, %v", msg, err)
		}
	}
	alice, err := dial(keys[0])
	ztest.Must(t, err)
	defer alice.CloseNow()
	bob, err := dial(keys[1])
	ztest.Must(t, err)
	defer bob.CloseNow()
	says(alice, "alice")
	says(bob, "bob")
	revoke(t, dir, "alice")
	ztest.Wait(t, "alice is cut", func() bool {
		err := alice.Send(ctx, []byte("more"))
		refused, ok := errors.AsType[*zmtp.RefusedError](err)
		return ok && refused.Reply.Status == zap.StatusRefused
	})
	if _, err := dial(keys[0]); !errors.As(err, new(*zmtp.RefusedError)) {
		t.Errorf("connecting again: %v", err)
	}
	ztest.Must(t, bob.Send(ctx, []byte("bob again")))
	for {
		msg, err := pull.Recv()
		ztest.Must(t, err)
		if string(msg.Bytes()) == "bob again" {
			break
		}
	}
}
