//go:build cgo && unix

package zmtp_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// libzmqTypes maps socket types to libzmq's constants.
var libzmqTypes = map[string]zmq4.Type{
	"REQ": zmq4.REQ, "REP": zmq4.REP, "DEALER": zmq4.DEALER, "ROUTER": zmq4.ROUTER,
	"PUSH": zmq4.PUSH, "PULL": zmq4.PULL, "PUB": zmq4.PUB, "SUB": zmq4.SUB, "XPUB": zmq4.XPUB, "PAIR": zmq4.PAIR,
}

// libzmqSocket returns a libzmq socket in its own context, set up as the client or the
// server of the pair (client, server).
func libzmqSocket(t testing.TB, socketType string, client, server zmtp.Config, isServer bool) *zmq4.Socket {
	t.Helper()
	ztest.NeedPeers(t)
	zctx := zmqtest.NewContext(t)
	if isServer {
		zmqtest.Start(t, zctx, server.Handler, nil)
	}
	sock := zmqtest.NewSocket(t, zctx, libzmqTypes[socketType])
	ztest.Must(t, sock.SetRcvhwm(0), sock.SetSndhwm(0))
	switch {
	case client.Mechanism == zap.Null && isServer:
		ztest.Must(t, sock.SetZapDomain("global"))
	case client.Mechanism == zap.Plain && isServer:
		ztest.Must(t, sock.SetPlainServer(1))
	case client.Mechanism == zap.Plain:
		ztest.Must(t, sock.SetPlainUsername(client.Username))
		ztest.Must(t, sock.SetPlainPassword(client.Password.Reveal()))
	case client.Mechanism == zap.Curve && isServer:
		ztest.Must(t, libzmq.SetServer(sock, server.Key, "global"))
	case client.Mechanism == zap.Curve:
		ztest.Must(t, libzmq.SetClient(sock, client.Key, client.ServerKey))
	}
	return sock
}

