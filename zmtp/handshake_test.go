package zmtp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

func TestHandshake(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			client, server := configs(mechanism, "DEALER", "ROUTER")
			client.RoutingID = []byte("me")
			client.Properties = zap.Metadata{{Name: "X-Program", Value: "test"}}
			server.Domain = "global"
			var asked zap.Request
			server.Handler = zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
				asked = *req
				return zap.Reply{Status: zap.StatusOK, UserID: "joe", Metadata: zap.Metadata{{Name: "Group", Value: "traders"}}}
			})
			c, s := connect(t, client, server)

			if asked.Domain != "global" || asked.Mechanism != mechanism {
				t.Errorf("the handler was asked %v", asked)
			}
			user := s.User()
			if group := user.Metadata.Get("group"); user.ID != "joe" || group != "traders" {
				t.Errorf("user of the server's connection: %+v", user)
			}
			switch mechanism {
			case zap.Plain:
				if name, password, ok := asked.PlainLogin(); !ok || name != "admin" || string(password) != "secret" {
					t.Errorf("credentials %q %q", name, password)
				}
			case zap.Curve:
				if key, ok := asked.CurveKey(); !ok || key != client.Key.Public() || user.Key != client.Key.Public() {
					t.Errorf("the handler was asked about %v, user %v, want %v", key, user.Key, client.Key.Public())
				}
				if c.User().Key != server.Key.Public() {
					t.Errorf("the client knows the server as %v", c.User().Key)
				}
			}
			want := zap.Metadata{{Name: "Socket-Type", Value: "DEALER"}, {Name: "Identity", Value: "me"}, {Name: "X-Program", Value: "test"}}
			if diff := cmp.Diff(want, s.Claims()); diff != "" {
				t.Errorf("claims of the client (-want +got):\n%s", diff)
			}
			if st := c.Claims().Get("socket-type"); st != "ROUTER" {
				t.Errorf("claims of the server: %v", c.Claims())
			}
		})
	}
}

// TestClaimsAreNotTheUser sends a User-Id as a property, which libzmq would pass to
// the application.
func TestClaimsAreNotTheUser(t *testing.T) {
	t.Parallel()
	_, server := configs(zap.Null, "DEALER", "ROUTER")
	server.Handler = nil
	a, b := net.Pipe()
	forged, err := zap.Metadata{{Name: "Socket-Type", Value: "DEALER"}, {Name: "User-Id", Value: "root"}}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, a)
	go a.Write(append(greetingOf("NULL"), frame(4, append([]byte("\x05READY"), forged...))...))
	conn, err := zmtp.Server(ztest.Context(t), b, server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn.User().ID != "" {
		t.Errorf("a claimed User-Id made the user %q", conn.User().ID)
	}
	if id := conn.Claims().Get("User-Id"); id != "root" {
		t.Errorf("claims are %v", conn.Claims())
	}
}

// refusals lists the replies of a handler and the errors that its client gets.
var refusals = []struct {
	name    string
	handler zap.Handler
	client  func(t *testing.T, mechanism string, err error)
}{
	{"400", answer(zap.StatusRefused, "no"), wantRefused(400, "400 (not admitted; ask its operator)")},
	{"500", answer(zap.StatusError, "broken"), wantRefused(500, "500 (the server's handler failed; see the server's log)")},
	{"invalid", answer(7, ""), wantRefused(500, "500 (the server's handler failed; see the server's log)")},
	{"300", answer(zap.StatusTryLater, "later"), func(t *testing.T, _ string, err error) {
		if !errors.Is(err, zmtp.ErrTryAgain) {
			t.Errorf("client got %v, want ErrTryAgain", err)
		}
	}},
}

func wantRefused(status zap.Status, text string) func(*testing.T, string, error) {
	return func(t *testing.T, _ string, err error) {
		refused, ok := errors.AsType[*zmtp.RefusedError](err)
		if !ok || refused.Reply.Status != status || !strings.HasSuffix(err.Error(), ": refused by server: "+text) {
			t.Errorf("client got %v, want %s", err, text)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		for _, tt := range refusals {
			t.Run(mechanism+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				client, server := configs(mechanism, "REQ", "REP")
				server.Handler = tt.handler
				a, b := net.Pipe()
				c, s := shake(ztest.Context(t), a, b, client, server)
				tt.client(t, mechanism, c.err)
				var denied *zmtp.RefusedError
				if !errors.As(s.err, &denied) {
					t.Fatalf("server got %v, want a RefusedError", s.err)
				}
				if mechanism == zap.Curve && denied.Key != client.Key.Public() {
					t.Errorf("denied key is %v", denied.Key)
				}
			})
		}
	}
}

func TestHandshakeMismatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		client, server func(client, server *zmtp.Config)
		check          func(t *testing.T, clientErr, serverErr error)
	}{
		{
			name:   "wrong server key",
			client: func(c, _ *zmtp.Config) { c.ServerKey = curve.GenerateKey().Public() },
			check: func(t *testing.T, clientErr, serverErr error) {
				if !errors.Is(clientErr, zmtp.ErrServerKey) {
					t.Errorf("client: %v", clientErr)
				}
				if !errors.Is(serverErr, zmtp.ErrProtocol) || !strings.HasSuffix(serverErr.Error(), ": HELLO: box does not open") {
					t.Errorf("server: %v", serverErr)
				}
			},
		},
		{
			name:   "mechanisms",
			client: func(c, _ *zmtp.Config) { c.Mechanism = zap.Null },
			check: func(t *testing.T, clientErr, serverErr error) {
				for _, err := range []error{clientErr, serverErr} {
					if !errors.Is(err, zmtp.ErrIncompatible) {
						t.Errorf("got %v", err)
					}
				}
				if !strings.HasSuffix(clientErr.Error(), "mechanism mismatch: this side uses NULL, the peer CURVE") {
					t.Errorf("client: %v", clientErr)
				}
			},
		},
		{
			name:   "socket types",
			client: func(c, _ *zmtp.Config) { c.SocketType = "PUSH" },
			check: func(t *testing.T, clientErr, serverErr error) {
				if !errors.Is(serverErr, zmtp.ErrSocketType) {
					t.Errorf("server: %v", serverErr)
				}
				if !errors.Is(clientErr, zmtp.ErrSocketType) || !strings.HasSuffix(clientErr.Error(), "refused by server: incompatible socket types") {
					t.Errorf("client: %v", clientErr)
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, server := configs(zap.Curve, "REQ", "REP")
			tt.client(&client, &server)
			a, b := tcpPair(t)
			c, s := shake(ztest.Context(t), a, b, client, server)
			tt.check(t, c.err, s.err)
		})
	}
}

// TestBothServers checks that two peers that both want to be the server do not wait
// for each other.
func TestBothServers(t *testing.T) {
	t.Parallel()
	_, server := configs(zap.Curve, "REQ", "REP")
	a, b := net.Pipe()
	errs := make(chan error, 1)
	go func() {
		_, err := zmtp.Server(ztest.Context(t), a, server)
		errs <- err
	}()
	_, err := zmtp.Server(ztest.Context(t), b, server)
	if !errors.Is(err, zmtp.ErrBothServers) {
		t.Errorf("got %v", err)
	}
	<-errs
}

