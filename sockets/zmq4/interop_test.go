//go:build cgo && unix

package zmq4_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	libzmq4 "github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// libzmqTypes maps socket types to libzmq's constants.
var libzmqTypes = map[zmq4.SocketType]libzmq4.Type{
	zmq4.Pair: libzmq4.PAIR, zmq4.Pub: libzmq4.PUB, zmq4.Sub: libzmq4.SUB, zmq4.Req: libzmq4.REQ, zmq4.Rep: libzmq4.REP,
	zmq4.Dealer: libzmq4.DEALER, zmq4.Router: libzmq4.ROUTER, zmq4.Pull: libzmq4.PULL, zmq4.Push: libzmq4.PUSH,
	zmq4.XPub: libzmq4.XPUB, zmq4.XSub: libzmq4.XSUB,
}

// handlerFor returns the policy. A REQ of libzmq 4.3.4 accepts no replies from a peer with
// a user id, so it gets none there.
func (s *site) handlerFor(theirs zmq4.SocketType) zap.Handler {
	if theirs != zmq4.Req {
		return s.handler
	}
	return zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
		reply := s.handler.Handle(ctx, req)
		reply.UserID = ""
		return reply
	})
}

// secure sets the mechanism of libzmq's end.
func (s *site) secure(t *testing.T, zctx *libzmq4.Context, sock *libzmq4.Socket, typ zmq4.SocketType, how setup) {
	t.Helper()
	if how.mechanism != zap.Null && !how.weServe {
		zmqtest.Start(t, zctx, s.handlerFor(typ), nil)
	}
	switch {
	case how.mechanism == zap.Plain && how.weServe:
		ztest.Must(t, sock.SetPlainUsername(siteLogin), sock.SetPlainPassword(sitePassword))
	case how.mechanism == zap.Plain:
		ztest.Must(t, sock.SetZapDomain(siteDomain), sock.SetPlainServer(1))
	case how.mechanism == zap.Curve && how.weServe:
		ztest.Must(t, libzmq.SetClient(sock, s.client, s.server.Public()))
	case how.mechanism == zap.Curve:
		ztest.Must(t, libzmq.SetServer(sock, s.server, siteDomain))
	}
}

// The routing ids of the two ends.
const (
	ourID   = "ours"
	theirID = "theirs"
)

// join connects a socket of ours to one of libzmq. Neither has a high-water mark if the
// pattern would drop messages there.
func (s *site) join(t *testing.T, ours, theirs zmq4.SocketType, how setup) (*ourEnd, *theirEnd) {
	t.Helper()
	ztest.NeedPeers(t)
	zctx := zmqtest.NewContext(t)
	opts := []zmq4.Option{zmq4.WithID(zmq4.SocketIdentity(ourID)), zmq4.WithSecurity(s.security(how)), zmq4.WithMandatory()}
	if drops(ours) || drops(theirs) {
		opts = append(opts, zmq4.WithHighWaterMarks(0, 0))
	}
	// The end that listens is closed last, so that nothing connects to a port that others may get.
	var sock *libzmq4.Socket
	var socket zmq4.Socket
	openOurs := func() { socket = open(t, constructors[ours], opts...) }
	openTheirs := func() {
		sock = zmqtest.NewSocket(t, zctx, libzmqTypes[theirs])
		if drops(ours) || drops(theirs) {
			ztest.Must(t, sock.SetRcvhwm(0), sock.SetSndhwm(0))
		}
		if theirs == zmq4.Router {
			ztest.Must(t, sock.SetRouterMandatory(1))
		}
		if theirs != zmq4.Sub && theirs != zmq4.Pub {
			ztest.Must(t, sock.SetIdentity(theirID))
		}
		if theirs == zmq4.Sub {
			ztest.Must(t, sock.SetSubscribe(""))
		}
		s.secure(t, zctx, sock, theirs, how)
	}
	if how.weDial {
		openTheirs()
		at := zmqtest.Bind(t, sock, how.transport)
		openOurs()
		subscribe(t, socket)
		ztest.Must(t, socket.Dial(at))
	} else {
		openOurs()
		subscribe(t, socket)
		at := "ipc://" + filepath.Join(t.TempDir(), "s")
		if how.transport == "tcp" {
			at = "tcp://127.0.0.1:*"
		}
		ztest.Must(t, socket.Listen(at))
		if how.transport == "tcp" {
			at = "tcp://" + socket.Addr().String()
		}
		openTheirs()
		ztest.Must(t, sock.Connect(at))
	}
	if theirs == zmq4.XSub {
		_, err := sock.SendBytes([]byte{1}, 0)
		ztest.Must(t, err)
	}
	return &ourEnd{socket, theirs, theirID}, &theirEnd{sock, theirs, ours}
}

// theirEnd is used by one goroutine at a time.
type theirEnd struct {
	sock      *libzmq4.Socket
	typ, peer zmq4.SocketType
}

func (e *theirEnd) send(message [][]byte) error {
	frames := append(envelope(e.typ, e.peer, ourID), message...)
	for deadline := time.Now().Add(ztest.Patience); ; time.Sleep(time.Millisecond) {
		_, err := e.sock.SendMessage(frames)
		if libzmq4.AsErrno(err) != libzmq4.EHOSTUNREACH || time.Now().After(deadline) {
			return err
		}
	}
}

func (e *theirEnd) recv() ([][]byte, error) {
	message, err := e.sock.RecvMessageBytes(0)
	if err != nil {
		return nil, err
	}
	return strip(envelope(e.typ, e.peer, ourID), message)
}

// interop sends n messages in each pair, with either end ours, in each setup that matches.
func interop(t *testing.T, n int, hasLarge bool, matches func(pair, setup int) bool) {
	s := sync.OnceValue(func() *site { return newSite(t) })
	for i, pair := range pairs {
		for _, weAreA := range []bool{true, false} {
			if pair.a == pair.b && !weAreA {
				continue
			}
			ours, theirs := pair.a, pair.b
			if !weAreA {
				ours, theirs = theirs, ours
			}
			for number, how := range setups() {
				if !matches(i, number) {
					continue
				}
				name := fmt.Sprintf("%s-%s/%s/%s/serve=%v/dial=%v", ours, theirs, how.mechanism, how.transport, how.weServe, how.weDial)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					our, their := s().join(t, ours, theirs, how)
					if weAreA {
						pair.flow.run(t, our, their, n, hasLarge)
					} else {
						pair.flow.run(t, their, our, n, hasLarge)
					}
				})
			}
		}
	}
}

// TestInterop exchanges messages with libzmq: each pair of types, either end ours, dialing
// and listening, over tcp and ipc, with each mechanism in both roles, under a policy.
func TestInterop(t *testing.T) {
	t.Parallel()
	interop(t, 100, false, func(int, int) bool { return true })
}

// TestInteropUnraced exchanges 100,000 messages, one of them of 8 MiB, in each pair of types
// with each mechanism, or 10,000 if one waits for the other. The other ways to connect take
// turns.
func TestInteropUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	n := 100_000
	if testing.Short() {
		n = 1000
	}
	all := setups()
	interop(t, n, true, func(pair, number int) bool {
		same := 0 // the setups with the mechanism, and the place of this one among them
		place := 0
		for i, how := range all {
			if how.mechanism == all[number].mechanism {
				same++
				if i < number {
					place++
				}
			}
		}
		return place == pair%same
	})
}
