package zmq4_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// removal is a keystore with alice and bob, and a policy that admits them.
type removal struct {
	store      keystore.Store
	policy     *policy.Policy
	server     curve.SecretKey
	alice, bob *cert.Certificate
}

func newRemoval(t *testing.T) *removal {
	t.Helper()
	r := &removal{keystore.NewMemory(), nil, curve.GenerateKey(), cert.Generate("alice"), cert.Generate("bob")}
	for _, c := range []*cert.Certificate{r.alice, r.bob} {
		ztest.Must(t, r.store.Put(&keystore.Identity{Name: c.Name(), Certificate: c}))
	}
	var err error
	r.policy, err = policy.Default(r.store, policy.Options{})
	ztest.Must(t, err)
	t.Cleanup(func() { r.policy.Close() })
	return r
}

// open opens a socket of the server, or of a client, and returns its events except Listening.
func (r *removal) open(t *testing.T, of newSocket, client *cert.Certificate, opts ...zmq4.Option) (zmq4.Socket, <-chan sockets.Event) {
	t.Helper()
	security := zmq4.CurveServer(r.server, "test", r.policy)
	if client != nil {
		security = zmq4.CurveClient(client.Secret, r.server.Public())
	}
	events := make(chan sockets.Event, 100)
	return open(t, of, append(opts, zmq4.WithSecurity(security), zmq4.WithReconnect(time.Millisecond, 5*time.Millisecond),
		zmq4.WithEvents(func(e sockets.Event) {
			if e.Kind != sockets.Listening {
				events <- e
			}
		}))...), events
}

// next returns the next event, which must be of a kind.
func next(t *testing.T, of string, events <-chan sockets.Event, kind sockets.Kind) sockets.Event {
	t.Helper()
	e := ztest.Receive(t, "an event of "+of, events)
	if e.Kind != kind {
		t.Fatalf("%s: %v, %v, want %v", of, e.Kind, e, kind)
	}
	return e
}

// wantRefused checks that an event tells of status 400, and that the socket tries again only
// after a long pause, if it dials.
func wantRefused(t *testing.T, of string, e sockets.Event, dials bool) {
	t.Helper()
	refused, ok := errors.AsType[*zmtp.RefusedError](e.Err)
	if !ok || refused.Reply.Status != zap.StatusRefused || !strings.Contains(e.String(), "refused") {
		t.Errorf("%s: %v", of, e)
	}
	if dials != (e.Retry >= 5*time.Second) || !dials && e.Retry != 0 {
		t.Errorf("%s: tries again in %v", of, e.Retry)
	}
}

// TestRemoved revokes the key of one of two clients, whichever side listens: both sides say
// why its connection has ended, the client does not come back, and the other goes on.
func TestRemoved(t *testing.T) {
	t.Parallel()
	for _, serverDials := range []bool{false, true} {
		t.Run(fmt.Sprint("server dials ", serverDials), func(t *testing.T) {
			t.Parallel()
			r := newRemoval(t)
			pull, serverEvents := r.open(t, zmq4.NewPull, nil)
			at := ""
			if !serverDials {
				at = listen(t, pull, "tcp")
			}
			connect := func(c *cert.Certificate) (zmq4.Socket, <-chan sockets.Event) {
				push, events := r.open(t, zmq4.NewPush, c)
				if serverDials {
					ztest.Must(t, pull.Dial(listen(t, push, "tcp")))
				} else {
					ztest.Must(t, push.Dial(at))
				}
				next(t, c.Name(), events, sockets.Ready)
				next(t, "the server", serverEvents, sockets.Ready)
				ztest.Must(t, push.Send(zmq4.NewMsgString(c.Name())))
				if msg := recv(t, pull); msg.From().ID != c.Name() || string(msg.Bytes()) != c.Name() {
					t.Errorf("got %v from %q", msg, msg.From().ID)
				}
				return push, events
			}
			_, aliceEvents := connect(r.alice)
			bob, bobEvents := connect(r.bob)

			ztest.Must(t, r.store.Revoke(r.alice.Public, time.Now(), "stolen"))
			e := next(t, "the server", serverEvents, sockets.Lost)
			wantRefused(t, "the server", e, serverDials)
			if !strings.Contains(e.String(), "stolen") {
				t.Errorf("the server doesn't say why: %v", e)
			}
			wantRefused(t, "alice", next(t, "alice", aliceEvents, sockets.Lost), !serverDials)
			if !serverDials {
				again := open(t, zmq4.NewPush, zmq4.WithSecurity(zmq4.CurveClient(r.alice.Secret, r.server.Public())))
				refused, ok := errors.AsType[*zmtp.RefusedError](again.Dial(at))
				if !ok || refused.Reply.Status != zap.StatusRefused {
					t.Errorf("alice came back: %v", refused)
				}
			}
			for range 10 {
				ztest.Must(t, bob.Send(zmq4.NewMsgString("still here")))
				if msg := recv(t, pull); msg.From().ID != "bob" {
					t.Errorf("got %v from %q", msg, msg.From().ID)
				}
			}
			if len(bobEvents) > 0 {
				t.Errorf("bob: %v", <-bobEvents)
			}
		})
	}
}

