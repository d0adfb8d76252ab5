package zmtp_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestPollingRecv checks that a program that receives only for moments, and does other
// things in between, still notices a silent peer.
func TestPollingRecv(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		interval time.Duration // of our PINGs
		sends    []byte
		limit    time.Duration
	}{
		"no answer to our PING": {time.Second, nil, 2 * time.Second},
		"its own TTL":           {0, frame(4, []byte("\x04PING\x00\x14ctx")), 2 * time.Second},
	} {
		for _, pause := range []time.Duration{0, 70 * time.Millisecond} {
			t.Run(name+"/"+pause.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER", HeartbeatInterval: tt.interval})
					go func() {
						raw.Write(tt.sends)
						io.Copy(io.Discard, raw)
					}()
					start := time.Now()
					for {
						ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
						_, err := s.Recv(ctx)
						cancel()
						if errors.Is(err, zmtp.ErrHeartbeat) {
							break
						}
						if err != context.DeadlineExceeded || time.Since(start) > 2*tt.limit {
							t.Fatalf("after %v: %v", time.Since(start), err)
						}
						time.Sleep(pause)
					}
					if waited := time.Since(start); waited < tt.limit || waited > tt.limit+200*time.Millisecond {
						t.Errorf("gave up after %v, want %v", waited, tt.limit)
					}
				})
			})
		}
	}
}

// TestLateRecv checks that what a peer has sent in time counts, however late it is
// received.
func TestLateRecv(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix", "pipe"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			client, server := configs(zap.Curve, "DEALER", "DEALER")
			server.HeartbeatInterval = 20 * time.Millisecond
			a, b := pairOf(t, network)
			out := &counted{Conn: a}
			c, s := connectOver(t, out, b, client, server)
			go c.Recv(ztest.Context(t)) // answers PINGs
			sent := make(chan error, 1)
			go func() { sent <- c.Send(ztest.Context(t), []byte("in time")) }()
			before := out.reads.Load()
			ztest.Wait(t, "ten PINGs, ten times the patience", func() bool { return out.reads.Load() > before+10 })
			if got, err := s.Recv(ztest.Context(t)); err != nil || string(got[0]) != "in time" {
				t.Errorf("got %q, %v", got, err)
			}
			ztest.Must(t, <-sent)
		})
	}
}

// takeSlowly reads n bytes at a time, with pauses, until stop is closed.
func takeSlowly(nc net.Conn, n int, pause time.Duration, stop <-chan struct{}) {
	octets := make([]byte, n)
	for {
		select {
		case <-stop:
			return
		case <-time.After(pause):
			nc.Read(octets)
		}
	}
}

// TestBusySender checks that a peer that is too busy to answer, but reads, stays
// connected as long as it reads, and no longer.
func TestBusySender(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(context.Context, *zmtp.Conn) error{
		"one large message": func(ctx context.Context, s *zmtp.Conn) error { return s.Send(ctx, pattern(8<<20)) },
		"many small ones": func(ctx context.Context, s *zmtp.Conn) error {
			for {
				if err := s.Queue(ctx, pattern(1000)); err != nil {
					return err
				}
			}
		},
	} {
		for _, socketType := range []string{"DEALER", "PUSH"} {
			t.Run(name+"/"+socketType, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					raw, s := rawServer(t, zmtp.Config{SocketType: socketType, HeartbeatInterval: 2 * time.Second, HeartbeatTimeout: time.Second})
					stop := make(chan struct{})
					go takeSlowly(raw, 1000, 900*time.Millisecond, stop)
					ended := make(chan error, 2)
					go func() { ended <- send(t.Context(), s) }()
					if socketType != "PUSH" {
						go func() {
							_, err := s.Recv(t.Context())
							ended <- err
						}()
					}
					time.Sleep(time.Minute)
					if len(ended) > 0 {
						t.Fatal("a slow peer was given up: ", <-ended)
					}
					close(stop)
					start := time.Now()
					if err := <-ended; !errors.Is(err, zmtp.ErrHeartbeat) {
						t.Error(err)
					}
					if waited := time.Since(start); waited < 100*time.Millisecond || waited > 4*time.Second {
						t.Errorf("gave up after %v", waited)
					}
				})
			})
		}
	}
}

