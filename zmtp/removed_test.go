package zmtp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
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

// site is a Listener under a policy that is watched: identities in groups, and accounts.
type site struct {
	dir string
	ln  *zmtp.Listener
	log *ztest.Log
}

func newSite(t *testing.T, server zmtp.Config, rules string, ids ...*keystore.Identity) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), log: new(ztest.Log)}
	ztest.Must(t, os.Mkdir(filepath.Join(s.dir, "clients"), 0o755))
	s.change(t, func(store keystore.Store) error { return store.Put(ids...) })
	file := filepath.Join(s.dir, "policy.zpl")
	ztest.WriteFile(t, file, rules)
	p, err := policy.Load(file, policy.Options{})
	ztest.Must(t, err)
	t.Cleanup(func() { p.Close() })
	ztest.Background(t, p.Watch)
	server.Handler, server.Log = p, s.log.Logger()
	s.ln, err = zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	t.Cleanup(func() { s.ln.Close() })
	return s
}

// change changes the keystore, as another process does.
func (s *site) change(t *testing.T, f func(keystore.Store) error) {
	t.Helper()
	store, err := keystore.Open("dir:"+filepath.Join(s.dir, "clients"), nil)
	ztest.Must(t, err, f(store), store.Close())
}

// connect returns both ends of a connection of a client.
func (s *site) connect(t *testing.T, cfg zmtp.Config) (c, server *zmtp.Conn) {
	t.Helper()
	c, err := zmtp.Dial(ztest.Context(t), s.ln.Endpoint(), cfg)
	if err != nil {
		t.Fatalf("%v; log:\n%s", err, s.log)
	}
	t.Cleanup(func() { c.CloseNow() })
	server, err = s.ln.Accept(ztest.Context(t))
	ztest.Must(t, err)
	t.Cleanup(func() { server.CloseNow() })
	return c, server
}

// wantRemoved checks that a connection is refused with a status.
func wantRemoved(t *testing.T, what string, err error, status zap.Status) {
	t.Helper()
	if refused, ok := errors.AsType[*zmtp.RefusedError](err); !ok || refused.Reply.Status != status {
		t.Errorf("%s: %v, want status %d", what, err, status)
	}
}

