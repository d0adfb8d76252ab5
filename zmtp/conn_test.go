package zmtp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

var sizes = []int{0, 1, 255, 256, 64 << 10, 8 << 20}

// pattern returns n bytes that differ from place to place, at most as many as the largest
// of sizes. All calls return the same memory: do not change it.
func pattern(n int) []byte { return longest()[:n:n] }

var longest = sync.OnceValue(func() []byte {
	p := make([]byte, slices.Max(sizes))
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return p
})

func TestMessages(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			client, server := configs(mechanism, "DEALER", "DEALER")
			c, s := connect(t, client, server)
			ctx := ztest.Context(t)
			for _, pair := range [][2]*zmtp.Conn{{c, s}, {s, c}} {
				for _, size := range sizes {
					for _, message := range [][][]byte{{pattern(size)}, {{}, pattern(size), []byte("last")}} {
						go pair[0].Send(ctx, message...)
						got, err := pair[1].Recv(ctx)
						if err != nil {
							t.Fatalf("size %d: %v", size, err)
						}
						if !same(message, got) {
							t.Errorf("size %d, %d parts: another message arrived", size, len(message))
						}
					}
				}
			}
		})
	}
}

// TestConcurrentUse checks that messages of several senders arrive whole and each
// sender's in order, while heartbeats go both ways. The connection keeps what arrives
// after a side has its messages and reads no more.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	client, server := configs(zap.Curve, "DEALER", "DEALER")
	client.HeartbeatInterval, server.HeartbeatInterval = time.Millisecond, time.Millisecond
	client.HeartbeatTimeout, server.HeartbeatTimeout = time.Minute, time.Minute
	a, b := tcpPair(t)
	c, s := connectOver(t, a, b, client, server)
	ctx := ztest.Context(t)
	const senders, each = 4, 250
	var wg sync.WaitGroup
	for _, conn := range []*zmtp.Conn{c, s} {
		for id := range senders {
			wg.Go(func() {
				for n := range each {
					if err := conn.Send(ctx, []byte{byte(id)}, binary.BigEndian.AppendUint32(nil, uint32(n))); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Go(func() {
			var next [senders]uint32
			for range senders * each {
				m, err := conn.Recv(ctx)
				if err != nil || len(m) != 2 {
					t.Errorf("%v %v", m, err)
					return
				}
				if n := binary.BigEndian.Uint32(m[1]); n != next[m[0][0]] {
					t.Errorf("sender %d: got message %d, want %d", m[0][0], n, next[m[0][0]])
					return
				}
				next[m[0][0]]++
			}
		})
	}
	wg.Wait()
}

// rawServer returns a NULL server and the raw connection of its client.
func rawServer(t *testing.T, cfg zmtp.Config) (raw net.Conn, s *zmtp.Conn) {
	t.Helper()
	cfg.Mechanism, cfg.HandshakeTimeout = zap.Null, ztest.Patience
	a, b := net.Pipe()
	ztest.Must(t, a.SetDeadline(time.Now().Add(ztest.Patience)))
	go a.Write(append(greetingOf("NULL"), frame(4, []byte("\x05READY"))...))
	read := make(chan struct{})
	go func() {
		defer close(read)
		start := make([]byte, 64+2) // greeting, and the header of READY
		io.ReadFull(a, start)
		io.CopyN(io.Discard, a, int64(start[65]))
	}()
	s, err := zmtp.Server(ztest.Context(t), b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	<-read
	t.Cleanup(func() { a.Close(); s.Close() })
	return a, s
}

// TestHostileTraffic checks that each violation ends the connection with its own
// error, at once, and without memory for what was only announced.
func TestHostileTraffic(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		send []byte
		want error
	}{
		{"2^63-1 bytes announced", append([]byte{2}, binary.BigEndian.AppendUint64(nil, math.MaxInt64)...), zmtp.ErrMessageSize},
		{"2^63 bytes announced", append([]byte{2}, binary.BigEndian.AppendUint64(nil, 1<<63)...), zmtp.ErrFrame},
		{"over the limit", append([]byte{2}, binary.BigEndian.AppendUint64(nil, 1<<20+1)...), zmtp.ErrMessageSize},
		{"over the limit in two parts", append(frame(1, pattern(1<<19)), append([]byte{2}, binary.BigEndian.AppendUint64(nil, 1<<19+1)...)...), zmtp.ErrMessageSize},
		{"reserved flag", []byte{8, 0}, zmtp.ErrFrame},
		{"command with MORE", []byte{5, 0}, zmtp.ErrFrame},
		{"empty command", frame(4, nil), zmtp.ErrCommand},
		{"command name cut off", frame(4, []byte("\x05PIN")), zmtp.ErrCommand},
		{"PING without TTL", frame(4, []byte("\x04PING\x00")), zmtp.ErrCommand},
		{"PING with 17 bytes", frame(4, []byte("\x04PING\x00\x00"+strings.Repeat("x", 17))), zmtp.ErrCommand},
		{"subscription to a DEALER", frame(4, []byte("\x09SUBSCRIBEx")), zmtp.ErrCommand},
		{"malformed ERROR", frame(4, []byte("\x05ERROR\x09x")), zmtp.ErrCommand},
		{"too many parts", bytes.Repeat([]byte{1, 0}, 11), zmtp.ErrParts},
		{"commands without end in a message", append([]byte{1, 0}, bytes.Repeat(frame(4, []byte("\x04PONG")), 2000)...), zmtp.ErrCommand},
		{"end in a header", []byte{2, 0, 0}, io.ErrUnexpectedEOF},
		{"end in a body", []byte{0, 5, 1}, io.ErrUnexpectedEOF},
		{"end in a message", []byte{1, 1, 1}, io.ErrUnexpectedEOF},
		{"end", nil, io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER", MaxMessageSize: 1 << 20, MaxParts: 10})
			go func() {
				raw.Write(tt.send)
				raw.Close()
			}()
			for range 2 { // the error stays
				if m, err := s.Recv(ztest.Context(t)); !errors.Is(err, tt.want) {
					t.Errorf("got message %q, error %v, want %v", m, err, tt.want)
				}
			}
			if err := s.Send(ztest.Context(t), nil); err == nil {
				t.Error("Send on a dead connection succeeds")
			}
		})
	}
}

// TestMemoryFollowsArrival checks that a peer that announces much and sends little
// takes little memory. It is not parallel, because it measures the whole process.
func TestMemoryFollowsArrival(t *testing.T) {
	const announced = min(1<<40, math.MaxInt/2+1) // a TiB, or where an int has 32 bits a GiB
	raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER", MaxMessageSize: announced})
	sent := [][]byte{
		append([]byte{2}, binary.BigEndian.AppendUint64(nil, announced)...),
		make([]byte, 100<<10),
		make([]byte, 1), // Recv makes room for it when it has the rest
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithCancel(ztest.Context(t))
	defer cancel()
	go func() {
		for _, octets := range sent {
			raw.Write(octets) // until Recv has read them
		}
		cancel()
	}()
	if _, err := s.Recv(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
		t.Errorf("100 KiB of %d bytes announced took %d", uint64(announced), took)
	}
}

// TestRecvInterrupted checks that an interrupted Recv loses nothing, wherever in the
// stream it stops.
func TestRecvInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER"})
		want := [][]byte{pattern(20000), []byte("second")}
		stream := append(frame(1, want[0]), frame(0, want[1])...)
		go func() {
			for len(stream) > 0 {
				time.Sleep(2 * time.Millisecond)
				n := min(len(stream), 977)
				raw.Write(stream[:n])
				stream = stream[n:]
			}
		}()
		for interrupted := 0; ; interrupted++ {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Millisecond)
			got, err := s.Recv(ctx)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) && interrupted < 1000 {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if interrupted < 10 {
				t.Errorf("Recv was interrupted %d times: the test proves nothing", interrupted)
			}
			if !same(want, got) {
				t.Error("another message arrived")
			}
			return
		}
	})
}

