package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
)

var libzmqTypes = map[string]zmq4.Type{
	"DEALER": zmq4.DEALER, "PUSH": zmq4.PUSH, "PULL": zmq4.PULL, "PAIR": zmq4.PAIR,
}

// theirs is an end that is a libzmq socket, in its own context. Only one goroutine uses
// the socket.
type theirs struct {
	r       *round
	name    string
	p       party
	zctx    *zmq4.Context
	sock    *zmq4.Socket
	monitor *zmq4.Socket
	stopZAP func()
	in, out *lane

	wg       sync.WaitGroup
	watching sync.WaitGroup
	sent     chan struct{} // closed when it stops sending
	stopped  chan struct{} // closed to stop it from receiving
	quit     chan struct{} // closed to end it
	joined   chan struct{} // closed when the first handshake is done
	ended    chan struct{} // closed when it was disconnected
	closing  sync.Once
}

// newTheirs creates the socket with its security options. It is neither bound nor
// connected.
func newTheirs(r *round, name string, p party, asServer bool) (e *theirs, err error) {
	e = &theirs{r: r, name: name, p: p,
		sent: make(chan struct{}), stopped: make(chan struct{}), quit: make(chan struct{}), joined: make(chan struct{}), ended: make(chan struct{})}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	if e.zctx, err = zmq4.NewContext(); err != nil {
		return nil, err
	}
	if e.sock, err = e.zctx.NewSocket(libzmqTypes[p.socket]); err != nil {
		return nil, err
	}
	err = errors.Join(
		e.sock.SetLinger(0),
		e.sock.SetReconnectIvl(20*time.Millisecond),
		e.sock.SetHandshakeIvl(r.soak.patience))
	// libzmq 4.3.4 aborts the process when a connection with heartbeats ends after it has
	// stopped reading (https://github.com/zeromq/libzmq/issues/4767). A slow end must
	// therefore not have much to read before it reaches a PING.
	switch {
	case p.interval > 0:
		err = errors.Join(err, e.sock.SetRcvhwm(0))
	case r.stopsReceiving() || p.receives == slowly:
		err = errors.Join(err, e.sock.SetRcvhwm(10), e.sock.SetRcvbuf(buffered))
	}
	if p.interval > 0 {
		err = errors.Join(err, e.sock.SetHeartbeatIvl(p.interval), e.sock.SetHeartbeatTimeout(p.timeout), e.sock.SetHeartbeatTtl(p.interval+p.timeout))
	}
	if err == nil && r.s.mechanism == curved {
		if asServer {
			authenticator, err := libzmq.Start(e.zctx, zap.HandlerFunc(allow), nil)
			if err != nil {
				return nil, err
			}
			e.stopZAP = func() { authenticator.Close() }
			if err := libzmq.SetServer(e.sock, r.soak.serverKeys, "soak"); err != nil {
				return nil, err
			}
		} else {
			err = libzmq.SetClient(e.sock, r.soak.clientKeys, r.soak.serverKeys.Public())
		}
	}
	if err != nil {
		return nil, err
	}
	return e, e.watch()
}

// watch reads the events of the socket's monitor until the socket is closed.
func (e *theirs) watch() (err error) {
	address := fmt.Sprintf("inproc://monitor-%d", e.r.number)
	if err := e.sock.Monitor(address, zmq4.EVENT_HANDSHAKE_SUCCEEDED|zmq4.EVENT_DISCONNECTED|zmq4.EVENT_MONITOR_STOPPED); err != nil {
		return err
	}
	if e.monitor, err = e.zctx.NewSocket(zmq4.PAIR); err != nil {
		return err
	}
	if err := errors.Join(e.monitor.SetLinger(0), e.monitor.Connect(address)); err != nil {
		return err
	}
	e.watching.Go(func() {
		defer e.monitor.Close()
		joined := sync.OnceFunc(func() { close(e.joined) })
		ended := sync.OnceFunc(func() { close(e.ended) })
		for {
			event, _, _, err := e.monitor.RecvEvent(0)
			switch {
			case err != nil, event == zmq4.EVENT_MONITOR_STOPPED:
				return
			case event == zmq4.EVENT_HANDSHAKE_SUCCEEDED:
				joined()
			case event == zmq4.EVENT_DISCONNECTED:
				ended()
			}
		}
	})
	return nil
}

// start starts sending and receiving.
func (e *theirs) start() { e.wg.Go(func() { e.use(e.r.random(e.name, "uses", 0)) }) }

// use sends and receives in turn. It pauses between calls, not only between messages,
// because it retries sends while the pipe is full.
func (e *theirs) use(rnd *rand.Rand) {
	var f *flow
	if len(e.out.flows) > 0 {
		f = e.out.flows[0]
	}
	stopped := sync.OnceFunc(func() { close(e.sent) })
	defer stopped()
	next := time.Now()
	var slow pace
	for {
		select {
		case <-e.quit:
			return
		default:
		}
		idle := true
		if f == nil || e.r.sendsNoMore() {
			stopped()
		} else if !time.Now().Before(next) {
			for range 20 {
				parts := make([]any, 0, 4)
				for _, part := range f.message(bodies(e.p, rnd)) {
					parts = append(parts, part)
				}
				if _, err := e.sock.SendMessageDontwait(parts...); err != nil {
					if zmq4.AsErrno(err) != zmq4.Errno(syscall.EAGAIN) {
						e.r.fault(wrong, "%s: %v", e.name, err)
						return
					}
					break
				}
				f.taken.Add(1)
				idle = false
				if d := interval(e.p, rnd); d > 0 {
					next = time.Now().Add(d)
					break
				}
			}
		}
		for range 20 {
			if !e.receiveOne(rnd, &slow) {
				break
			}
			idle = false
		}
		if idle {
			e.r.sleep(time.Millisecond)
		}
	}
}

// receiveOne receives a message, if any.
func (e *theirs) receiveOne(rnd *rand.Rand, slow *pace) bool {
	select {
	case <-e.stopped:
		return false
	default:
	}
	if e.p.socket == "PUSH" {
		return false
	}
	message, err := e.sock.RecvMessageBytes(zmq4.DONTWAIT)
	if err != nil {
		if zmq4.AsErrno(err) != zmq4.Errno(syscall.EAGAIN) {
			e.r.fault(wrong, "%s: %v", e.name, err)
		}
		return false
	}
	e.in.receive(message)
	if e.p.receives == slowly {
		slow.take(e.r, time.Duration(rnd.IntN(3))*time.Millisecond)
	}
	return true
}

// close ends the end completely.
func (e *theirs) close() { e.closing.Do(e.closeOnce) }

func (e *theirs) closeOnce() {
	close(e.quit)
	e.wg.Wait()
	if e.sock != nil {
		e.sock.Close()
	}
	e.watching.Wait()
	if e.stopZAP != nil {
		e.stopZAP()
	}
	if e.zctx != nil {
		e.zctx.Term()
	}
}

func allow(context.Context, *zap.Request) zap.Reply {
	return zap.Allow("")
}
