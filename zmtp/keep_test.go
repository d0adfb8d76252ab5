package zmtp_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// keeper admits every client and calls began with the function that ends its stay.
type keeper struct {
	zap.Handler
	began    func(end func(zap.Reply))
	released atomic.Int32
}

func (k *keeper) Keep(_ *zap.Request, _ zap.Reply, end func(zap.Reply)) func() {
	k.began(end)
	return func() { k.released.Add(1) }
}

// TestRemoved checks that a client that must leave learns why, as does the server, and that
// what was queued is not sent.
func TestRemoved(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			client, server := configs(mechanism, "DEALER", "DEALER")
			var end func(zap.Reply)
			k := &keeper{Handler: allow, began: func(f func(zap.Reply)) { end = f }}
			var log ztest.Log
			server.Handler, server.Log = k, log.Logger()
			a, b := tcpPair(t)
			c, s := connectOver(t, a, b, client, server)
			ctx := ztest.Context(t)
			ztest.Must(t, c.Send(ctx, []byte("not delivered")))
			ztest.Must(t, s.Queue(ctx, []byte("not sent")))
			end(zap.Refuse("revoked"))
			for name, conn := range map[string]*zmtp.Conn{"server": s, "client": c} {
				message, err := conn.Recv(ctx)
				refused, ok := errors.AsType[*zmtp.RefusedError](err)
				if !ok || refused.Reply.Status != zap.StatusRefused || message != nil {
					t.Errorf("%s: Recv: %q, %v", name, message, err)
				}
				err = conn.Send(ctx, []byte("too late"))
				if _, ok := errors.AsType[*zmtp.RefusedError](err); !ok {
					t.Errorf("%s: Send: %v", name, err)
				}
			}
			s.CloseNow()
			if n := k.released.Load(); n != 1 {
				t.Errorf("released %d times", n)
			}
			if n := log.Count("client removed", "revoked"); n != 1 {
				t.Errorf("told %d times:\n%s", n, &log)
			}
		})
	}
}

// TestRemovedBeforeKeepReturns checks that a client that must leave before Keep has returned
// is refused, and one for which Keep panics.
func TestRemovedBeforeKeepReturns(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		began    func(end func(zap.Reply))
		status   zap.Status
		released int32
	}{
		"ends":   {func(end func(zap.Reply)) { end(zap.Refuse("revoked")) }, zap.StatusRefused, 1},
		"panics": {func(func(zap.Reply)) { panic("out of luck") }, zap.StatusError, 0},
	} {
		for _, mechanism := range mechanisms {
			t.Run(name+"/"+mechanism, func(t *testing.T) {
				t.Parallel()
				client, server := configs(mechanism, "DEALER", "DEALER")
				k := &keeper{Handler: allow, began: tt.began}
				server.Handler = k
				a, b := tcpPair(t)
				c, s := shake(ztest.Context(t), a, b, client, server)
				for _, err := range []error{c.err, s.err} {
					if refused, ok := errors.AsType[*zmtp.RefusedError](err); !ok || refused.Reply.Status != tt.status {
						t.Errorf("got %v", err)
					}
				}
				if n := k.released.Load(); n != tt.released {
					t.Errorf("released %d times", n)
				}
			})
		}
	}
}

// TestRemovedWhileBusy checks that a client that floods the server, or that does not read,
// is cut off all the same.
func TestRemovedWhileBusy(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		for _, floods := range []bool{true, false} {
			name := map[bool]string{true: "floods", false: "does not read"}[floods]
			t.Run(name+"/"+mechanism, func(t *testing.T) {
				t.Parallel()
				client, server := configs(mechanism, "DEALER", "DEALER")
				var end func(zap.Reply)
				server.Handler = &keeper{Handler: allow, began: func(f func(zap.Reply)) { end = f }}
				a, b := tcpPair(t)
				c, s := connectOver(t, a, b, client, server)
				ctx := ztest.Context(t)
				from := s
				if floods {
					from = c
				}
				sent := make(chan error, 1)
				begun := make(chan struct{}, 1)
				go func() {
					for {
						if err := from.Send(ctx, pattern(100<<10)); err != nil {
							sent <- err
							return
						}
						select {
						case begun <- struct{}{}:
						default:
						}
					}
				}()
				<-begun
				end(zap.Refuse("revoked"))
				_, err := s.Recv(ctx)
				if _, ok := errors.AsType[*zmtp.RefusedError](err); !ok {
					t.Errorf("Recv: %v", err)
				}
				if err := <-sent; errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Send: %v", err)
				}
			})
		}
	}
}

// TestReleased checks that the Keeper learns when a client has left by itself.
func TestReleased(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(c, s *zmtp.Conn){
		"Close":    func(_, s *zmtp.Conn) { s.Close() },
		"CloseNow": func(_, s *zmtp.Conn) { s.CloseNow() },
		"peer": func(c, s *zmtp.Conn) {
			c.Close()
			s.Recv(context.Background())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := configs(zap.Curve, "DEALER", "DEALER")
			var end func(zap.Reply)
			k := &keeper{Handler: allow, began: func(f func(zap.Reply)) { end = f }}
			server.Handler = k
			a, b := tcpPair(t)
			c, s := connectOver(t, a, b, client, server)
			leave(c, s)
			ztest.Wait(t, "the watch is released", func() bool { return k.released.Load() == 1 })
			end(zap.Refuse("too late"))
		})
	}
}

// TestRemovedThenClosed closes a connection as soon as its client must leave, as a program
// does whose Send fails. The Recv in progress returns why all the same.
func TestRemovedThenClosed(t *testing.T) {
	t.Parallel()
	for range 100 {
		client, server := configs(zap.Null, "DEALER", "DEALER")
		var end func(zap.Reply)
		server.Handler = &keeper{Handler: allow, began: func(f func(zap.Reply)) { end = f }}
		a, b := tcpPair(t)
		_, s := connectOver(t, a, b, client, server)
		received := make(chan error, 1)
		receiving := make(chan struct{})
		go func() {
			close(receiving)
			_, err := s.Recv(context.Background())
			received <- err
		}()
		<-receiving
		end(zap.Refuse("revoked"))
		s.CloseNow()
		err := ztest.Receive(t, "the end of Recv", received)
		if _, ok := errors.AsType[*zmtp.RefusedError](err); !ok {
			t.Fatalf("Recv: %v", err)
		}
	}
}
