//go:build cgo && unix

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// TestKilledAndRestarted: zauth is killed while a service runs. Clients that connect in
// the meantime are admitted when it is back: at once if the service still waits,
// otherwise on their next attempt. No stranger is ever admitted.
func TestKilledAndRestarted(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "ipc"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			dir, keys := keystoreOf(t, "alice")
			listen := "tcp://" + ztest.ReservePort(t)
			if transport == "ipc" {
				listen = "ipc://" + filepath.Join(t.TempDir(), "zauth")
			}
			z := startZauth(t, "--listen", listen, "--keystore", "dir:"+dir)
			const handshake = 500 * time.Millisecond // clients that were refused for now try again
			patient := startService(t, remote.Options{}, z.endpoint, handshake)
			hasty := startService(t, remote.Options{Wait: 300 * time.Millisecond}, z.endpoint, handshake)
			for _, s := range []*service{patient, hasty} {
				if reply, err := s.askLibzmq(keys[0]); err != nil || reply != "hello alice" {
					t.Fatalf("before: %q, %v", reply, err)
				}
				intruders(t, s)
			}

			z.kill()
			type answer struct {
				who, reply string
				err        error
			}
			answers := make(chan answer, 3)
			askedBefore, _ := patient.counted(keys[0])
			_, latersBefore := hasty.counted(keys[0])
			for name, s := range map[string]*service{"patient": patient, "hasty": hasty} {
				go func() {
					reply, err := s.askLibzmq(keys[0])
					answers <- answer{name + ", libzmq", reply, err}
				}()
			}
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), ztest.Patience)
				defer cancel()
				// A handshake that takes too long ends with the connection, with one of
				// several errors. Only a refusal is final.
				reply, err := patient.ask(ctx, keys[0])
				for refused := (*zmtp.RefusedError)(nil); err != nil && !errors.As(err, &refused) && ctx.Err() == nil; {
					reply, err = patient.ask(ctx, keys[0])
				}
				answers <- answer{"patient, Go", reply, err}
			}()
			ztest.Wait(t, "both wait for zauth at the patient service", func() bool {
				asked, _ := patient.counted(keys[0])
				return asked >= askedBefore+2
			})
			ztest.Wait(t, "the hasty service refuses for now", func() bool {
				_, laters := hasty.counted(keys[0])
				return laters > latersBefore
			})
			select {
			case a := <-answers:
				t.Errorf("%s was answered while zauth was down: %q, %v", a.who, a.reply, a.err)
			default:
			}
			startZauth(t, "--listen", z.endpoint, "--keystore", "dir:"+dir)
			for range cap(answers) {
				if a := ztest.Receive(t, "an answer", answers); a.err != nil || a.reply != "hello alice" {
					t.Errorf("%s: %q, %v", a.who, a.reply, a.err)
				}
			}
		})
	}
}

// TestDirectoryFollowed: zauth notices a certificate that is added to the directory or
// removed from it, without a signal or a restart.
func TestDirectoryFollowed(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", dir)
	s := startService(t, remote.Options{}, z.endpoint, ztest.Patience)
	ctx := ztest.Context(t)
	follows := func(what string, keys curve.SecretKey, letIn bool) {
		t.Helper()
		ztest.Wait(t, what, func() bool {
			_, err := s.ask(ctx, keys)
			var refused *zmtp.RefusedError
			if err != nil && !errors.As(err, &refused) {
				t.Fatalf("%s: %v", what, err)
			}
			return (err == nil) == letIn
		})
	}
	follows("alice is there", keys[0], true)
	bob := addTo(t, dir, "bob")
	follows("bob is added", bob, true)
	ztest.Must(t, os.Remove(filepath.Join(dir, "alice.key")))
	follows("alice is removed", keys[0], false)
	follows("bob stays", bob, true)
}

