package nom

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
)

func TestMain(m *testing.M) { ztest.Main(m) }

// end is one end of a connection in memory.
type end struct {
	in, out chan [][]byte
	ended   *sync.Once
	closed  chan struct{} // of both ends
}

// pipe returns both ends of a connection.
func pipe() (client, server end) {
	a, b, ended, closed := make(chan [][]byte, 8), make(chan [][]byte, 8), new(sync.Once), make(chan struct{})
	return end{a, b, ended, closed}, end{b, a, ended, closed}
}

func (e end) Send(ctx context.Context, message ...[]byte) error {
	select {
	case e.out <- message:
		return nil
	case <-e.closed:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e end) Recv(ctx context.Context) ([][]byte, error) {
	select {
	case message := <-e.in:
		return message, nil
	default:
	}
	select {
	case message := <-e.in:
		return message, nil
	case <-e.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (e end) Close() error {
	e.ended.Do(func() { close(e.closed) })
	return nil
}

var serverKey = curve.GenerateKey()

// newServer returns a server that admits every client.
func newServer(t *testing.T) *Server {
	t.Helper()
	key, err1 := curve.NewServer(serverKey)
	rules, err2 := policy.New(policy.Rules{{Name: "nom", Anonymous: true, Curve: &policy.Curve{Any: true}}}, policy.Options{})
	ztest.Must(t, err1, err2)
	t.Cleanup(func() { rules.Close() })
	return NewServer(sasl.ServerConfig{Policy: rules, Domain: "nom", Curve: key}, new(ztest.Log).Logger())
}

// connect connects a client to a server until the test ends.
func connect(t *testing.T, s *Server) end {
	t.Helper()
	client, server := pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(t.Context(), server, sasl.Link{Address: "192.0.2.1"})
	}()
	t.Cleanup(func() {
		client.Close()
		<-done
	})
	return client
}

// frames makes a message.
func frames(words ...string) (message [][]byte) {
	for _, w := range words {
		message = append(message, []byte(w))
	}
	return message
}

// talk sends a message and returns the answer, as words.
func talk(t *testing.T, conn Conn, message ...[]byte) string {
	t.Helper()
	ztest.Must(t, conn.Send(t.Context(), message...))
	answer, err := conn.Recv(t.Context())
	ztest.Must(t, err)
	return string(bytes.Join(answer, []byte(" ")))
}

// open is the exchange of a client that is admitted.
func open(t *testing.T, conn Conn) *Client {
	t.Helper()
	c, err := Open(t.Context(), conn, sasl.ClientConfig{}, io.Discard)
	ztest.Must(t, err)
	return c
}

// openSealed is open by the mechanism CURVE.
func openSealed(t *testing.T, conn Conn) *Client {
	t.Helper()
	c, err := Open(t.Context(), conn, sasl.ClientConfig{Key: curve.GenerateKey(), ServerKey: serverKey.Public()}, io.Discard)
	ztest.Must(t, err)
	if c.conn.sealer == nil {
		t.Fatal("no security layer")
	}
	return c
}

// TestNotAuthenticated sends what only authenticated clients may send. The client may still
// begin in good order, and again when it is authenticated.
func TestNotAuthenticated(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, message := range [][][]byte{
		frames("ICANHAZ", "cheezburger"),
		frames("HUGZ"),
		frames("\x07MESSAGE 12345678"),
		frames("CHEEZBURGER", "cheezburger"),
		frames(""),
	} {
		conn := connect(t, s)
		if answer := talk(t, conn, message...); answer != "WTF unexpected command" {
			t.Errorf("%q before OHAI: answer %q", message, answer)
		}
		if answer := talk(t, conn, frames("OHAI")...); !strings.HasPrefix(answer, "ORLY ") {
			t.Errorf("OHAI: answer %q", answer)
		}
		if answer := talk(t, conn, message...); answer != "WTF unexpected command" {
			t.Errorf("%q before YARLY: answer %q", message, answer)
		}
		for range 2 {
			c := open(t, conn)
			answer, err := c.ICanHaz(t.Context(), "cheezburger")
			ztest.Must(t, err, c.Hugz(t.Context()))
			if answer != "cheezburger for anyone" {
				t.Errorf("answer %q", answer)
			}
		}
		if answer := talk(t, conn, frames("NOM")...); answer != "WTF unexpected command" {
			t.Errorf("NOM: answer %q", answer)
		}
		if answer := talk(t, conn, frames("HUGZ")...); answer != "WTF unexpected command" {
			t.Errorf("HUGZ of a client that is not authenticated any more: answer %q", answer)
		}
	}
}

// TestTries ends the connection of a client that begins and never succeeds.
func TestTries(t *testing.T) {
	t.Parallel()
	conn := connect(t, newServer(t))
	for range 5 {
		if answer := talk(t, conn, frames("OHAI")...); !strings.HasPrefix(answer, "ORLY ") {
			t.Fatalf("OHAI: answer %q", answer)
		}
	}
	if answer := talk(t, conn, frames("OHAI")...); answer != "WTF 400 too many tries" {
		t.Errorf("answer %q", answer)
	}
	<-conn.closed
}

// TestSealed changes what a client with a security layer sends.
func TestSealed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, change := range map[string]func(box []byte) []byte{
		"a bit":               func(box []byte) []byte { box[len(box)-1] ^= 1; return box },
		"a byte left out":     func(box []byte) []byte { return box[:len(box)-1] },
		"the command cut off": func(box []byte) []byte { return box[:8] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, s)
			c := openSealed(t, conn)
			ztest.Must(t, c.Hugz(t.Context()))
			box, err := c.conn.seal(frames("ICANHAZ", "cheezburger"))
			ztest.Must(t, err, conn.Send(t.Context(), change(box)))
			if message, err := conn.Recv(t.Context()); err == nil {
				t.Errorf("answer %q", message)
			}
		})
	}
	t.Run("replayed", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, s)
		c := openSealed(t, conn)
		box, err := c.conn.seal(frames("HUGZ"))
		ztest.Must(t, err)
		if answer := talk(t, conn, box); !strings.HasPrefix(answer, "\x07MESSAGE") {
			t.Errorf("answer %q", answer)
		}
		ztest.Must(t, conn.Send(t.Context(), box))
		if message, err := conn.Recv(t.Context()); err == nil {
			t.Errorf("answer %q", message)
		}
	})
	t.Run("with flags", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, s)
		c := openSealed(t, conn)
		box, err := c.conn.sealer.Seal(nil, curve.FlagMore, []byte("\x00\x00\x00\x04HUGZ"))
		ztest.Must(t, err, conn.Send(t.Context(), box))
		if message, err := conn.Recv(t.Context()); err == nil {
			t.Errorf("answer %q", message)
		}
	})
	for name, payload := range map[string]string{
		"no command":         "\x00\x00\x00\x03NOM",
		"no frame":           "",
		"a length cut off":   "\x00\x00\x00\x04HUGZ\x00\x00\x00",
		"a length too large": "\x00\x00\x00\x05HUGZ",
		"the largest length": "\xff\xff\xff\xffHUGZ",
		"too many frames":    "\x00\x00\x00\x04HUGZ" + strings.Repeat("\x00\x00\x00\x00", MaxFrames),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, s)
			c := openSealed(t, conn)
			box, err := c.conn.sealer.Seal(nil, 0, []byte(payload))
			ztest.Must(t, err, conn.Send(t.Context(), box))
			if message, err := conn.Recv(t.Context()); err == nil {
				t.Errorf("answer %q", message)
			}
		})
	}
	t.Run("unsealed", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, s)
		c := openSealed(t, conn)
		for _, message := range [][][]byte{
			frames("OHAI"),
			frames("YARLY", "CURVE", ""),
			frames("ICANHAZ", "cheezburger"),
			frames(""),
		} {
			ztest.Must(t, conn.Send(t.Context(), message...), c.Hugz(t.Context()))
		}
	})
}

