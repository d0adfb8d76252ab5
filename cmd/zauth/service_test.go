//go:build cgo && unix

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// TestKilledAndRestarted: zauth is killed while a service runs. Who comes in
// the meantime is let in when it is back: at once, if that is within the
// service's wait; else on the client's next try. No stranger gets in at any
// time.
func TestKilledAndRestarted(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "ipc"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			dir, keys := keystoreOf(t, "alice")
			listen := "tcp://127.0.0.1:*"
			if transport == "ipc" {
				listen = "ipc://" + filepath.Join(t.TempDir(), "zauth")
			}
			z := startZauth(t, "--listen", listen, "--keystore", "dir:"+dir)
			patient := startService(t, remote.ClientConfig{Endpoint: z.endpoint})
			hasty := startService(t, remote.ClientConfig{Endpoint: z.endpoint, Wait: 300 * time.Millisecond})
			for _, s := range []*service{patient, hasty} {
				if reply, err := s.askLibzmq(keys[0], 10*time.Second); err != nil || reply != "hello alice" {
					t.Fatalf("before: %q, %v", reply, err)
				}
				intruders(t, s)
			}

			z.kill()
			type answer struct {
				who, reply string
				err        error
				after      time.Duration
			}
			answers := make(chan answer, 4)
			start := time.Now()
			for name, s := range map[string]*service{"patient": patient, "hasty": hasty} {
				go func() {
					reply, err := s.askLibzmq(keys[0], 20*time.Second)
					answers <- answer{name + ", libzmq", reply, err, time.Since(start)}
				}()
			}
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				reply, err := patient.ask(ctx, keys[0])
				for errors.Is(err, zmtp.ErrTryAgain) {
					reply, err = patient.ask(ctx, keys[0])
				}
				answers <- answer{"patient, Go", reply, err, time.Since(start)}
			}()
			time.Sleep(time.Second)
			select {
			case a := <-answers:
				t.Errorf("%s was answered while zauth was away: %q, %v", a.who, a.reply, a.err)
			default:
			}
			back := time.Since(start)
			startZauth(t, "--listen", z.endpoint, "--keystore", "dir:"+dir)
			for range 3 {
				a := <-answers
				if a.err != nil || a.reply != "hello alice" {
					t.Errorf("%s: %q, %v", a.who, a.reply, a.err)
				}
				t.Logf("%s: let in %v after zauth was killed, %v after it was back", a.who, a.after, a.after-back)
			}
		})
	}
}

// TestDirectoryFollowed: a certificate that is put into the directory, or taken
// from it, counts within a second.
func TestDirectoryFollowed(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", dir)
	s := startService(t, remote.ClientConfig{Endpoint: z.endpoint})
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	within := func(what string, keys curve.KeyPair, letIn bool) {
		t.Helper()
		for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			if _, err := s.ask(ctx, keys); (err == nil) == letIn {
				return
			}
			if time.Since(start) > time.Second {
				t.Fatalf("%s: not in force within a second:\n%s", what, z.said())
			}
		}
	}
	within("alice is there", keys[0], true)
	bob := addTo(t, dir, "bob")
	within("bob is added", bob, true)
	ztest.Must(t, os.Remove(filepath.Join(dir, "alice.key")))
	within("alice is removed", keys[0], false)
	within("bob stays", bob, true)
}

