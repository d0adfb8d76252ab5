package zmtp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// within returns a context that ends after d.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestSendersWait checks that each call ends with its context, neither earlier nor
// later, whatever holds up the connection, and that nothing is lost, doubled or out of
// order.
func TestSendersWait(t *testing.T) {
	t.Parallel()
	small, large := []byte("small"), pattern(300_000)
	for _, mechanism := range mechanisms {
		for name, first := range map[string][]byte{"small": small, "large": large} {
			t.Run(mechanism+"/behind a "+name+" message", func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					client, server := configs(mechanism, "DEALER", "DEALER")
					c, s := connect(t, client, server) // over a pipe, from which nobody reads yet
					sent := make(chan error, 1)
					go func() { sent <- c.Send(t.Context(), first) }()
					synctest.Wait()
					var arrives [][]byte
					for i, call := range []func(context.Context) error{
						func(ctx context.Context) error { return c.Send(ctx, small) },
						func(ctx context.Context) error { return c.Send(ctx, large, small) },
						func(ctx context.Context) error { return c.Send(ctx, []byte("last")) },
						c.Flush,
					} {
						d := time.Duration(i+1) * time.Second
						start := time.Now()
						err := call(within(t, d))
						if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != d {
							t.Errorf("call %d ended after %v: %v", i, time.Since(start), err)
						}
						if taken := errors.Is(err, zmtp.ErrQueued); i == 0 && taken {
							arrives = append(arrives, small)
						} else if i == 2 && taken {
							arrives = append(arrives, []byte("last"))
						} else if i == 1 && taken {
							t.Error("a large message was taken for which there was no place")
						}
					}
					for _, want := range append([][]byte{first}, arrives...) {
						got, err := s.Recv(t.Context())
						if err != nil || !bytes.Equal(got[0], want) {
							t.Fatalf("%d bytes arrive, %v, want %d", len(bytes.Join(got, nil)), err, len(want))
						}
					}
					ztest.Must(t, <-sent)
					go c.Send(t.Context(), []byte("more"))
					if got, err := s.Recv(t.Context()); err != nil || string(got[0]) != "more" {
						t.Errorf("after all: %.20q, %v", got, err)
					}
				})
			})
		}
	}
}

// stopping is a net.Conn of which nothing more can be read after left bytes, until on
// is closed.
type stopping struct {
	net.Conn
	left int
	on   chan struct{}
}

func (s *stopping) Read(p []byte) (int, error) {
	if s.left == 0 {
		<-s.on
		return s.Conn.Read(p)
	}
	n, err := s.Conn.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

// TestSendGivenUp checks that a message that is partly written is sent although its
// sender stopped waiting and reused its memory.
func TestSendGivenUp(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		for _, after := range []int{100, 100_000, 300_000, 1_100_000} {
			t.Run(fmt.Sprint(mechanism, after), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					client, server := configs(mechanism, "DEALER", "DEALER")
					a, b := net.Pipe()
					slow := &stopping{Conn: b, left: 1 << 30, on: make(chan struct{})}
					c, s := connectOver(t, a, slow, client, server)
					slow.left = after
					message := [][]byte{[]byte("begin"), bytes.Clone(pattern(1 << 20)), bytes.Clone(pattern(200_000)), []byte("end")}
					want := zmtp.CloneMessage(message)
					received := make(chan [][]byte, 2)
					go func() {
						for range cap(received) {
							got, err := s.Recv(t.Context())
							if err != nil {
								t.Error(err)
							}
							received <- got
						}
					}()
					ctx, cancel := context.WithCancel(t.Context())
					sent := make(chan error, 1)
					go func() { sent <- c.Send(ctx, message...) }()
					synctest.Wait() // until the peer reads no more
					cancel()
					if err := <-sent; !errors.Is(err, context.Canceled) || !errors.Is(err, zmtp.ErrQueued) {
						t.Errorf("got %v", err)
					}
					for _, part := range message {
						clear(part)
					}
					if err := c.Send(ctx, []byte("too late")); err != context.Canceled {
						t.Errorf("a message whose context is done: %v", err)
					}
					close(slow.on)
					ztest.Must(t, c.Send(t.Context(), []byte("next")))
					if got := <-received; !same(got, want) {
						t.Errorf("another message arrives, of %d parts", len(got))
					}
					if got := <-received; !same(got, [][]byte{[]byte("next")}) {
						t.Errorf("then %.20q", got)
					}
				})
			})
		}
	}
}

