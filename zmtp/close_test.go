package zmtp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestCloseDelivers checks that accepted messages arrive although Close follows at
// once, even while unread data of the peer keeps arriving.
func TestCloseDelivers(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		for _, network := range []string{"tcp", "unix", "pipe"} {
			t.Run(mechanism+"/"+network, func(t *testing.T) {
				t.Parallel()
				client, server := configs(mechanism, "DEALER", "DEALER")
				a, b := pairOf(t, network)
				c, s := connectOver(t, a, b, client, server)
				ctx, cancel := context.WithCancel(ztest.Context(t))
				go func() {
					for s.Send(ctx, pattern(1000)) == nil { // nothing receives it
					}
				}()
				const n = 100
				closed := make(chan error, 1)
				go func() {
					for range n {
						if err := c.Queue(ctx, pattern(10_000)); err != nil {
							t.Error(err)
						}
					}
					closed <- c.Close()
				}()
				for i := range n {
					if got, err := s.Recv(ctx); err != nil || !same(got, [][]byte{pattern(10_000)}) {
						t.Fatalf("message %d: %v", i, err)
					}
				}
				if _, err := s.Recv(ctx); err == nil {
					t.Error("and one more")
				}
				if err := <-closed; err != nil {
					t.Error(err)
				}
				cancel()
			})
		}
	}
}

// pairOf returns both ends of a connection over a network, or over net.Pipe.
func pairOf(t *testing.T, network string) (a, b net.Conn) {
	switch network {
	case "pipe":
		return net.Pipe()
	case "tcp":
		return tcpPair(t)
	}
	ln, err := net.Listen("unix", t.TempDir()+"/socket")
	ztest.Must(t, err)
	defer ln.Close()
	a, err = net.Dial("unix", ln.Addr().String())
	ztest.Must(t, err)
	return a, acceptFrom(t, ln, "")
}

// TestCloseIsBounded checks that a peer that does not read delays Close for 5 seconds,
// and CloseNow not at all. Both report that not everything arrived, and end all calls.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		close func(*zmtp.Conn) error
		takes time.Duration
	}{
		"Close":    {(*zmtp.Conn).Close, 5 * time.Second},
		"CloseNow": {(*zmtp.Conn).CloseNow, 0},
		"CloseNow during Close": {func(c *zmtp.Conn) error {
			closed := make(chan error, 1)
			go func() { closed <- c.Close() }()
			time.Sleep(time.Second)
			return errors.Join(c.CloseNow(), <-closed)
		}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, server := configs(zap.Curve, "DEALER", "DEALER")
				c, s := connect(t, client, server)
				errs := make(chan error, 4)
				for range 2 {
					go func() {
						_, err := c.Recv(context.Background())
						errs <- err
					}()
					go func() { errs <- c.Send(context.Background(), pattern(1<<20)) }() // nothing reads it
				}
				synctest.Wait()
				start := time.Now()
				if err := tt.close(c); err == nil {
					t.Error("it doesn't say that a message is lost")
				}
				if took := time.Since(start); took != tt.takes {
					t.Errorf("it took %v, want %v", took, tt.takes)
				}
				for range 4 {
					if err := <-errs; !errors.Is(err, net.ErrClosed) || errors.Is(err, zmtp.ErrQueued) {
						t.Errorf("got %v", err)
					}
				}
				if err := c.Send(t.Context(), nil); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Send: %v", err)
				}
				if _, err := s.Recv(t.Context()); err == nil {
					t.Error("the peer got a message that was cut off")
				}
			})
		})
	}
}

// TestCloseSaysWhatIsLost checks that Close reports a lost message even if its sender
// stopped waiting, expecting it to be sent.
func TestCloseSaysWhatIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER"})
		if err := s.Send(within(t, time.Second), []byte("x")); !errors.Is(err, zmtp.ErrQueued) {
			t.Fatal(err)
		}
		raw.Close()
		if _, err := s.Recv(t.Context()); err == nil {
			t.Fatal("the connection has not ended")
		}
		if err := s.Close(); err == nil {
			t.Error("Close doesn't say it")
		}
	})
}

