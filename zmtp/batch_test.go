package zmtp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestQueue checks that queued messages are not written before Flush or Send, and that
// a message larger than the buffer is.
func TestQueue(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			client, server := configs(mechanism, "DEALER", "DEALER")
			a, b := tcpPair(t)
			out := &counted{Conn: a}
			c, s := connectOver(t, out, b, client, server)
			ctx := ztest.Context(t)
			nothing := func(of string, call func() error) {
				t.Helper()
				before := out.writes.Load()
				ztest.Must(t, call())
				if n := out.writes.Load() - before; n != 0 {
					t.Errorf("%s: %d writes", of, n)
				}
			}
			receive := func(want ...[][]byte) {
				t.Helper()
				for len(want) > 0 {
					batch, err := s.RecvBatch(ctx)
					if err != nil {
						t.Fatal(err)
					}
					for _, got := range batch {
						if len(want) == 0 || !same(got, want[0]) {
							t.Fatal("another message arrived")
						}
						want = want[1:]
					}
				}
			}
			part := []byte("first")
			nothing("Queue", func() error { return c.Queue(ctx, part, []byte("with a second part")) })
			copy(part, "other") // it may be used again
			ztest.Must(t, c.Flush(ctx))
			receive([][]byte{[]byte("first"), []byte("with a second part")})
			ztest.Must(t, c.Queue(ctx, []byte("queued")))
			ztest.Must(t, c.Send(ctx, []byte("sent")))
			receive([][]byte{[]byte("queued")}, [][]byte{[]byte("sent")})
			large := pattern(200_000)
			ztest.Must(t, c.Queue(ctx, []byte("before a large one")))
			queued := make(chan error, 1)
			go func() { queued <- c.Queue(ctx, large) }()
			receive([][]byte{[]byte("before a large one")}, [][]byte{large})
			ztest.Must(t, <-queued)
			nothing("Flush of nothing", func() error { return c.Flush(ctx) })
			if err := c.Queue(ctx); !errors.Is(err, zmtp.ErrNoParts) {
				t.Errorf("a message without parts: %v", err)
			}
		})
	}
}

// TestBatchThenError checks that what arrived before a fault is delivered, and then
// the fault.
func TestBatchThenError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		send []byte
		want error
	}{
		{"malformed", []byte{8, 0}, zmtp.ErrFrame},
		{"too large", []byte{0, 200}, zmtp.ErrMessageSize},
		{"end", nil, io.EOF},
		{"end in a message", []byte{1, 1, 'x'}, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER", MaxMessageSize: 100})
			go func() {
				raw.Write(append([]byte{0, 1, 'a', 1, 1, 'b', 0, 1, 'c'}, tt.send...))
				raw.Close()
			}()
			var got [][][]byte
			for len(got) < 2 {
				batch, err := s.RecvBatch(ztest.Context(t))
				if err != nil {
					t.Fatal(err)
				}
				for _, message := range batch {
					got = append(got, zmtp.CloneMessage(message))
				}
			}
			if !same(got[0], [][]byte{[]byte("a")}) || !same(got[1], [][]byte{[]byte("b"), []byte("c")}) {
				t.Errorf("got %q", got)
			}
			for range 2 {
				if batch, err := s.RecvBatch(ztest.Context(t)); !errors.Is(err, tt.want) {
					t.Errorf("got %q, %v, want %v", batch, err, tt.want)
				}
			}
			if _, err := s.Recv(ztest.Context(t)); !errors.Is(err, tt.want) {
				t.Errorf("Recv: %v, want %v", err, tt.want)
			}
		})
	}
}