// TestLayer carries messages of each size and number of frames.
func TestLayer(t *testing.T) {
	t.Parallel()
	c := openSealed(t, connect(t, newServer(t)))
	for size := 0; size < 8000; size = 2*size + 1 {
		what := strings.Repeat("x", size)
		answer, err := c.ICanHaz(t.Context(), what)
		ztest.Must(t, err)
		if len(answer) < size || answer[:size] != what {
			t.Errorf("%d bytes: answer of %d", size, len(answer))
		}
	}
}

// TestTimes ends clients that take too much time, and no others.
func TestTimes(t *testing.T) {
	t.Parallel()
	gone := func(t *testing.T, conn end, after time.Duration) {
		t.Helper()
		begin := time.Now()
		<-conn.closed
		if d := time.Since(begin); d != after {
			t.Errorf("client gone after %v, want %v", d, after)
		}
	}
	for name, test := range map[string]func(t *testing.T, conn end){
		"silent": func(t *testing.T, conn end) { gone(t, conn, maxOpening) },
		"slow": func(t *testing.T, conn end) {
			for range 3 {
				talk(t, conn, frames("OHAI")...)
				time.Sleep(maxOpening / 4)
			}
			gone(t, conn, maxOpening/4)
		},
		"silent when authenticated": func(t *testing.T, conn end) {
			open(t, conn)
			gone(t, conn, maxSilence)
		},
		"hugging": func(t *testing.T, conn end) {
			c := open(t, conn)
			for range 3 {
				time.Sleep(maxSilence - 1)
				ztest.Must(t, c.Hugz(t.Context()))
			}
			gone(t, conn, maxSilence)
		},
		"begins again": func(t *testing.T, conn end) {
			open(t, conn)
			talk(t, conn, frames("OHAI")...)
			gone(t, conn, maxOpening)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, connect(t, newServer(t))) })
		})
	}
}

// TestPlaces lets more strangers connect than a server has places. They take each other's
// places, oldest first, and not that of an authenticated client.
func TestPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testPlaces)
}

func testPlaces(t *testing.T) {
	s := newServer(t)
	alice := open(t, connect(t, s))
	var strangers []end
	for range maxPeers + 100 {
		conn := connect(t, s)
		talk(t, conn, frames("OHAI")...)
		strangers = append(strangers, conn)
	}
	for i, conn := range strangers {
		if i < len(strangers)-(maxPeers-1) {
			<-conn.closed
			continue
		}
		select {
		case <-conn.closed:
			t.Fatalf("stranger %d has lost its place", i)
		default:
		}
	}
	ztest.Must(t, alice.Hugz(t.Context()))
	s.places.mu.Lock()
	defer s.places.mu.Unlock()
	if diff := cmp.Diff([]int{maxPeers - 1, 1}, []int{len(s.places.waiting), s.places.admitted}); diff != "" {
		t.Errorf("places that wait, and of authenticated clients (-want +got):\n%s", diff)
	}
}