// join connects a Conn and a libzmq socket. The Conn is the server of the mechanism if
// weServe, and the side that dials if weDial.
func join(t testing.TB, transport string, sock *zmq4.Socket, client, server zmtp.Config, weServe, weDial bool) *zmtp.Conn {
	t.Helper()
	ctx := ztest.Context(t)
	var nc net.Conn
	if weDial {
		var err error
		nc, err = endpoint.Dial(ctx, zmqtest.Bind(t, sock, transport))
		ztest.Must(t, err)
	} else {
		at := zmqtest.Wildcard(t, transport)
		ln, err := endpoint.Listen(ctx, at)
		ztest.Must(t, err)
		t.Cleanup(func() {
			sock.Close() // or it would go on connecting to a port that others may get
			ln.Close()
		})
		from := "" // nobody else has the path of an ipc socket
		if transport == "tcp" {
			from = ztest.ReservePort(t)
			at = "tcp://" + from + ";" + ln.Addr().String()
		}
		ztest.Must(t, sock.Connect(at))
		nc = acceptFrom(t, ln, from)
	}
	var conn *zmtp.Conn
	var err error
	if weServe {
		conn, err = zmtp.Server(ctx, nc, server)
	} else {
		conn, err = zmtp.Client(ctx, nc, client)
	}
	ztest.Must(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// pairs lists the pairs of sockets, and how a message travels between them: there, and
// back if the pattern has an answer.
var pairs = []struct {
	ours, theirs string
	ready        func(t *testing.T, conn *zmtp.Conn, sock *zmq4.Socket)
	roundTrip    func(t *testing.T, conn *zmtp.Conn, sock *zmq4.Socket, message [][]byte)
}{
	{ours: "REQ", theirs: "REP", roundTrip: func(t *testing.T, conn *zmtp.Conn, sock *zmq4.Socket, m [][]byte) {
		sendOurs(t, conn, delimited(m))
		wantTheirs(t, sock, m)
		sendTheirs(t, sock, m)
		wantOurs(t, conn, delimited(m))
	}},
	{ours: "REP", theirs: "REQ", roundTrip: func(t *testing.T, conn *zmtp.Conn, sock *zmq4.Socket, m [][]byte) {
		sendTheirs(t, sock, m)
		wantOurs(t, conn, delimited(m))
		sendOurs(t, conn, delimited(m))
		wantTheirs(t, sock, m)
	}},
	{ours: "DEALER", theirs: "ROUTER", roundTrip: func(t *testing.T, conn *zmtp.Conn, sock *zmq4.Socket, m [][]byte) {
		sendOurs(t, conn, m)
		routed := recvTheirs(t, sock)
		if string(routed[0]) != "me" || !same(m, routed[1:]) {
			t.Error("libzmq got another message")
		}
		sendTheirs(t, sock, routed)
		wantOurs(t, conn, m)
	}},
	{ours: "ROUTER", theirs: "DEALER", roundTrip: func(t *testing.T, conn *zmtp.Conn, sock *zmq4.Socket, m [][]byte) {
		sendTheirs(t, sock, m)
		wantOurs(t, conn, m)
		sendOurs(t, conn, m)
		wantTheirs(t, sock, m)
	}},
	{ours: "PUSH", theirs: "PULL", roundTrip: func(t *testing.T, conn *zmtp.Conn, sock *zmq4.Socket, m [][]byte) {
		sendOurs(t, conn, m)
		wantTheirs(t, sock, m)
	}},
	{ours: "PULL", theirs: "PUSH", roundTrip: func(t *testing.T, conn *zmtp.Conn, sock *zmq4.Socket, m [][]byte) {
		sendTheirs(t, sock, m)
		wantOurs(t, conn, m)
	}},
	{ours: "PUB", theirs: "SUB",
		ready: func(t *testing.T, conn *zmtp.Conn, sock *zmq4.Socket) {
			ztest.Must(t, sock.SetSubscribe("weather"))
			type received struct {
				message [][]byte
				err     error
			}
			first := make(chan received, 1)
			ctx := ztest.Context(t)
			go func() {
				m, err := conn.Recv(ctx)
				first <- received{m, err}
			}()
			// libzmq notices the connection on the next call.
			ztest.Wait(t, "the first subscription", func() bool {
				_, err := sock.GetEvents()
				ztest.Must(t, err)
				return len(first) > 0
			})
			if r := <-first; r.err != nil || !same(r.message, [][]byte{[]byte("\x01weather")}) {
				t.Fatalf("the first subscription is %q, %v", r.message, r.err)
			}
			ztest.Must(t, sock.SetUnsubscribe("weather"))
			wantOurs(t, conn, [][]byte{[]byte("\x00weather")})
			ztest.Must(t, sock.SetSubscribe(""))
			wantOurs(t, conn, [][]byte{[]byte("\x01")})
		},
		roundTrip: func(t *testing.T, conn *zmtp.Conn, sock *zmq4.Socket, m [][]byte) {
			sendOurs(t, conn, m)
			wantTheirs(t, sock, m)
		}},
	{ours: "SUB", theirs: "PUB",
		ready: func(t *testing.T, conn *zmtp.Conn, sock *zmq4.Socket) {
			ztest.Must(t, conn.Subscribe(ztest.Context(t), []byte("cancelled")))
			ztest.Must(t, conn.Unsubscribe(ztest.Context(t), []byte("cancelled")))
			ztest.Must(t, conn.Subscribe(ztest.Context(t), nil))
			// libzmq drops messages that it sends before it has the subscription.
			arrived := make(chan error, 1)
			go func() {
				_, err := conn.Recv(ztest.Context(t))
				arrived <- err
			}()
			for sent := 0; ; sent++ {
				sendTheirs(t, sock, [][]byte{[]byte("sync")})
				select {
				case err := <-arrived:
					ztest.Must(t, err)
					sendTheirs(t, sock, [][]byte{[]byte("end")})
					for {
						m, err := conn.Recv(ztest.Context(t))
						ztest.Must(t, err)
						if string(m[0]) == "end" {
							return
						}
					}
				case <-time.After(5 * time.Millisecond):
				}
			}
		},
		roundTrip: func(t *testing.T, conn *zmtp.Conn, sock *zmq4.Socket, m [][]byte) {
			sendTheirs(t, sock, m)
			wantOurs(t, conn, m)
		}},
}

// delimited returns a message with the delimiter of REQ and REP.
func delimited(m [][]byte) [][]byte { return append([][]byte{{}}, m...) }

func sendOurs(t *testing.T, conn *zmtp.Conn, m [][]byte) {
	t.Helper()
	ztest.Must(t, conn.Send(ztest.Context(t), m...))
}

func wantOurs(t *testing.T, conn *zmtp.Conn, want [][]byte) {
	t.Helper()
	got, err := conn.Recv(ztest.Context(t))
	ztest.Must(t, err)
	if !same(want, got) {
		t.Errorf("we got another message: %d parts, want %d", len(got), len(want))
	}
}

func sendTheirs(t *testing.T, sock *zmq4.Socket, m [][]byte) {
	t.Helper()
	_, err := sock.SendMessage(m)
	ztest.Must(t, err)
}

func recvTheirs(t *testing.T, sock *zmq4.Socket) [][]byte {
	t.Helper()
	m, err := sock.RecvMessageBytes(0)
	ztest.Must(t, err)
	return m
}

func wantTheirs(t *testing.T, sock *zmq4.Socket, want [][]byte) {
	t.Helper()
	if got := recvTheirs(t, sock); !same(want, got) {
		t.Errorf("libzmq got another message: %d parts, want %d", len(got), len(want))
	}
}

// TestInterop speaks with libzmq: every mechanism in both roles, dialling and
// listening, over tcp and ipc, in every pair of socket types, with every size,
// in one part and in several. The largest size, which takes most of the time, has
// one pair in each combination of the others: each pair once with every mechanism,
// in both roles, dialling and listening, and over both transports.
func TestInterop(t *testing.T) {
	t.Parallel()
	turn := 0
	for _, mechanism := range mechanisms {
		for _, transport := range []string{"tcp", "ipc"} {
			for _, weServe := range []bool{false, true} {
				for _, weDial := range []bool{false, true} {
					// A mechanism has eight turns. The pairs are moved by three from one
					// to the next, or each would keep its transport and roles.
					largest := (turn + turn/8*3) % len(pairs)
					turn++
					for i, pair := range pairs {
						name := fmt.Sprintf("%s/%s/serve=%v/dial=%v/%s-%s", mechanism, transport, weServe, weDial, pair.ours, pair.theirs)
						t.Run(name, func(t *testing.T) {
							t.Parallel()
							clientType, serverType := pair.ours, pair.theirs
							if weServe {
								clientType, serverType = pair.theirs, pair.ours
							}
							client, server := configs(mechanism, clientType, serverType)
							if pair.ours == "DEALER" && !weServe {
								client.RoutingID = []byte("me")
							} else if pair.ours == "DEALER" {
								server.RoutingID = []byte("me")
							}
							if pair.theirs == "REQ" {
								// A REQ of libzmq 4.3.4 accepts no replies from a peer with a user id.
								server.Handler = answer(zap.StatusOK, "")
							}
							sock := libzmqSocket(t, pair.theirs, client, server, !weServe)
							conn := join(t, transport, sock, client, server, weServe, weDial)
							if pair.ready != nil {
								pair.ready(t, conn, sock)
							}
							for _, size := range sizes {
								if size > 64<<10 && (testing.Short() || i != largest) {
									continue
								}
								pair.roundTrip(t, conn, sock, [][]byte{pattern(size)})
								pair.roundTrip(t, conn, sock, [][]byte{[]byte("first"), pattern(size), {}, []byte("last")})
							}
						})
					}
				}
			}
		}
	}
}

// TestInteropBinding checks that a connection with libzmq has a binding at our end.
func TestInteropBinding(t *testing.T) {
	t.Parallel()
	for _, weServe := range []bool{true, false} {
		client, server := configs(zap.Curve, "DEALER", "DEALER")
		sock := libzmqSocket(t, "DEALER", client, server, !weServe)
		if join(t, "tcp", sock, client, server, weServe, true).User().Binding == [32]byte{} {
			t.Errorf("no binding; we serve: %v", weServe)
		}
	}
}

// TestInteropMany sends 10,000 messages each way at once over one connection.
func TestInteropMany(t *testing.T) {
	t.Parallel()
	const count = 10_000
	for _, mechanism := range mechanisms {
		for _, weServe := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/serve=%v", mechanism, weServe), func(t *testing.T) {
				t.Parallel()
				client, server := configs(mechanism, "DEALER", "DEALER")
				sock := libzmqSocket(t, "DEALER", client, server, !weServe)
				conn := join(t, "tcp", sock, client, server, weServe, !weServe)
				ctx := ztest.Context(t)
				number := func(n int) [][]byte {
					return [][]byte{binary.BigEndian.AppendUint32(nil, uint32(n)), pattern(n % 300)}
				}
				done := make(chan error, 2)
				go func() {
					for n := range count {
						if err := conn.Send(ctx, number(n)...); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
				go func() {
					for n := range count {
						m, err := conn.Recv(ctx)
						if err == nil && !same(number(n), m) {
							err = fmt.Errorf("message %d is another", n)
						}
						if err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
				for n := range count {
					sendTheirs(t, sock, number(n))
				}
				for n := range count {
					wantTheirs(t, sock, number(n))
				}
				for range 2 {
					ztest.Must(t, <-done)
				}
			})
		}
	}
}

// TestInteropHeartbeat: PING and PONG keep a connection with libzmq on which
// nothing else happens for several times the timeout of the side that sends PINGs.
func TestInteropHeartbeat(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		for _, weAsk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/ours=%v", mechanism, weAsk), func(t *testing.T) {
				t.Parallel()
				// A busy machine may be silent for longer than a short timeout. If answers
				// did not count, no timeout would be long enough.
				timeout := 200 * time.Millisecond
				for !heartbeats(t, mechanism, weAsk, timeout) {
					if timeout *= 2; timeout > ztest.Patience/4 {
						t.Fatal("the connection ended")
					}
				}
			})
		}
	}
}

