package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/examples/nom"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

func TestMain(m *testing.M) { ztest.Main(m) }

// admitAll is a handler that admits every client.
var admitAll = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("alice") })

// served is a connection that the server has begun to serve.
type served struct {
	peer *peer
	link sasl.Link
}

// start runs a server until the test ends. It returns its endpoint and its new connections.
func start(t *testing.T, below *nom.Curve, cfg sasl.ServerConfig) (endpoint string, conns <-chan served) {
	t.Helper()
	server := nom.NewServer(cfg, new(ztest.Log).Logger())
	seen, ready := make(chan served, 1000), make(chan string, 1)
	serve := func(ctx context.Context, conn nom.Conn, link sasl.Link) {
		seen <- served{conn.(*peer), link}
		server.Serve(ctx, conn, link)
	}
	ztest.Background(t, func(ctx context.Context) error {
		return listen(ctx, "tcp://127.0.0.1:*", below, func(at string) { ready <- at }, serve)
	})
	return ztest.Receive(t, "the server", ready), seen
}

// connect connects a client by libzmq.
func connect(t *testing.T, endpoint string, below *nom.Curve, cfg sasl.ClientConfig) *nom.Client {
	t.Helper()
	conn, link, err := dial(t.Context(), endpoint, below)
	ztest.Must(t, err)
	cfg.Link = link
	c, err := nom.Open(ztest.Context(t), conn, cfg, io.Discard)
	ztest.Must(t, err)
	return c
}

// raw is a client that claims what it likes.
type raw struct {
	net.Conn
	sealer *curve.Sealer // with CURVE
	opener *curve.Opener
}

// claim connects a raw client with properties of its choice.
func claim(t *testing.T, endpoint string, below *nom.Curve, claims zap.Metadata) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
	ztest.Must(t, err)
	t.Cleanup(func() { conn.Close() })
	r := &raw{Conn: conn}
	r.SetDeadline(time.Now().Add(ztest.Patience))
	greeting := make([]byte, 64)
	copy(greeting, "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x01NULL")
	if below != nil {
		copy(greeting[12:], "CURVE")
	}
	r.Write(greeting)
	_, err = io.ReadFull(r, greeting)
	ztest.Must(t, err)
	var properties []byte // not by zap, which refuses to write some of them
	for _, p := range append(zap.Metadata{{Name: "Socket-Type", Value: "DEALER"}}, claims...) {
		properties = append(append(properties, byte(len(p.Name))), p.Name...)
		properties = append(binary.BigEndian.AppendUint32(properties, uint32(len(p.Value))), p.Value...)
	}
	if below == nil {
		r.frame(4, append([]byte("\x05READY"), properties...))
		_, err = r.read()
		ztest.Must(t, err)
		return r
	}
	c, err := curve.NewClient(below.Key, below.ServerKey)
	ztest.Must(t, err)
	hello, err := c.Hello(nil)
	ztest.Must(t, err)
	r.frame(4, hello)
	welcome, err := r.read()
	ztest.Must(t, err)
	initiate, err := c.HandleWelcome(nil, welcome, properties)
	ztest.Must(t, err)
	r.frame(4, initiate)
	ready, err := r.read()
	ztest.Must(t, err)
	_, r.sealer, r.opener, err = c.HandleReady(ready)
	ztest.Must(t, err)
	return r
}

func (r *raw) frame(flags byte, body []byte) {
	if len(body) > 255 {
		r.Write(append(binary.BigEndian.AppendUint64([]byte{flags | 2}, uint64(len(body))), body...))
		return
	}
	r.Write(append([]byte{flags, byte(len(body))}, body...))
}

// read reads one short frame.
func (r *raw) read() (body []byte, err error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	body = make([]byte, head[1])
	if _, err = io.ReadFull(r, body); err == nil && r.opener != nil {
		body, _, err = r.opener.Open(nil, body)
	}
	return body, err
}