// TestRecvWaits checks that a Recv ends with its context, even behind another Recv, or
// while its PONG cannot be written, and loses nothing.
func TestRecvWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER"})
		go s.Recv(t.Context())
		synctest.Wait()
		start := time.Now()
		if _, err := s.Recv(within(t, time.Second)); err != context.DeadlineExceeded || time.Since(start) != time.Second {
			t.Errorf("behind another Recv: %v after %v", err, time.Since(start))
		}
		raw.Write(frame(0, []byte("for the first")))
		// The peer reads only when its own bytes are taken.
		ping := frame(4, []byte("\x04PING\x00\x00ctx"))
		go raw.Write(slices.Concat(ping, frame(0, []byte("one")), ping, frame(0, []byte("two")), frame(4, []byte("\x04PING\x00\x00last"))))
		for _, want := range []string{"one", "two"} {
			if got, err := s.Recv(within(t, time.Second)); err != nil || string(got[0]) != want {
				t.Fatalf("got %q, %v, want %q", got, err, want)
			}
		}
		start = time.Now()
		if _, err := s.Recv(within(t, time.Second)); err != context.DeadlineExceeded || time.Since(start) != time.Second {
			t.Errorf("nothing to receive: %v after %v", err, time.Since(start))
		}
		// Of PONGs that couldn't be written the newest is.
		pongs := make([]byte, len("\x04\x08\x04PONGctx")+len("\x04\x09\x04PONGlast"))
		_, err := io.ReadFull(raw, pongs)
		if want := slices.Concat(frame(4, []byte("\x04PONGctx")), frame(4, []byte("\x04PONGlast"))); err != nil || !bytes.Equal(pongs, want) {
			t.Errorf("got %q, %v, want %q", pongs, err, want)
		}
	})
}

// TestDelimiter checks that a message that a REQ or REP would drop is refused.
func TestDelimiter(t *testing.T) {
	t.Parallel()
	empty, a, b := []byte{}, []byte("a"), []byte("b")
	for _, tt := range []struct {
		ours, theirs string
		message      [][]byte
		ok           bool
	}{
		{"REQ", "REP", [][]byte{a}, false},
		{"REQ", "REP", [][]byte{empty}, false},
		{"REQ", "REP", [][]byte{a, empty, b}, false},
		{"REQ", "REP", [][]byte{empty, a}, true},
		{"REQ", "ROUTER", [][]byte{a, b}, false},
		{"ROUTER", "REQ", [][]byte{a, empty, b}, false},
		{"ROUTER", "REQ", [][]byte{empty, a, b}, true},
		{"REP", "REQ", [][]byte{a}, false},
		{"DEALER", "REP", [][]byte{a, b}, false},
		{"DEALER", "REP", [][]byte{a, b, empty}, false},
		{"DEALER", "REP", [][]byte{a, b, empty, a}, true},
		{"DEALER", "ROUTER", [][]byte{a}, true},
		{"PAIR", "PAIR", [][]byte{empty}, true},
	} {
		client, server := configs(zap.Null, tt.ours, tt.theirs)
		nearer, farther := tcpPair(t)
		c, s := connectOver(t, nearer, farther, client, server)
		if err := c.Send(ztest.Context(t), tt.message...); (err == nil) != tt.ok {
			t.Errorf("%s to %s, %q: %v", tt.ours, tt.theirs, tt.message, err)
		}
		if tt.ok {
			if got, err := s.Recv(ztest.Context(t)); err != nil || !same(got, tt.message) {
				t.Errorf("%s to %s, %q: got %q, %v", tt.ours, tt.theirs, tt.message, got, err)
			}
		}
	}
}

// TestFirstCause checks that both directions report what ended a connection, however
// often they are asked.
func TestFirstCause(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(raw net.Conn, s *zmtp.Conn)
		want error
	}{
		"a malformed frame":   {func(raw net.Conn, _ *zmtp.Conn) { raw.Write([]byte{0xf0}) }, zmtp.ErrFrame},
		"the end":             {func(raw net.Conn, _ *zmtp.Conn) { raw.Close() }, io.EOF},
		"an end in a message": {func(raw net.Conn, _ *zmtp.Conn) { raw.Write([]byte{0, 5}); raw.Close() }, io.ErrUnexpectedEOF},
		"silence":             {func(net.Conn, *zmtp.Conn) {}, zmtp.ErrHeartbeat},
		"Close":               {func(_ net.Conn, s *zmtp.Conn) { s.Close() }, net.ErrClosed},
		"CloseNow":            {func(_ net.Conn, s *zmtp.Conn) { s.CloseNow() }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER", HeartbeatInterval: time.Second})
				go tt.end(raw, s)
				for i := range 3 {
					if _, err := s.Recv(t.Context()); !errors.Is(err, tt.want) || errors.Is(err, net.ErrClosed) != (tt.want == net.ErrClosed) {
						t.Errorf("Recv %d: %v", i, err)
					}
					if err := s.Send(t.Context(), []byte("x")); !errors.Is(err, tt.want) || errors.Is(err, net.ErrClosed) != (tt.want == net.ErrClosed) {
						t.Errorf("Send %d: %v", i, err)
					}
				}
			})
		})
	}
}