// TestCommandsBetweenParts checks that a message with commands between its parts
// arrives whole, and that subscriptions among them arrive too.
func TestCommandsBetweenParts(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 100, 10_000} {
		for _, batches := range []bool{false, true} {
			raw, s := rawServer(t, zmtp.Config{SocketType: "XPUB"})
			part := pattern(size)
			var stream []byte
			for range 3 {
				stream = append(stream, frame(1, part)...)
				stream = append(stream, frame(4, []byte("\x09SUBSCRIBEtopic"))...)
				stream = append(stream, frame(4, []byte("\x04PONG"))...)
				stream = append(stream, frame(1, part)...)
				stream = append(stream, frame(4, []byte("\x06CANCELtopic"))...)
				stream = append(stream, frame(0, []byte("last"))...)
			}
			go func() {
				for len(stream) > 0 {
					n := min(len(stream), 77)
					raw.Write(stream[:n])
					stream = stream[n:]
				}
			}()
			want := [][][]byte{{[]byte("\x01topic")}, {[]byte("\x00topic")}, {part, part, []byte("last")}}
			for i := 0; i < 9; {
				var got [][][]byte
				var err error
				if batches {
					got, err = s.RecvBatch(ztest.Context(t))
				} else {
					got = make([][][]byte, 1)
					got[0], err = s.Recv(ztest.Context(t))
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, message := range got {
					if !same(message, want[i%3]) {
						t.Fatalf("size %d, message %d is %d parts, the first %.20q", size, i, len(message), message[0])
					}
					i++
				}
			}
		}
	}
}

// TestBatchClosed checks that Close ends a waiting RecvBatch.
func TestBatchClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := configs(zap.Curve, "DEALER", "DEALER")
		c, _ := connect(t, client, server)
		ended := make(chan error, 1)
		go func() {
			_, err := c.RecvBatch(context.Background())
			ended <- err
		}()
		synctest.Wait()
		c.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// TestTrafficAllocs checks that sending and receiving a message allocates nothing,
// whatever its size, in batches and alone, with a context that can be canceled.
func TestTrafficAllocs(t *testing.T) {
	ztest.Unraced(t)
	for _, mechanism := range []string{zap.Null, zap.Curve} {
		for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
			client, server := configs(mechanism, "DEALER", "DEALER")
			a, b := tcpPair(t)
			c, s := connectOver(t, a, b, client, server)
			ctx, cancel := context.WithCancel(context.Background())
			const batch = 10
			received := make(chan error)
			go func() {
				for {
					for n := 0; n < batch; {
						messages, err := s.RecvBatch(ctx)
						if err != nil {
							received <- err
							return
						}
						n += len(messages)
					}
					received <- nil
				}
			}()
			payload := pattern(size)
			round := func() {
				for range batch - 1 {
					if err := c.Queue(ctx, payload); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.Send(ctx, payload); err != nil {
					t.Fatal(err)
				}
				if err := <-received; err != nil {
					t.Fatal(err)
				}
			}
			for range 5 { // until the buffers have grown
				round()
			}
			// A garbage collection in between empties the pools, so allow a few.
			if n := testing.AllocsPerRun(max(10, min(100, 4<<20/size)), round) / batch; n > 0.1 {
				t.Errorf("%s, %d bytes: %v allocations for a message", mechanism, size, n)
			}
			cancel()
			if err := <-received; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			c.Close()
			s.Close()
		}
	}
}

// TestIdleGoroutines checks that a connection has no goroutine of its own, with or
// without heartbeats, and that one that only sends has one.
func TestIdleGoroutines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		client, server string
		want           int
	}{{"DEALER", "ROUTER", 0}, {"PUSH", "PULL", 1}} {
		t.Run(tt.client, func(t *testing.T) {
			t.Parallel()
			pprof.SetGoroutineLabels(pprof.WithLabels(t.Context(), pprof.Labels("test", t.Name())))
			client, server := configs(zap.Curve, tt.client, tt.server)
			client.HeartbeatInterval, server.HeartbeatInterval = time.Hour, time.Hour
			const n = 20
			for range n {
				connect(t, client, server)
			}
			// The goroutines of the handshakes may still be ending.
			ztest.Wait(t, fmt.Sprintf("%d connections with %d goroutines each", n, tt.want), func() bool {
				return labelled(t.Name()) == 1+n*tt.want // with this one
			})
		})
	}
}

// labelled returns how many goroutines have a test's label. Every goroutine inherits it
// from the one that starts it, so those of other tests do not count.
func labelled(test string) (n int) {
	var profile bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&profile, 1)
	_, stacks, _ := strings.Cut(profile.String(), "\n") // the sum of all
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		if strings.Contains(stack, fmt.Sprintf("{%q:%q}", "test", test)) {
			var same int
			fmt.Sscan(stack, &same)
			n += same
		}
	}
	return n
}