// TestRemovedByPolicy checks for each reason why a policy no longer admits a client: its
// connection ends with the reason on both sides, that of another client goes on, and the
// client can't come back, unless it would be admitted as somebody else.
func TestRemovedByPolicy(t *testing.T) {
	t.Parallel()
	const curveOf = "security\n    curve = 1\n        keystore = dir:clients\n        group = "
	one, two, bobs := policy.HashPassword([]byte("one")), policy.HashPassword([]byte("two")), policy.HashPassword([]byte("bob"))
	account := func(login, hash, more string) string {
		return fmt.Sprintf("        account\n            login = %s\n            password = %q\n%s", login, hash, more)
	}
	login := func(hash, more string) string {
		return "security\n    plain = 1\n" + account("alice", hash, more) + account("bob", bobs, "")
	}
	for name, tt := range map[string]struct {
		plain  bool
		before string
		change func(s *site, alice *cert.Certificate) func(keystore.Store) error // of the keystore
		after  string                                                            // the new rules, if not empty
		status zap.Status
		reason string
	}{
		"revoked": {before: curveOf + "a\n", change: func(_ *site, c *cert.Certificate) func(keystore.Store) error {
			return func(s keystore.Store) error { return s.Revoke(c.Public, time.Now(), "stolen") }
		}, status: zap.StatusRefused, reason: "stolen"},
		"removed": {before: curveOf + "a\n", change: func(_ *site, c *cert.Certificate) func(keystore.Store) error {
			return func(s keystore.Store) error { return s.Remove(c.Public) }
		}, status: zap.StatusRefused, reason: "unknown key"},
		"expired": {before: curveOf + "a\n", change: func(_ *site, c *cert.Certificate) func(keystore.Store) error {
			short := *c
			short.Validity.NotAfter = time.Now().Add(2 * time.Second).UTC().Truncate(time.Second)
			return func(s keystore.Store) error {
				return s.Put(&keystore.Identity{Name: "alice", Certificate: &short, Groups: []string{"a"}})
			}
		}, status: zap.StatusRefused, reason: "certificate expired"},
		"no longer in the group": {before: curveOf + "a\n", change: func(_ *site, c *cert.Certificate) func(keystore.Store) error {
			return func(s keystore.Store) error {
				return s.Put(&keystore.Identity{Name: "alice", Certificate: c, Groups: []string{"b"}})
			}
		}, status: zap.StatusRefused, reason: "not in an allowed group"},
		"in one more group": {before: curveOf + "a\n", change: func(_ *site, c *cert.Certificate) func(keystore.Store) error {
			return func(s keystore.Store) error {
				return s.Put(&keystore.Identity{Name: "alice", Certificate: c, Groups: []string{"a", "b"}})
			}
		}, status: zap.StatusTryLater, reason: "changed: connect again"},
		"another rule": {before: curveOf + "\"a, bob\"\n", after: curveOf + "bob\n", status: zap.StatusRefused, reason: "not in an allowed group"},
		"another password": {plain: true, before: login(one, ""), after: login(two, ""),
			status: zap.StatusRefused, reason: "wrong user name or password"},
		"another user id": {plain: true, before: login(one, ""), after: login(one, "            user-id = carol\n"),
			status: zap.StatusTryLater, reason: "changed: connect again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certs := map[string]*cert.Certificate{"alice": cert.Generate("alice"), "bob": cert.Generate("bob")}
			mechanism := zap.Curve
			if tt.plain {
				mechanism = zap.Plain
			}
			client, server := configs(mechanism, "DEALER", "DEALER")
			s := newSite(t, server, tt.before,
				&keystore.Identity{Name: "alice", Certificate: certs["alice"], Groups: []string{"a"}},
				&keystore.Identity{Name: "bob", Certificate: certs["bob"], Groups: []string{"a", "bob"}})
			as := func(name, password string) zmtp.Config {
				cfg := client
				cfg.Key = certs[name].Secret
				cfg.Username, cfg.Password = name, zap.NewPassword(password)
				return cfg
			}
			alice, atServer := s.connect(t, as("alice", "one"))
			bob, other := s.connect(t, as("bob", "bob"))
			if tt.change != nil {
				s.change(t, tt.change(s, certs["alice"]))
			}
			if tt.after != "" {
				ztest.WriteFile(t, filepath.Join(s.dir, "policy.zpl"), tt.after)
			}
			ctx := ztest.Context(t)
			_, err := atServer.Recv(ctx)
			wantRemoved(t, "server", err, tt.status)
			_, err = alice.Recv(ctx)
			if tt.status == zap.StatusTryLater {
				if err != io.EOF {
					t.Errorf("client: %v, want the end of a connection that may be made again", err)
				}
			} else {
				wantRemoved(t, "client", err, tt.status)
			}
			if again := tt.status == zap.StatusTryLater; zmtp.Retryable(err) != again {
				t.Errorf("retryable %v", !again)
			}
			again, err := zmtp.Dial(ctx, s.ln.Endpoint(), as("alice", "one"))
			switch {
			case tt.status != zap.StatusTryLater:
				wantRemoved(t, "connecting again", err, tt.status)
			case err != nil:
				t.Errorf("connecting again: %v", err)
			default:
				again.CloseNow()
			}
			ztest.Must(t, bob.Send(ctx, []byte("still here")))
			if m, err := other.Recv(ctx); err != nil || string(m[0]) != "still here" {
				t.Errorf("the other client: %q, %v", m, err)
			}
			if n := s.log.Count("client removed", fmt.Sprintf("status=%d", tt.status), tt.reason, "mechanism="+mechanism, "peer=127.0.0.1:", "rule="); n != 1 {
				t.Errorf("logged %d times:\n%s", n, s.log)
			}
		})
	}
}

// TestRemovedToComeBack checks that a client that may come back at once gets the end of the
// connection, as where a server can't decide yet.
func TestRemovedToComeBack(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		client, server := configs(mechanism, "DEALER", "DEALER")
		var end func(zap.Reply)
		server.Handler = &keeper{Handler: allow, began: func(f func(zap.Reply)) { end = f }}
		a, b := tcpPair(t)
		c, s := connectOver(t, a, b, client, server)
		end(zap.Reply{Status: zap.StatusTryLater, Text: "connect again"})
		_, err := s.Recv(ztest.Context(t))
		wantRemoved(t, "server", err, zap.StatusTryLater)
		if _, err := c.Recv(ztest.Context(t)); err != io.EOF {
			t.Errorf("%s: client: %v", mechanism, err)
		}
	}
}

// TestRemovedWithInvalidReply checks that a Keeper that ends a stay with a reply that
// admits, or none, ends it with an error.
func TestRemovedWithInvalidReply(t *testing.T) {
	t.Parallel()
	for _, reply := range []zap.Reply{{}, zap.Allow("bob")} {
		client, server := configs(zap.Curve, "DEALER", "DEALER")
		var end func(zap.Reply)
		server.Handler = &keeper{Handler: allow, began: func(f func(zap.Reply)) { end = f }}
		a, b := tcpPair(t)
		c, s := connectOver(t, a, b, client, server)
		end(reply)
		for _, conn := range []*zmtp.Conn{s, c} {
			_, err := conn.Recv(ztest.Context(t))
			wantRemoved(t, "Recv", err, zap.StatusError)
		}
	}
}