// resident returns the resident memory of the process in bytes.
func (z *zauth) resident(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", z.cmd.Process.Pid))
	if err != nil {
		t.Skip("this system has no /proc")
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			ztest.Must(t, err)
			return kib << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// TestBadInput: the log names the peer, or the file and line, of bad input. Meanwhile, a
// good client is served, and memory does not grow.
func TestBadInput(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+dir)
	s := startService(t, remote.Options{}, z.endpoint, ztest.Patience)
	ctx := ztest.Context(t)
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

	nc, err := endpoint.Dial(ctx, z.endpoint)
	ztest.Must(t, err)
	peer, err := zmtp.Client(ctx, nc, zmtp.Config{SocketType: "DEALER", Mechanism: zap.Null})
	ztest.Must(t, err)
	defer peer.Close()
	ztest.Must(t, peer.Send(ctx, nil, []byte("1.0"), []byte("1"), []byte("domain")))
	frames, err := peer.Recv(ctx)
	ztest.Must(t, err)
	if _, reply, err := zap.ParseReply(frames); err != nil || reply.Status != zap.StatusError {
		t.Errorf("a malformed request is answered %+v, %v", reply, err)
	}
	z.waitFor(t, "malformed ZAP request", "peer="+nc.LocalAddr().String())
	good("a malformed request")

	// These peers misbehave: one announces 2^63-1 bytes after its handshake. The others send
	// one byte, or nothing, and wait.
	address := strings.TrimPrefix(z.endpoint, "tcp://")
	for i := range 200 {
		nc, err := net.Dial("tcp", address)
		ztest.Must(t, err)
		defer nc.Close()
		if i%2 == 0 {
			nc.Write([]byte{0xFF})
		}
	}
	good("two hundred waiting peers")
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
	hostile.SetReadDeadline(time.Now().Add(ztest.Patience))
	if _, err := io.Copy(io.Discard, hostile); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection that announced 2^63-1 bytes stays open: %v", err)
	}
	z.waitFor(t, "peer="+hostile.LocalAddr().String(), "9223372036854775807")
	good("a frame of 2^63-1 bytes")
	if grown := z.resident(t) - before; grown > 64<<20 {
		t.Errorf("zauth has grown by %d bytes", grown)
	}
}

// TestCurveLink: with --cert, only services in the keystore --askers may ask. Clients
// may not ask, and the services may not connect as clients.
func TestCurveLink(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	services, serviceKeys := keystoreOf(t, "service")
	z, own := startWithCertificate(t, "--keystore", "dir:"+dir, "--askers", "dir:"+services)
	asks(t, z, own, serviceKeys[0], keys[0])
	asksInVain(t, z, own, keys[0], keys[0])
	asksInVain(t, z, own, curve.GenerateKey(), keys[0])
	late := addTo(t, services, "late")
	z.waitFor(t, "identity added", "late")
	asks(t, z, own, late, keys[0])
	s := startService(t, remote.Options{Link: zmtp.Config{Mechanism: zap.Curve, Key: serviceKeys[0], ServerKey: own}}, z.endpoint, ztest.Patience)
	var refused *zmtp.RefusedError
	if reply, err := s.ask(ztest.Context(t), serviceKeys[0]); !errors.As(err, &refused) {
		t.Errorf("a service as a client: %q, %v", reply, err)
	}
}

// TestRevokedAtBothDoors: without a policy, a key that is revoked in one of the two
// keystores can neither ask nor connect.
func TestRevokedAtBothDoors(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice", "bob", "carol")
	services := t.TempDir()
	for _, name := range []string{"bob.key", "carol.key"} { // both keys belong to a client and to a service
		text, err := os.ReadFile(filepath.Join(dir, name))
		ztest.Must(t, err)
		ztest.WriteFile(t, filepath.Join(services, name), string(text))
	}
	z, own := startWithCertificate(t, "--keystore", "dir:"+dir, "--askers", "dir:"+services)
	for i, url := range []string{dir, services} {
		store, err := keystore.Open(url, nil)
		ztest.Must(t, err, store.Revoke(keys[1+i].Public(), time.Now(), "stolen"), store.Close())
	}
	z.waitFor(t, "key revoked", "bob")
	z.waitFor(t, "key revoked", "carol")
	asksInVain(t, z, own, keys[1], keys[0]) // revoked as a client
	asker := addTo(t, services, "asker")
	z.waitFor(t, "identity added", "asker")
	s := startService(t, remote.Options{Link: zmtp.Config{Mechanism: zap.Curve, Key: asker, ServerKey: own}}, z.endpoint, ztest.Patience)
	var refused *zmtp.RefusedError
	if reply, err := s.ask(ztest.Context(t), keys[2]); !errors.As(err, &refused) { // revoked as a service
		t.Errorf("%q, %v", reply, err)
	}
}