// TestConfig checks that invalid configurations are refused before the network is
// touched.
func TestConfig(t *testing.T) {
	t.Parallel()
	good, goodServer := configs(zap.Curve, "DEALER", "ROUTER")
	tests := []struct {
		name   string
		server bool
		change func(*zmtp.Config)
		want   error
	}{
		{"no mechanism", false, func(c *zmtp.Config) { c.Mechanism = "" }, zmtp.ErrConfig},
		{"unknown mechanism", false, func(c *zmtp.Config) { c.Mechanism = "GSSAPI" }, zmtp.ErrConfig},
		{"socket type", false, func(c *zmtp.Config) { c.SocketType = "dealer" }, zmtp.ErrConfig},
		{"socket type beyond us", false, func(c *zmtp.Config) { c.SocketType = "RADIO" }, zmtp.ErrConfig},
		{"long identity", false, func(c *zmtp.Config) { c.RoutingID = make([]byte, 256) }, zmtp.ErrConfig},
		{"reserved identity", false, func(c *zmtp.Config) { c.RoutingID = []byte{0, 1} }, zmtp.ErrConfig},
		{"identity of a PUSH", false, func(c *zmtp.Config) { c.SocketType, c.RoutingID = "PUSH", []byte("x") }, zmtp.ErrConfig},
		{"malformed property", false, func(c *zmtp.Config) { c.Properties = zap.Metadata{{Name: "größer"}} }, zmtp.ErrConfig},
		{"reserved property", true, func(c *zmtp.Config) { c.Properties = zap.Metadata{{Name: "identity"}} }, zmtp.ErrConfig},
		{"negative limit", false, func(c *zmtp.Config) { c.MaxParts = -1 }, zmtp.ErrConfig},
		{"no key", false, func(c *zmtp.Config) { c.Key = curve.SecretKey{} }, zmtp.ErrConfig},
		{"no server key", false, func(c *zmtp.Config) { c.ServerKey = curve.PublicKey{} }, curve.ErrPublicKey},
		{"server without a key", true, func(c *zmtp.Config) { c.Key = curve.SecretKey{} }, zmtp.ErrConfig},
		{"server without handler", true, func(c *zmtp.Config) { c.Handler = nil }, zmtp.ErrConfig},
		{"long domain", true, func(c *zmtp.Config) { c.Domain = strings.Repeat("x", 256) }, zap.ErrRequest},
		{"domain beyond ASCII", true, func(c *zmtp.Config) { c.Domain = "größer" }, zap.ErrRequest},
		{"long password", false, func(c *zmtp.Config) {
			c.Mechanism, c.Password = zap.Plain, zap.NewPassword(strings.Repeat("x", 256))
		}, zmtp.ErrConfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := good
			if tt.server {
				cfg = goodServer
			}
			tt.change(&cfg)
			var err error
			if tt.server {
				_, err = zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", cfg)
			} else {
				// Connecting to port 1 would fail with another error.
				_, err = zmtp.Dial(ztest.Context(t), "tcp://127.0.0.1:1", cfg)
			}
			if !errors.Is(err, tt.want) || !errors.Is(err, zmtp.ErrConfig) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestLimitsOf32Bits checks that a limit too large to compute with is refused.
func TestLimitsOf32Bits(t *testing.T) {
	t.Parallel()
	cfg, _ := configs(zap.Null, "DEALER", "DEALER")
	for _, field := range []*int{&cfg.MaxMessageSize, &cfg.MaxMetadataSize} {
		*field = 1 << 30
		ztest.Must(t, cfg.CheckClient())
		*field = math.MaxInt
		if err := cfg.CheckClient(); (strconv.IntSize == 32) != errors.Is(err, zmtp.ErrConfig) {
			t.Errorf("with ints of %d bits: %v", strconv.IntSize, err)
		}
		*field = 0
	}
}

// TestLocalhost checks that localhost is this machine's loopback, IPv4 or otherwise
// IPv6, and that no resolver is asked.
func TestLocalhost(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		ln, err := endpoint.Listen(ctx, "tcp://"+host+":*")
		if host == "[::1]" && err != nil {
			t.Logf("no IPv6 here: %v", err)
			continue
		}
		ztest.Must(t, err)
		if ip := ln.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
			t.Errorf("%s listens on %v", host, ip)
		}
		nc, err := endpoint.Dial(ctx, fmt.Sprintf("tcp://localhost:%d", ln.Addr().(*net.TCPAddr).Port))
		ztest.Must(t, err)
		if ip := nc.RemoteAddr().(*net.TCPAddr).IP; !ip.IsLoopback() {
			t.Errorf("localhost is %v", ip)
		}
		ztest.Must(t, nc.Close(), ln.Close())
	}
}

// TestSlowPeer checks that neither a silent peer nor one that sends a byte now and
// then can extend a handshake.
func TestSlowPeer(t *testing.T) {
	t.Parallel()
	const timeout = 500 * time.Millisecond
	for name, pause := range map[string]time.Duration{"silent": time.Hour, "a byte now and then": timeout / 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, server := configs(zap.Curve, "DEALER", "ROUTER")
				server.HandshakeTimeout = timeout
				slow, nc := net.Pipe()
				go io.Copy(io.Discard, slow)
				go func() {
					for _, octet := range greetingOf("CURVE") {
						select {
						case <-time.After(pause):
							slow.Write([]byte{octet})
						case <-t.Context().Done():
							return
						}
					}
				}()
				start := time.Now()
				_, err := zmtp.Server(ztest.Context(t), nc, server)
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "gave up after 500ms") {
					t.Errorf("got %v", err)
				}
				if took := time.Since(start); took != timeout {
					t.Errorf("gave up after %v", took)
				}
			})
		})
	}
}