// send sends a message.
func (r *raw) send(t *testing.T, words ...string) {
	t.Helper()
	for i, word := range words {
		more := byte(0)
		if i < len(words)-1 {
			more = 1
		}
		if r.sealer == nil {
			r.frame(more, []byte(word))
			continue
		}
		box, err := r.sealer.Seal(nil, more, []byte(word))
		ztest.Must(t, err)
		r.frame(0, box)
	}
}

// TestRoutingID claims the routing id of an authenticated client that has left, one that libzmq has
// generated, and the properties of its connection.
func TestRoutingID(t *testing.T) {
	t.Parallel()
	key := curve.GenerateKey()
	for name, isCurve := range map[string]bool{"NULL": false, "CURVE": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var server, client, other *nom.Curve
			want := sasl.Link{Address: "127.0.0.1"}
			if isCurve {
				server = &nom.Curve{Key: key, Handler: admitAll, Domain: "link"}
				client = &nom.Curve{Key: curve.GenerateKey(), ServerKey: key.Public()}
				other = &nom.Curve{Key: curve.GenerateKey(), ServerKey: key.Public()}
				want.Key = other.Key.Public()
			}
			endpoint, conns := start(t, server, sasl.ServerConfig{Handler: admitAll, Mechanisms: []string{sasl.Anonymous}})
			alice := connect(t, endpoint, client, sasl.ClientConfig{Mechanisms: []string{sasl.Anonymous}})
			answer, err := alice.ICanHaz(ztest.Context(t), "cheezburger")
			ztest.Must(t, err, alice.Close())
			if answer != "cheezburger for alice" {
				t.Fatalf("answer %q", answer)
			}
			left := ztest.Receive(t, "alice's connection", conns)
			claims := zap.Metadata{
				{Name: "Identity", Value: string(left.peer.id)},
				{Name: "X-Connection", Value: left.peer.name},
				{Name: "X-Address", Value: "192.0.2.1"},
				{Name: "X-Key", Value: curve.GenerateKey().Public().String()},
			}
			// libzmq ignores the stranger until it has noticed that alice has left.
			ztest.Wait(t, "an answer", func() bool {
				stranger := claim(t, endpoint, other, claims)
				defer stranger.Close()
				stranger.send(t, "ICANHAZ", "cheezburger")
				stranger.SetDeadline(time.Now().Add(time.Second))
				answer, err := stranger.read()
				if errors.Is(err, os.ErrDeadlineExceeded) {
					return false
				}
				ztest.Must(t, err)
				if string(answer) != "WTF" {
					t.Errorf("answer %q", answer)
				}
				return true
			})
			got := ztest.Receive(t, "the stranger's connection", conns)
			if !bytes.Equal(got.peer.id, left.peer.id) {
				t.Errorf("the stranger has the routing id %x, want %x", got.peer.id, left.peer.id)
			}
			if got.link != want {
				t.Errorf("the stranger's connection has proved %+v, want %+v", got.link, want)
			}
		})
	}
}

// TestBusy asks as an authenticated client while the passwords of many strangers are compared.
func TestBusy(t *testing.T) {
	t.Parallel()
	const guesses = 100
	comparing, release := make(chan bool, guesses), make(chan bool)
	slow := zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
		if req.Mechanism == zap.Null {
			return zap.Allow("alice")
		}
		comparing <- true
		<-release
		return zap.Refuse("wrong password")
	})
	endpoint, _ := start(t, nil, sasl.ServerConfig{Handler: slow, Mechanisms: []string{sasl.Anonymous, sasl.Plain}, InsecurePlain: true})
	alice := connect(t, endpoint, nil, sasl.ClientConfig{Mechanisms: []string{sasl.Anonymous}})
	defer alice.Close()
	var strangers []*raw
	for range guesses {
		stranger := claim(t, endpoint, nil, nil)
		stranger.send(t, "OHAI")
		stranger.send(t, "YARLY", "PLAIN", "\x00alice\x00guess")
		strangers = append(strangers, stranger)
	}
	for range guesses {
		ztest.Receive(t, "a guess", comparing)
	}
	for range guesses {
		ztest.Must(t, alice.Hugz(ztest.Context(t)))
	}
	close(release)
	for _, stranger := range strangers {
		stranger.Close()
	}
}