// TestTamperedTraffic checks that one changed bit in a CURVE message ends the
// connection, and so do flags outside the box.
func TestTamperedTraffic(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		tamper func(octets []byte)
		want   string // in the error
	}{
		{"outer MORE", func(b []byte) { b[0] |= 1 }, "malformed frame"},
		{"outer COMMAND", func(b []byte) { b[0] |= 4 }, "malformed frame"},
		{"nonce", func(b []byte) { b[10+7] ^= 4 }, ": MESSAGE: box does not open"},
		{"box", func(b []byte) { b[len(b)-1] ^= 1 }, ": MESSAGE: box does not open"},
		{"name", func(b []byte) { b[3] ^= 1 }, ": MESSAGE: unexpected command"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, server := configs(zap.Curve, "DEALER", "DEALER")
			clientEnd, middleA := net.Pipe()
			middleB, serverEnd := net.Pipe()
			go io.Copy(middleA, middleB) // server to client
			tampering := make(chan struct{})
			go func() {
				buf := make([]byte, 64<<10)
				for {
					n, err := middleA.Read(buf)
					if err != nil {
						middleB.Close()
						return
					}
					select {
					case <-tampering:
						tt.tamper(buf[:n])
					default:
					}
					middleB.Write(buf[:n])
				}
			}()
			c, s := connectOver(t, clientEnd, serverEnd, client, server)
			close(tampering)
			go c.Send(ztest.Context(t), []byte("pay 100 to bob"))
			if m, err := s.Recv(ztest.Context(t)); !errors.Is(err, zmtp.ErrProtocol) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got message %q, error %v, want %v", m, err, tt.want)
			}
		})
	}
}