// TestReceiveAfterSendFails checks that what a peer sent before it left can still be
// received after a failed send.
func TestReceiveAfterSendFails(t *testing.T) {
	t.Parallel()
	client, server := configs(zap.Curve, "DEALER", "DEALER")
	a, b := tcpPair(t)
	c, s := connectOver(t, a, b, client, server)
	ztest.Must(t, s.Send(ztest.Context(t), []byte("good bye")))
	ztest.Must(t, s.Close())
	ztest.Wait(t, "Send fails", func() bool { return c.Send(ztest.Context(t), []byte("hello")) != nil })
	if got, err := c.Recv(ztest.Context(t)); err != nil || string(got[0]) != "good bye" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := c.Recv(ztest.Context(t)); err == nil {
		t.Error("and then there is more")
	}
}

// TestSendFails checks that a Send fails if the peer does not read its bytes, also if
// another goroutine writes them.
func TestSendFails(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(raw net.Conn){
		"silent": func(net.Conn) {},
		"gone":   func(raw net.Conn) { time.Sleep(time.Second); raw.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER", HeartbeatInterval: time.Second, HeartbeatTimeout: 2 * time.Second})
				const senders = 5
				sent := make(chan error, senders)
				for i := range senders {
					go func() {
						time.Sleep(time.Duration(i) * 100 * time.Millisecond)
						sent <- s.Send(t.Context(), []byte("x"))
					}()
				}
				end(raw)
				for range senders {
					if err := <-sent; err == nil || errors.Is(err, zmtp.ErrQueued) {
						t.Errorf("got %v", err)
					}
				}
				if err := s.Close(); err == nil {
					t.Error("Close doesn't say that messages are lost")
				}
			})
		})
	}
}

// TestConnectionTimedOut checks that a connection that the system gives up for its
// silence does not count as closed by the peer.
func TestConnectionTimedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, h, s := connectHooked(t, zmtp.Config{})
		errs := []error{os.NewSyscallError("read", syscall.ETIMEDOUT), io.EOF} // as Linux has it
		h.hooks.Store(&hooks{read: func() error {
			err := errs[0]
			errs = errs[min(1, len(errs)-1):]
			return err
		}})
		for range 2 {
			if _, err := s.Recv(t.Context()); !errors.Is(err, syscall.ETIMEDOUT) {
				t.Error(err)
			}
			if err := s.Send(t.Context(), []byte("x")); !errors.Is(err, syscall.ETIMEDOUT) {
				t.Error(err)
			}
		}
	})
}

// TestFlushGivenUpAtTheEnd checks that a Flush that ends just as the writer it waits
// for has written leaves nothing behind.
func TestFlushGivenUpAtTheEnd(t *testing.T) {
	t.Parallel()
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER"})
			go s.Send(t.Context(), []byte("first"))
			synctest.Wait()
			ztest.Must(t, s.Queue(t.Context(), []byte("second")))
			go s.Flush(within(t, time.Second))
			time.Sleep(time.Second)
			ztest.Must(t, raw.SetReadDeadline(time.Now().Add(time.Second)))
			want := slices.Concat(frame(0, []byte("first")), frame(0, []byte("second")))
			got := make([]byte, len(want))
			if n, err := io.ReadFull(raw, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %q, %v", got[:n], err)
			}
		})
	}
}

// TestLargeGivenUp checks that a large message whose sender stops waiting for its turn
// lets others send at once.
func TestLargeGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, s := rawServer(t, zmtp.Config{SocketType: "DEALER"})
		go s.Send(t.Context(), []byte("x")) // nobody reads it
		synctest.Wait()
		go s.Send(within(t, time.Second), pattern(1<<20))
		synctest.Wait()
		start := time.Now()
		if err := s.Queue(within(t, time.Minute), []byte("y")); err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestLargeBehindLarge checks that a large message whose sender stops waiting behind
// another lets no message into the middle of that one.
func TestLargeBehindLarge(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		synctest.Test(t, func(t *testing.T) {
			client, server := configs(mechanism, "DEALER", "DEALER")
			a, b := net.Pipe()
			slow := &stopping{Conn: b, left: 1 << 30, on: make(chan struct{})}
			c, s := connectOver(t, a, slow, client, server)
			slow.left = 300_000
			message := [][]byte{pattern(200_000), pattern(200_000), pattern(200_000)}
			sent := make(chan error, 2)
			go func() { sent <- c.Send(t.Context(), message...) }()
			received := make(chan [][]byte, 2)
			go func() {
				for range cap(received) {
					got, err := s.Recv(t.Context())
					if err != nil {
						t.Error(err)
					}
					received <- got
				}
			}()
			synctest.Wait()
			if err := c.Send(within(t, time.Second), message...); err != context.DeadlineExceeded {
				t.Errorf("the second large one: %v", err)
			}
			if err := c.Queue(within(t, time.Second), []byte("y")); err != context.DeadlineExceeded {
				t.Errorf("a small one has a place: %v", err)
			}
			close(slow.on)
			go func() { sent <- c.Send(t.Context(), []byte("z")) }()
			for _, want := range [][][]byte{message, {[]byte("z")}} {
				if got := <-received; !same(got, want) {
					t.Errorf("%s: got %d parts, want %d", mechanism, len(got), len(want))
				}
			}
			ztest.Must(t, <-sent, <-sent)
		})
	}
}