// TestBadInput: what is wrong is in the log, with its peer or its file and
// line; a good client is served all the while, and memory stays where it was.
func TestBadInput(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+dir)
	s := startService(t, remote.ClientConfig{Endpoint: z.endpoint})
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	good := func(when string) {
		t.Helper()
		if reply, err := s.ask(ctx, keys[0]); err != nil || reply != "hello alice" {
			t.Errorf("%s: a good client got %q, %v", when, reply, err)
		}
	}
	good("before")
	before := z.resident(t)

	ztest.Must(t, os.WriteFile(filepath.Join(dir, "broken.key"), []byte("metadata\n    name = \"bob\"\ncurve\n    public-key = \"tooshort\"\n"), 0o644))
	z.waitFor(t, "level=ERROR", filepath.Join(dir, "broken.key")+":4:19", "8 characters")
	good("a broken certificate")

	peer, err := zmtp.Dial(ctx, z.endpoint, zmtp.Config{SocketType: "DEALER", Mechanism: zap.MechanismNull})
	ztest.Must(t, err)
	defer peer.Close()
	ztest.Must(t, peer.Send(ctx, nil, []byte("1.0"), []byte("1"), []byte("domain")))
	frames, err := peer.Recv(ctx)
	ztest.Must(t, err)
	if _, reply, err := zap.ParseReply(frames); err != nil || reply.Status != zap.StatusError {
		t.Errorf("a malformed request is answered %+v, %v", reply, err)
	}
	z.waitFor(t, "bad request", "peer="+peer.LocalAddr().String())
	good("a malformed request")

	// Peers by hand: one announces 2^63-1 octets after its handshake, the others
	// say one octet, or nothing, and wait.
	address := strings.TrimPrefix(z.endpoint, "tcp://")
	var idle []net.Conn
	for i := range 200 {
		nc, err := net.Dial("tcp", address)
		ztest.Must(t, err)
		defer nc.Close()
		if i%2 == 0 {
			nc.Write([]byte{0xFF})
		}
		idle = append(idle, nc)
	}
	good("two hundred peers that wait")
	hostile, err := net.Dial("tcp", address)
	ztest.Must(t, err)
	defer hostile.Close()
	greeting := make([]byte, 64)
	copy(greeting, "\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x03\x01NULL")
	ready := "\x04\x1c" + "\x05READY" + "\x0bSocket-Type" + "\x00\x00\x00\x06DEALER"
	if len(ready) != 2+0x1c {
		t.Fatal("the test's READY is wrong")
	}
	hostile.Write(append(greeting, ready...))
	hostile.Write(append([]byte{2}, binary.BigEndian.AppendUint64(nil, math.MaxInt64)...))
	hostile.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, hostile); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection that announced 2^63-1 octets stays open: %v", err)
	}
	z.waitFor(t, "peer="+hostile.LocalAddr().String(), "9223372036854775807")
	good("a frame of 2^63-1 octets")
	if grown := z.resident(t) - before; grown > 64<<20 {
		t.Errorf("zauth has grown by %d octets", grown)
	}
	if len(idle) != 200 {
		t.Error("the idle peers are gone")
	}
}

// TestCurveLink: with --cert only services whose certificate is in the keystore
// may ask.
func TestCurveLink(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice", "service")
	own := cert.Generate(cert.Property{Name: "name", Value: "zauth"})
	path := filepath.Join(t.TempDir(), "zauth.key")
	ztest.Must(t, own.Save(path, false))
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+dir, "--cert", path+cert.SecretSuffix)
	link := zmtp.Config{Mechanism: zap.MechanismCurve, Keys: keys[1], ServerKey: own.Public}
	s := startService(t, remote.ClientConfig{Endpoint: z.endpoint, Link: link})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if reply, err := s.ask(ctx, keys[0]); err != nil || reply != "hello alice" {
		t.Errorf("%q, %v", reply, err)
	}
	link.Keys = curve.GenerateKeyPair()
	stranger := startService(t, remote.ClientConfig{Endpoint: z.endpoint, Link: link, Wait: 500 * time.Millisecond})
	short, done := context.WithTimeout(ctx, 3*time.Second)
	defer done()
	if reply, err := stranger.ask(short, keys[0]); err == nil {
		t.Errorf("a service that zauth doesn't know could let in: %q", reply)
	}
	z.waitFor(t, "client denied", link.Keys.Public.String())
}

// TestSignals: SIGHUP reads everything again, SIGTERM ends zauth well.
func TestSignals(t *testing.T) {
	t.Parallel()
	dir, _ := keystoreOf(t, "alice")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+dir)
	ztest.Must(t, z.cmd.Process.Signal(syscall.SIGHUP))
	z.waitFor(t, "keystore read again", "identities=1")
	ztest.Must(t, z.cmd.Process.Signal(syscall.SIGTERM))
	<-z.read
	if err := z.cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v\n%s", err, z.said())
	}
}