// TestHeartbeats checks that PING and PONG keep two idle peers connected for longer
// than their timeouts.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, server := configs(mechanism, "PUSH", "PULL")
				client.HeartbeatInterval, client.HeartbeatTimeout = 100*time.Millisecond, time.Second
				c, s := connect(t, client, server)
				received := make(chan error, 1)
				go func() {
					_, err := s.Recv(ztest.Context(t))
					received <- err
				}()
				time.Sleep(2500 * time.Millisecond)
				if err := c.Send(ztest.Context(t), []byte("still here")); err != nil {
					t.Error(err)
				}
				if err := <-received; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestSilentPeer checks that a silent peer is given up neither too early nor too late:
// one that does not answer a PING, and one that announced a TTL in its own.
func TestSilentPeer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		interval time.Duration // of our PINGs
		sends    []byte
		limit    time.Duration
	}{
		{"no answer to our PING", 50 * time.Millisecond, nil, 100 * time.Millisecond},
		{"its own TTL", 0, frame(4, []byte("\x04PING\x00\x03ctx")), 300 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER", HeartbeatInterval: tt.interval})
				go func() {
					raw.Write(tt.sends)
					io.Copy(io.Discard, raw)
				}()
				start := time.Now()
				if _, err := s.Recv(ztest.Context(t)); !errors.Is(err, zmtp.ErrHeartbeat) {
					t.Errorf("got %v", err)
				}
				// The last attempt to read takes a hundredth of a second.
				if waited := time.Since(start) - 10*time.Millisecond; waited != tt.limit {
					t.Errorf("gave up after %v, want %v", waited, tt.limit)
				}
			})
		})
	}
}