// TestPatientSender checks that HeartbeatTimeout is how long a peer may read nothing,
// and that without heartbeats there is no limit.
func TestPatientSender(t *testing.T) {
	t.Parallel()
	for _, cfg := range []zmtp.Config{
		{SocketType: "DEALER", HeartbeatInterval: time.Second, HeartbeatTimeout: time.Hour},
		{SocketType: "DEALER"},
	} {
		synctest.Test(t, func(t *testing.T) {
			raw, s := rawServer(t, cfg)
			ztest.Must(t, raw.SetDeadline(time.Time{}))
			go func() {
				raw.Write(frame(4, []byte("\x04PING\x00\x00ctx"))) // whose PONG can't be written
				time.Sleep(50 * time.Minute)
				io.Copy(io.Discard, raw)
			}()
			sent := make(chan error, 1)
			go func() { sent <- s.Send(context.Background(), []byte("x")) }()
			ctx, cancel := context.WithTimeout(context.Background(), 51*time.Minute)
			defer cancel()
			if _, err := s.Recv(ctx); err != context.DeadlineExceeded {
				t.Error(err)
			}
			ztest.Must(t, <-sent)
		})
	}
}

// TestPingsBetweenMessages checks that PINGs and PONGs go between the messages of a
// peer that sends without a pause.
func TestPingsBetweenMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER", HeartbeatInterval: time.Second})
		go func() {
			for s.Send(t.Context(), []byte("message")) == nil {
			}
		}()
		go s.Recv(t.Context())
		go raw.Write(frame(4, []byte("\x04PING\x00\x00ctx")))
		in := slices.Concat(frame(4, []byte("\x04PING\x00\x14")), frame(4, []byte("\x04PONGctx")))
		message := frame(0, []byte("message"))
		for len(in) > 0 {
			head := make([]byte, 2)
			_, err := io.ReadFull(raw, head)
			ztest.Must(t, err)
			body := make([]byte, head[1])
			_, err = io.ReadFull(raw, body)
			ztest.Must(t, err)
			got := append(head, body...)
			switch ping := frame(4, []byte("\x04PING\x00\x14")); {
			case slices.Equal(got, message):
			case slices.Equal(got, ping) && len(in) > 0 && slices.Equal(in[:min(len(in), len(ping))], ping):
				in = in[len(ping):]
			case slices.Equal(got, frame(4, []byte("\x04PONGctx"))):
				in = in[:len(in)-len(got)]
			default:
				t.Fatalf("got %q", got)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// TestNoPingTo30 checks that peers that speak ZMTP 3.0, which has no PING, get none,
// and keep their connection without an answer.
func TestNoPingTo30(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, server := configs(zap.Null, "DEALER", "DEALER")
		server.HeartbeatInterval = time.Second
		a, b := net.Pipe()
		go func() {
			old := greetingOf("NULL")
			old[11] = 0
			a.Write(append(old, frame(4, []byte("\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"))...))
		}()
		received := make(chan []byte, 1)
		go func() {
			octets, _ := io.ReadAll(a)
			received <- octets
		}()
		s, err := zmtp.Server(t.Context(), b, server)
		ztest.Must(t, err)
		if _, err := s.Recv(within(t, time.Minute)); err != context.DeadlineExceeded {
			t.Error(err)
		}
		ztest.Must(t, s.Close())
		if octets := <-received; slices.Contains(octets, 'P') {
			t.Errorf("it got %q", octets)
		}
		a.Close()
	})
}

// TestPingNearTheLimit checks that a command between the parts of a message does not
// count as one.
func TestPingNearTheLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 6, 10} {
		raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER", MaxMessageSize: limit})
		go io.Copy(io.Discard, raw)
		ping := frame(4, append([]byte("\x04PING\x00\x00"), make([]byte, 16)...))
		message := [][]byte{pattern(limit - 1), pattern(1)}
		go raw.Write(slices.Concat(ping, frame(1, message[0]), ping, frame(0, message[1]), ping))
		if got, err := s.Recv(ztest.Context(t)); err != nil || !same(got, message) {
			t.Errorf("limit %d: got %q, %v", limit, got, err)
		}
	}
	raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER", MaxMessageSize: 10})
	go raw.Write(append([]byte{6}, binary.BigEndian.AppendUint64(nil, 65)...))
	if _, err := s.Recv(ztest.Context(t)); !errors.Is(err, zmtp.ErrMessageSize) {
		t.Errorf("a command of 65 bytes: %v", err)
	}
}

// TestQuickPong checks that the answer to a PING counts even if it arrives before the
// writer has recorded the PING.
func TestQuickPong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := configs(zap.Null, "DEALER", "DEALER")
		server.HeartbeatInterval, server.HeartbeatTimeout = 10*time.Second, time.Second
		a, b := net.Pipe()
		slow := &hooked{Conn: b}
		c, s := connectOver(t, a, slow, client, server)
		slow.hooks.Store(&hooks{wrote: func([]byte) { time.Sleep(time.Millisecond) }})
		go c.Recv(t.Context())
		if _, err := s.Recv(within(t, time.Minute)); err != context.DeadlineExceeded {
			t.Error(err)
		}
	})
}