// TestRemovedWithoutBuffers checks that a client learns why it must leave over connections
// whose writes wait for the peer's reads, and that a client that does not read is gone
// within the time for that.
func TestRemovedWithoutBuffers(t *testing.T) {
	t.Parallel()
	for name, pair := range map[string]func(t *testing.T) (a, b net.Conn){
		"pipe": func(*testing.T) (a, b net.Conn) { return net.Pipe() },
		"TLS": func(t *testing.T) (a, b net.Conn) {
			a, b, _ = tlsPipe(t)
			return a, b
		},
	} {
		for _, reads := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " reads ", reads), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					client, server := configs(zap.Curve, "DEALER", "DEALER")
					var end func(zap.Reply)
					k := &keeper{Handler: allow, began: func(f func(zap.Reply)) { end = f }}
					server.Handler = k
					a, b := pair(t)
					c, s := connectOver(t, a, b, client, server)
					received := make(chan error, 1)
					if reads {
						go func() {
							_, err := c.Recv(t.Context())
							received <- err
						}()
						synctest.Wait()
					}
					start := time.Now()
					end(zap.Refuse("revoked"))
					_, err := s.Recv(t.Context())
					wantRemoved(t, "server", err, zap.StatusRefused)
					if took := time.Since(start); took != 0 {
						t.Errorf("the server waited %v", took)
					}
					if reads {
						wantRemoved(t, "client", <-received, zap.StatusRefused)
					}
					s.CloseNow()
					if took := time.Since(start); took > zmtp.FarewellPatience {
						t.Errorf("the connection ended after %v", took)
					}
					if n := k.released.Load(); n != 1 {
						t.Errorf("released %d times", n)
					}
				})
			})
		}
	}
}

// TestKeptUntilHandshakeFails checks that the Keeper learns of a client that it has admitted
// and whose handshake fails.
func TestKeptUntilHandshakeFails(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		client, server := configs(mechanism, "PUSH", "REP")
		var end func(zap.Reply)
		k := &keeper{Handler: allow, began: func(f func(zap.Reply)) { end = f }}
		var log ztest.Log
		server.Handler, server.Log = k, log.Logger()
		a, b := net.Pipe()
		if _, s := shake(ztest.Context(t), a, b, client, server); !errors.Is(s.err, zmtp.ErrIncompatible) {
			t.Errorf("%s: %v", mechanism, s.err)
		}
		if n := k.released.Load(); n != 1 {
			t.Errorf("%s: released %d times", mechanism, n)
		}
		end(zap.Refuse("too late"))
		if log.Count("client removed") > 0 {
			t.Errorf("%s: log:\n%s", mechanism, &log)
		}
	}
}

// TestRemovedDuringHandshake checks that a client that must leave between the decision and
// the end of its handshake gets no connection that lasts.
func TestRemovedDuringHandshake(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		client, server := configs(mechanism, "DEALER", "DEALER")
		var end func(zap.Reply)
		k := &keeper{Handler: allow, began: func(f func(zap.Reply)) { end = f }}
		server.Handler = k
		a, b := tcpPair(t)
		h := &hooked{Conn: b}
		var once sync.Once
		h.hooks.Store(&hooks{wrote: func([]byte) {
			if end != nil { // READY is written
				once.Do(func() { end(zap.Refuse("revoked")) })
			}
		}})
		c, s := shake(ztest.Context(t), a, h, client, server)
		for name, r := range map[string]result{"client": c, "server": s} {
			err := r.err
			if err == nil {
				_, err = r.conn.Recv(ztest.Context(t))
				defer r.conn.CloseNow()
			}
			wantRemoved(t, mechanism+" "+name, err, zap.StatusRefused)
		}
		ztest.Wait(t, "released", func() bool { return k.released.Load() == 1 })
	}
}

// TestRemovedWhileClosing lets a client be removed while both sides close and send: nothing
// hangs, and the Keeper learns once that the client has left.
func TestRemovedWhileClosing(t *testing.T) {
	t.Parallel()
	for i := range 60 {
		client, server := configs(mechanisms[i%3], "DEALER", "DEALER")
		var end func(zap.Reply)
		k := &keeper{Handler: allow, began: func(f func(zap.Reply)) { end = f }}
		server.Handler = k
		a, b := tcpPair(t)
		c, s := connectOver(t, a, b, client, server)
		var all sync.WaitGroup
		for _, f := range []func(){
			func() { end(zap.Refuse("revoked")) },
			func() { s.Send(context.Background(), []byte("x")) },
			func() { s.Recv(context.Background()) },
			func() { s.Close() },
			func() {
				if i%2 == 0 {
					s.CloseNow()
				}
			},
			func() { c.Recv(context.Background()) },
			func() {
				if i%5 == 0 {
					c.Close()
				}
			},
		} {
			all.Go(f)
		}
		all.Wait()
		if n := k.released.Load(); n != 1 {
			t.Errorf("released %d times", n)
		}
	}
}