// TestRemovedToComeBack changes what the server knows about a client: its socket connects
// again by itself, and what waited to be sent arrives.
func TestRemovedToComeBack(t *testing.T) {
	t.Parallel()
	r := newRemoval(t)
	router, serverEvents := r.open(t, zmq4.NewRouter, nil, zmq4.WithMandatory())
	dealer, events := r.open(t, zmq4.NewDealer, r.alice, zmq4.WithID(zmq4.SocketIdentity("id")))
	ztest.Must(t, dealer.Dial(listen(t, router, "tcp")))
	next(t, "alice", events, sockets.Ready)
	next(t, "the server", serverEvents, sockets.Ready)
	ztest.Must(t, r.store.Put(&keystore.Identity{Name: "alice", Certificate: r.alice, Groups: []string{"traders"}}))
	next(t, "the server", serverEvents, sockets.Lost)
	if e := next(t, "the server", serverEvents, sockets.Ready); !strings.Contains(fmt.Sprint(e.User.Metadata), "traders") {
		t.Errorf("came back as %v", e.User)
	}
	if e := next(t, "alice", events, sockets.Lost); e.Retry > 5*time.Millisecond {
		t.Errorf("alice: tries again in %v", e.Retry)
	}
	ztest.Must(t, dealer.Send(zmq4.NewMsgString("hello")))
	msg := recv(t, router)
	if msg.From().ID != "alice" || !strings.Contains(fmt.Sprint(msg.From().Metadata), "traders") {
		t.Errorf("from %v", msg.From())
	}
	ztest.Must(t, router.Send(zmq4.NewMsgFrom(msg.Frames[0], []byte("reply"))))
	if msg := recv(t, dealer); string(msg.Bytes()) != "reply" {
		t.Errorf("got %v", msg)
	}
}

// TestRemovedPeers checks what the sockets at the server send to a client that was removed:
// nothing, and a ROUTER says so.
func TestRemovedPeers(t *testing.T) {
	t.Parallel()
	t.Run("ROUTER", func(t *testing.T) {
		t.Parallel()
		r := newRemoval(t)
		router, serverEvents := r.open(t, zmq4.NewRouter, nil, zmq4.WithMandatory())
		at := listen(t, router, "tcp")
		alice, _ := r.open(t, zmq4.NewDealer, r.alice, zmq4.WithID(zmq4.SocketIdentity("alice")))
		bob, _ := r.open(t, zmq4.NewDealer, r.bob, zmq4.WithID(zmq4.SocketIdentity("bob")))
		ztest.Must(t, alice.Dial(at), bob.Dial(at))
		next(t, "the server", serverEvents, sockets.Ready)
		next(t, "the server", serverEvents, sockets.Ready)
		ztest.Must(t, r.store.Revoke(r.alice.Public, time.Now(), ""))
		next(t, "the server", serverEvents, sockets.Lost)
		if err := router.Send(zmq4.NewMsgFrom([]byte("alice"), []byte("secret"))); !errors.Is(err, zmq4.ErrNoRoute) {
			t.Errorf("to alice: %v", err)
		}
		ztest.Must(t, router.Send(zmq4.NewMsgFrom([]byte("bob"), []byte("hello"))))
		if msg := recv(t, bob); string(msg.Bytes()) != "hello" {
			t.Errorf("bob got %v", msg)
		}
	})
	t.Run("PUB", func(t *testing.T) {
		t.Parallel()
		r := newRemoval(t)
		xpub, serverEvents := r.open(t, zmq4.NewXPub, nil, zmq4.WithVerbose())
		at := listen(t, xpub, "tcp")
		alice, aliceEvents := r.open(t, zmq4.NewSub, r.alice)
		bob, _ := r.open(t, zmq4.NewSub, r.bob)
		for _, sub := range []zmq4.Socket{alice, bob} {
			ztest.Must(t, sub.SetOption(zmq4.OptionSubscribe, ""), sub.Dial(at))
			recv(t, xpub)
			next(t, "the server", serverEvents, sockets.Ready)
		}
		next(t, "alice", aliceEvents, sockets.Ready)
		ztest.Must(t, r.store.Revoke(r.alice.Public, time.Now(), ""), xpub.Send(zmq4.NewMsgString("secret")))
		if msg := recv(t, bob); string(msg.Bytes()) != "secret" {
			t.Errorf("bob got %v", msg)
		}
		wantRefused(t, "alice", next(t, "alice", aliceEvents, sockets.Lost), true)
	})
	t.Run("REQ", func(t *testing.T) {
		t.Parallel()
		r := newRemoval(t)
		rep, _ := r.open(t, zmq4.NewRep, nil)
		req, _ := r.open(t, zmq4.NewReq, r.alice)
		ztest.Must(t, req.Dial(listen(t, rep, "tcp")), req.Send(zmq4.NewMsgString("question")))
		recv(t, rep)
		ztest.Must(t, r.store.Revoke(r.alice.Public, time.Now(), ""))
		if msg, err := req.Recv(); err == nil {
			t.Errorf("got %v", msg)
		}
	})
}