// heartbeats reports whether a connection lives through three times the timeout
// of the side that sends PINGs, with four PINGs in each.
func heartbeats(t *testing.T, mechanism string, weAsk bool, timeout time.Duration) bool {
	t.Helper()
	const questions = 12
	client, server := configs(mechanism, "PUSH", "PULL")
	sock := libzmqSocket(t, "PULL", client, server, true)
	if weAsk {
		client.HeartbeatInterval, client.HeartbeatTimeout = timeout/4, timeout
	} else {
		ztest.Must(t, sock.SetHeartbeatIvl(timeout/4), sock.SetHeartbeatTimeout(timeout), sock.SetHeartbeatTtl(timeout))
	}
	nc, err := endpoint.Dial(ztest.Context(t), zmqtest.Bind(t, sock, "tcp"))
	ztest.Must(t, err)
	counts := &counted{Conn: nc}
	conn, err := zmtp.Client(ztest.Context(t), counts, client)
	if err != nil {
		t.Log(err)
		return false
	}
	t.Cleanup(func() { conn.Close() })
	answers := &counts.writes // they are all that we send, or all that libzmq sends
	if weAsk {
		answers = &counts.reads
	}
	before := answers.Load()
	ztest.Wait(t, "the answer to each PING", func() bool {
		return counts.ended.Load() || answers.Load()-before >= questions
	})
	message := [][]byte{[]byte("still here")}
	if err := conn.Send(ztest.Context(t), message...); err != nil {
		t.Log(err)
		return false
	}
	var got [][]byte
	ztest.Wait(t, "the message", func() bool {
		got, err = sock.RecvMessageBytes(zmq4.DONTWAIT)
		return err == nil || counts.ended.Load()
	})
	return same(message, got)
}