// TestListenerWithSlowPeer checks that others do not wait for a slow peer, and that
// the log says when it was given up.
func TestListenerWithSlowPeer(t *testing.T) {
	t.Parallel()
	client, server := configs(zap.Curve, "DEALER", "ROUTER")
	log := new(ztest.Log)
	server.Log = log.Logger()
	listen := func() (ln *zmtp.Listener, slow net.Conn) {
		t.Helper()
		ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
		ztest.Must(t, err)
		t.Cleanup(func() { ln.Close() })
		slow, err = net.Dial("tcp", strings.TrimPrefix(ln.Endpoint(), "tcp://"))
		ztest.Must(t, err)
		t.Cleanup(func() { slow.Close() })
		ztest.Must(t, slow.SetDeadline(time.Now().Add(ztest.Patience)))
		return ln, slow
	}

	ln, slow := listen()
	_, err := io.ReadFull(slow, make([]byte, 11)) // its handshake is in progress
	ztest.Must(t, err)
	_, err = slow.Write(greetingOf("CURVE")[:40])
	ztest.Must(t, err)
	accepted := make(chan error, 1)
	go func() {
		conn, err := ln.Accept(ztest.Context(t))
		if err == nil {
			conn.Close()
		}
		accepted <- err
	}()
	conn, err := zmtp.Dial(ztest.Context(t), ln.Endpoint(), client)
	if err != nil {
		t.Fatalf("another client: %v", err)
	}
	conn.Close()
	ztest.Must(t, <-accepted)
	if log.String() != "" {
		t.Errorf("the slow peer was given up before its time: %s", log)
	}

	server.HandshakeTimeout = 10 * time.Millisecond
	_, slow = listen()
	wantLogged(t, log, "gave up after", "peer="+slow.LocalAddr().String())
	if _, err := io.Copy(io.Discard, slow); err != nil {
		t.Errorf("its connection: %v", err)
	}
}

// TestNotZMTP checks that a peer that does not speak ZMTP is noticed at its first
// bytes, and reported as such.
func TestNotZMTP(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		sends string
		want  error
	}{
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", zmtp.ErrNotZMTP},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", zmtp.ErrNotZMTP},
		{"nothing", "", zmtp.ErrTryAgain},
		{"half a greeting", string(greetingOf("CURVE")[:40]), io.ErrUnexpectedEOF},
		{"ZMTP 1.0", "\x01\x00", zmtp.ErrNotZMTP},
		{"ZMTP 2.0", "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x05", zmtp.ErrVersion},
		{"no signature", "\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03", zmtp.ErrNotZMTP},
		{"as-server", string(append(greetingOf("CURVE")[:32], make([]byte, 32)...))[:32] + "\x02" + string(make([]byte, 31)), zmtp.ErrNotZMTP},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, _ := configs(zap.Curve, "DEALER", "ROUTER")
			a, b := net.Pipe()
			go func() {
				go io.Copy(io.Discard, b)
				io.WriteString(b, tt.sends)
				b.Close()
			}()
			_, err := zmtp.Client(ztest.Context(t), a, client)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err == nil || !strings.HasPrefix(err.Error(), "zmtp: handshake with pipe: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestHandshakeCancelled checks that ctx ends a handshake, and that the error says so.
func TestHandshakeCancelled(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		synctest.Test(t, func(t *testing.T) {
			client, _ := configs(mechanism, "DEALER", "ROUTER")
			a, b := net.Pipe()
			defer b.Close()
			ctx, cancel := context.WithTimeout(ztest.Context(t), 20*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, err := zmtp.Client(ctx, a, client)
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 20*time.Millisecond {
				t.Errorf("%s: got %v after %v", mechanism, err, took)
			}
		})
	}
}

// TestNullRefusesServer checks that a NULL server whose peer refuses it, as a libzmq socket
// with a ZAP handler does, reports the peer's ERROR, and not a client that it refused.
func TestNullRefusesServer(t *testing.T) {
	t.Parallel()
	_, server := configs(zap.Null, "DEALER", "ROUTER")
	a, b := net.Pipe()
	go io.Copy(io.Discard, a)
	go a.Write(append(greetingOf("NULL"), frame(4, []byte("\x05ERROR\x03400"))...))
	_, err := zmtp.Server(ztest.Context(t), b, server)
	a.Close()
	if refused, ok := errors.AsType[*zmtp.RefusedError](err); !ok || refused.Reply.Status != zap.StatusRefused || zmtp.Retryable(err) {
		t.Errorf("got %v", err)
	}
}