// TestCloseOfIdle checks that Close returns no error if nothing is lost, and waits
// only a moment for the peer to close its side.
func TestCloseOfIdle(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix", "pipe"} {
		client, server := configs(zap.Curve, "DEALER", "DEALER")
		a, b := pairOf(t, network)
		c, s := connectOver(t, a, b, client, server)
		sent := make(chan error, 1)
		go func() { sent <- s.Send(ztest.Context(t), []byte("x")) }()
		if _, err := c.Recv(ztest.Context(t)); err != nil {
			t.Fatal(err)
		}
		ztest.Must(t, <-sent)
		if network != "pipe" { // unread data of s must not reset the connection
			ztest.Must(t, c.Send(ztest.Context(t), []byte("unread")))
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := c.Recv(ztest.Context(t)); err != io.EOF {
			t.Errorf("the peer got %v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("after the peer has closed: %v", err)
		}
	}
}

// TestCloseUnread checks the easiest way to lose a message: closing a connection with
// unread data of the peer.
func TestCloseUnread(t *testing.T) {
	t.Parallel()
	a, b := tcpPair(t)
	client, server := configs(zap.Null, "DEALER", "DEALER")
	c, s := connectOver(t, a, b, client, server)
	ztest.Must(t, s.Send(ztest.Context(t), pattern(1000)))
	message := pattern(1 << 20)
	closed := make(chan error, 1)
	go func() {
		if err := c.Send(ztest.Context(t), message); err != nil {
			t.Error(err)
		}
		closed <- c.Close()
	}()
	got, err := s.Recv(ztest.Context(t))
	if err != nil || !bytes.Equal(got[0], message) {
		t.Errorf("got %v", err)
	}
	ztest.Must(t, <-closed)
}

// TestCloseDuringLastLook checks that Close ends the last attempt to read from a
// silent peer.
func TestCloseDuringLastLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		raw, h, s := connectHooked(t, zmtp.Config{HeartbeatInterval: time.Second, HeartbeatTimeout: time.Second})
		taken := make([]byte, len("\x04\x07\x04PING\x00\x00"))
		_, err := io.ReadFull(raw, taken)
		ztest.Must(t, err)
		time.Sleep(1100 * time.Millisecond) // the peer is suspect now
		go s.Send(t.Context(), []byte("x")) // and excused, since bytes wait to be written
		time.Sleep(time.Second)
		closed := make(chan error, 1)
		var once sync.Once
		h.hooks.Store(&hooks{setReadDeadline: func(at time.Time) {
			if at.After(time.Now()) {
				once.Do(func() {
					go func() { closed <- s.Close() }()
					synctest.Wait()
				})
			}
		}})
		if _, err := s.Recv(within(t, time.Minute)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		<-closed
	})
}

// TestNothingTakenDuringClose checks that while Close delivers messages, new ones are
// refused at once, and none are received.
func TestNothingTakenDuringClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		raw, s := rawServer(t, zmtp.Config{SocketType: "DEALER"})
		ztest.Must(t, s.Queue(t.Context(), []byte("before")))
		waiting := make(chan error, 1)
		go s.Flush(t.Context())
		synctest.Wait()
		go func() { waiting <- s.Send(t.Context(), pattern(1<<20)) }()
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		synctest.Wait()
		for _, message := range [][]byte{[]byte("small"), pattern(1 << 20)} {
			if err := s.Queue(t.Context(), message); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%d bytes: %v", len(message), err)
			}
		}
		start := time.Now()
		if err := <-waiting; !errors.Is(err, net.ErrClosed) || time.Since(start) > 0 {
			t.Errorf("one that has waited for a place: %v after %v", err, time.Since(start))
		}
		if _, err := s.Recv(t.Context()); !errors.Is(err, net.ErrClosed) || time.Since(start) > 0 {
			t.Errorf("Recv: %v after %v", err, time.Since(start))
		}
		if got, err := io.ReadAll(raw); err != nil || !bytes.Equal(got, frame(0, []byte("before"))) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		ztest.Must(t, <-closed)
	})
}

// TestCloseWithHeartbeatUnread checks that Close does not wait for a peer to read
// heartbeats, and does not count them as messages.
func TestCloseWithHeartbeatUnread(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			_, server := configs(zap.Null, "DEALER", "DEALER")
			server.HeartbeatInterval, server.HeartbeatTimeout = time.Millisecond, time.Hour
			raw, b := pairOf(t, network)
			defer raw.Close()
			_, err := raw.Write(append(greetingOf("NULL"), frame(4, []byte("\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"))...))
			ztest.Must(t, err)
			s, err := zmtp.Server(ztest.Context(t), b, server)
			ztest.Must(t, err)
			ztest.Must(t, s.Send(ztest.Context(t), []byte("the last message")))
			for seen := []byte(nil); !bytes.Contains(seen, []byte("the last message\x04")); { // a PING follows
				octet := make([]byte, 1)
				_, err := io.ReadFull(raw, octet)
				ztest.Must(t, err)
				seen = append(seen, octet...)
			}
			ztest.Must(t, s.Close())
		})
	}
}

// TestCloseWithoutCloseWrite checks that over a net.Conn without CloseWrite, Close
// reports that it cannot tell what has arrived, unless the peer closes its side.
func TestCloseWithoutCloseWrite(t *testing.T) {
	t.Parallel()
	for _, leaves := range []bool{false, true} {
		client, server := configs(zap.Null, "DEALER", "DEALER")
		a, b := tcpPair(t)
		c, s := connectOver(t, struct{ net.Conn }{a}, b, client, server)
		ztest.Must(t, c.Send(ztest.Context(t), []byte("x")))
		if _, err := s.Recv(ztest.Context(t)); err != nil {
			t.Fatal(err)
		}
		if leaves {
			ztest.Must(t, s.Close())
		}
		if err := c.Close(); (err == nil) != leaves {
			t.Errorf("the peer leaves: %t: %v", leaves, err)
		}
	}
}