// TestLinkByPolicy: with a policy, its section for the domain zauth decides who may ask,
// whatever the section for all other domains admits.
func TestLinkByPolicy(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	services, serviceKeys := keystoreOf(t, "service")
	file := filepath.Join(t.TempDir(), "policy.zpl")
	ztest.WriteFile(t, file, fmt.Sprintf("security\n    curve = 1\n        keystore = dir:%s\n        any = 1\nsecurity\n    domain = zauth\n    curve = 1\n        keystore = dir:%s\n", dir, services))
	z, own := startWithCertificate(t, "--policy", file)
	asks(t, z, own, serviceKeys[0], keys[0])
	asksInVain(t, z, own, keys[0], keys[0])
	asksInVain(t, z, own, curve.GenerateKey(), keys[0])
}

// TestOwnCertificateFollowed: after the file of zauth's certificate is replaced, services
// connect by the new key, and existing connections stay open. An invalid file changes
// nothing.
func TestOwnCertificateFollowed(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	services, serviceKeys := keystoreOf(t, "service")
	path := filepath.Join(t.TempDir(), "zauth.key")
	first, second := cert.Generate(""), cert.Generate("")
	ztest.Must(t, first.Save(path))
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--cert", path+cert.SecretSuffix, "--keystore", "dir:"+dir, "--askers", "dir:"+services)
	link := zmtp.Config{Mechanism: zap.Curve, Key: serviceKeys[0], ServerKey: first.Public}
	connected := startService(t, remote.Options{Link: link}, z.endpoint, ztest.Patience)
	admits := func(s *service) {
		t.Helper()
		if reply, err := s.ask(ztest.Context(t), keys[0]); err != nil || reply != "hello alice" {
			t.Errorf("%q, %v", reply, err)
		}
	}
	admits(connected)
	ztest.WriteFile(t, path+cert.SecretSuffix, "oops\n")
	z.waitFor(t, "level=ERROR", "keeping the current key")
	asks(t, z, first.Public, serviceKeys[0], keys[0])
	ztest.Must(t, second.SaveSecret(path+cert.SecretSuffix, cert.Replace))
	z.waitFor(t, "certificate changed", second.Public.String())
	asks(t, z, second.Public, serviceKeys[0], keys[0])
	admits(connected)
}

// startWithCertificate starts zauth with --cert.
func startWithCertificate(t *testing.T, args ...string) (z *zauth, key curve.PublicKey) {
	t.Helper()
	own := cert.Generate("zauth")
	path := filepath.Join(t.TempDir(), "zauth.key")
	ztest.Must(t, own.Save(path))
	z = startZauth(t, append([]string{"--listen", "tcp://127.0.0.1:*", "--cert", path + cert.SecretSuffix}, args...)...)
	return z, own.Public
}

// asks expects zauth to answer a service with these keys, and to admit alice.
func asks(t *testing.T, z *zauth, server curve.PublicKey, service, alice curve.SecretKey) {
	t.Helper()
	link := zmtp.Config{Mechanism: zap.Curve, Key: service, ServerKey: server}
	s := startService(t, remote.Options{Link: link}, z.endpoint, ztest.Patience)
	if reply, err := s.ask(ztest.Context(t), alice); err != nil || reply != "hello alice" {
		t.Errorf("%q, %v", reply, err)
	}
	z.waitFor(t, `msg="service connected"`, `asker="127.0.0.1 (service)"`)
	z.waitFor(t, `msg="client admitted"`, `asker="127.0.0.1 (service)"`, alice.Public().String(), "user=alice")
}

// asksInVain expects zauth not to answer a service with these keys.
func asksInVain(t *testing.T, z *zauth, server curve.PublicKey, keys, alice curve.SecretKey) {
	t.Helper()
	link := zmtp.Config{Mechanism: zap.Curve, Key: keys, ServerKey: server}
	stranger := startService(t, remote.Options{Link: link, Wait: 100 * time.Millisecond}, z.endpoint, ztest.Patience)
	z.waitFor(t, "client refused", keys.Public().String())
	asking, stop := context.WithCancel(ztest.Context(t))
	defer stop()
	answers := make(chan error, 1)
	go func() {
		reply, err := stranger.ask(asking, alice)
		if err == nil {
			t.Errorf("an unknown service got an answer: %q", reply)
		}
		answers <- err
	}()
	ztest.Wait(t, "the service gets no answer from zauth", func() bool {
		_, laters := stranger.counted(alice)
		return laters > 0 || len(answers) > 0
	})
	stop()
	ztest.Receive(t, "an error", answers)
}