// TestTTLAfterStall checks that the TTL of a peer that has read everything at the last
// moment applies as before.
func TestTTLAfterStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		raw, h, s := connectHooked(t, zmtp.Config{})
		wrote := make(chan struct{}, 10)
		var once sync.Once
		h.hooks.Store(&hooks{wrote: func([]byte) { wrote <- struct{}{} }, setWriteDeadline: func(at time.Time) {
			if !at.IsZero() {
				once.Do(func() {
					go io.Copy(io.Discard, raw)
					<-wrote
				})
			}
		}})
		go raw.Write(frame(4, []byte("\x04PING\x00\x0actx")))
		if _, err := s.Recv(within(t, time.Millisecond)); err != context.DeadlineExceeded {
			t.Fatal(err)
		}
		sent := make(chan error, 1)
		go func() { sent <- s.Send(t.Context(), []byte("x")) }()
		ztest.Must(t, <-sent)
		if err := s.Send(t.Context(), []byte("y")); err != nil {
			t.Errorf("the next write was interrupted: %v", err)
		}
		if _, err := s.Recv(within(t, time.Minute)); !errors.Is(err, zmtp.ErrHeartbeat) {
			t.Error(err)
		}
	})
}

// TestLongPatience checks that a peer with a very long timeout is sent the longest TTL
// there is, and that nothing keeps the machine busy.
func TestLongPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		raw, _, s := connectHooked(t, zmtp.Config{HeartbeatInterval: time.Second, HeartbeatTimeout: math.MaxInt64})
		go s.Recv(t.Context())
		ping := make([]byte, len("\x04\x07\x04PING\x00\x00"))
		_, err := io.ReadFull(raw, ping)
		if err != nil || !bytes.HasSuffix(ping, []byte("PING\xff\xff")) {
			t.Errorf("got %q, %v", ping, err)
		}
	})
}

// TestBurstBehindPing checks that a peer is not silent if it answered a PING at once,
// then got much to read, and reads that slowly while the next PING waits behind it.
func TestBurstBehindPing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells whether a peer reads")
	}
	_, server := configs(zap.Null, "DEALER", "DEALER")
	server.HeartbeatInterval, server.HeartbeatTimeout = 2*time.Second, 2*time.Second
	a, b := tcpPair(t)
	defer a.Close()
	_, err := a.Write(append(greetingOf("NULL"), frame(4, []byte("\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"))...))
	ztest.Must(t, err)
	s, err := zmtp.Server(ztest.Context(t), b, server)
	ztest.Must(t, err)
	defer s.CloseNow()
	ping := frame(4, []byte("\x04PING\x00\x28"))
	in := bufio.NewReaderSize(a, 64<<10)
	skip := func() { // reads up to the end of the next PING, slowly if there is much before it
		for seen := []byte(nil); !bytes.HasSuffix(seen, ping); {
			octet, err := in.ReadByte()
			if err != nil {
				return
			}
			seen = append(seen[max(0, len(seen)-len(ping)):], octet)
			if in.Buffered() == 0 {
				time.Sleep(250 * time.Millisecond)
			}
		}
	}
	go func() {
		skip()
		a.Write(frame(4, []byte("\x04PONG")))
		go s.Send(context.Background(), make([]byte, 1<<20)) // its system takes it all
		skip()
		a.Write(frame(0, []byte("that was much")))
	}()
	if got, err := s.Recv(ztest.Context(t)); err != nil || string(got[0]) != "that was much" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestPongAtTheLastMoment checks that a PONG that arrives just before the last attempt
// to read is enough, and harms no later read.
func TestPongAtTheLastMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		raw, h, s := connectHooked(t, zmtp.Config{HeartbeatInterval: 2 * time.Second, HeartbeatTimeout: time.Second})
		go io.Copy(io.Discard, raw)
		var once sync.Once
		h.hooks.Store(&hooks{setReadDeadline: func(at time.Time) {
			if !at.IsZero() {
				once.Do(func() {
					raw.Write(frame(4, []byte("\x04PONG")))
					go func() {
						time.Sleep(time.Second)
						raw.Write(frame(0, []byte("x")))
					}()
				})
			}
		}})
		if got, err := s.Recv(context.Background()); err != nil || string(got[0]) != "x" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// TestSendBehindPing checks that a peer that got a PING, and at once much to read, may
// read that first.
func TestSendBehindPing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		raw, _, s := connectHooked(t, zmtp.Config{HeartbeatInterval: 2 * time.Second, HeartbeatTimeout: time.Second})
		_, err := io.ReadFull(raw, make([]byte, len("\x04\x07\x04PING\x00\x00")))
		ztest.Must(t, err)
		stop := make(chan struct{})
		defer close(stop)
		go takeSlowly(raw, 1000, 900*time.Millisecond, stop)
		go s.Send(t.Context(), pattern(1<<20))
		if _, err := s.Recv(within(t, time.Minute)); err != context.DeadlineExceeded {
			t.Error(err)
		}
	})
}