// TestPong checks that PONG echoes the context of PING.
func TestPong(t *testing.T) {
	t.Parallel()
	raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER"})
	go s.Recv(ztest.Context(t))
	raw.Write(frame(4, []byte("\x04PING\x00\x00hello")))
	got := make([]byte, 12)
	if _, err := io.ReadFull(raw, got); err != nil || !bytes.Equal(got, frame(4, []byte("\x04PONGhello"))) {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestSubscriptions checks that subscriptions look the same whether they arrive as
// commands of ZMTP 3.1 or as messages of 3.0.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	client, server := configs(zap.Null, "SUB", "PUB")
	c, s := connect(t, client, server)
	ctx := ztest.Context(t)
	go func() {
		c.Subscribe(ctx, []byte("weather"))
		c.Unsubscribe(ctx, []byte("weather"))
		c.Send(ctx, []byte("\x01old style"))
	}()
	for _, want := range []string{"\x01weather", "\x00weather", "\x01old style"} {
		m, err := s.Recv(ctx)
		if err != nil || len(m) != 1 || string(m[0]) != want {
			t.Errorf("got %q, %v, want %q", m, err, want)
		}
	}
	if err := s.Subscribe(ctx, nil); err == nil {
		t.Error("a PUB could subscribe")
	}
}

// TestLargeMessageUnraced checks that a message slightly larger than a power of two
// takes hardly more memory than one slightly smaller.
func TestLargeMessageUnraced(t *testing.T) {
	ztest.Unraced(t)
	const size = 16<<20 + 100
	raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER"})
	octets := frame(0, make([]byte, size))
	go raw.Write(octets)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if got, err := s.Recv(ztest.Context(t)); err != nil || len(got[0]) != size {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// All buffers together: 4 KiB, 8 KiB and so on up to 16 MiB, then 18 MiB, which the
	// message fits into, and the copy. The next power of two would be 32 MiB.
	if took := after.TotalAlloc - before.TotalAlloc; took > size*9/2 {
		t.Errorf("a message of %d bytes took %d in all", size, took)
	}
}

// TestIdleMemoryUnraced checks that an idle connection with heartbeats takes at most 6 KiB
// besides the stack of the goroutine in Recv: 2 to 4 KiB more, depending on the stacks that
// Go has seen before. A policy that may remove its client takes at most 2 KiB more at the
// server. It is not parallel, because it measures the whole process.
func TestIdleMemoryUnraced(t *testing.T) {
	ztest.Unraced(t)
	client, server := configs(zap.Curve, "DEALER", "DEALER")
	idleMemory(t, client, server, 6<<10)
	store := keystore.NewMemory()
	ztest.Must(t, store.Put(&keystore.Identity{Name: "alice", Certificate: &cert.Certificate{Public: client.Key.Public()}}))
	p, err := policy.Default(store, policy.Options{})
	ztest.Must(t, err)
	defer p.Close()
	server.Handler = p
	idleMemory(t, client, server, 7<<10) // on average over both ends
}

// idleMemory checks that an idle connection takes at most this many bytes.
func idleMemory(t *testing.T, client, server zmtp.Config, most int64) {
	t.Helper()
	client.HeartbeatInterval, server.HeartbeatInterval = time.Hour, time.Hour
	take := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // empties the pools
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const pairs = 200
	message := pattern(10_000) // allocates for all tests, once
	before := take()
	var conns []*zmtp.Conn
	for range pairs {
		a, b := tcpPair(t)
		c, s := connectOver(t, a, b, client, server)
		conns = append(conns, c, s)
		ztest.Must(t, c.Send(ztest.Context(t), message))
		if _, err := s.Recv(ztest.Context(t)); err != nil {
			t.Fatal(err)
		}
	}
	var receiving sync.WaitGroup
	for _, conn := range conns {
		receiving.Go(func() { conn.Recv(context.Background()) })
	}
	each := int64(0)
	ztest.Wait(t, "little memory for each connection", func() bool { // once the handshakes' goroutines have ended
		each = int64(take()-before) / (2 * pairs)
		return each <= most
	})
	t.Logf("%d bytes each", each)
	for _, conn := range conns {
		conn.CloseNow()
	}
	receiving.Wait()
}
