package zmq4_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// constructors maps socket types to ours.
var constructors = map[zmq4.SocketType]newSocket{
	zmq4.Pair: zmq4.NewPair, zmq4.Pub: zmq4.NewPub, zmq4.Sub: zmq4.NewSub, zmq4.Req: zmq4.NewReq, zmq4.Rep: zmq4.NewRep,
	zmq4.Dealer: zmq4.NewDealer, zmq4.Router: zmq4.NewRouter, zmq4.Pull: zmq4.NewPull, zmq4.Push: zmq4.NewPush,
	zmq4.XPub: zmq4.NewXPub, zmq4.XSub: zmq4.NewXSub,
}

// subscribe subscribes to everything.
func subscribe(t *testing.T, s zmq4.Socket) {
	switch s.Type() {
	case zmq4.Sub:
		ztest.Must(t, s.SetOption(zmq4.OptionSubscribe, ""))
	case zmq4.XSub:
		ztest.Must(t, s.Send(zmq4.NewMsg([]byte{1})))
	}
}

func drops(typ zmq4.SocketType) bool {
	return typ == zmq4.Pub || typ == zmq4.XPub || typ == zmq4.Router || typ == zmq4.Rep
}

// end sends and receives what the program at one end means, without the frames that its
// pattern adds: the routing id of a ROUTER, and the empty frame for a REQ or REP.
type end interface {
	send(message [][]byte) error
	recv() ([][]byte, error)
}

var errEnvelope = errors.New("the frames before the message are wrong")

// envelope returns the frames that a program puts before a message.
func envelope(typ, peer zmq4.SocketType, id string) (frames [][]byte) {
	if typ == zmq4.Router {
		frames = append(frames, []byte(id))
	}
	if (typ == zmq4.Router || typ == zmq4.Dealer) && (peer == zmq4.Req || peer == zmq4.Rep) {
		frames = append(frames, []byte{})
	}
	return frames
}

func strip(envelope, message [][]byte) ([][]byte, error) {
	if len(message) < len(envelope) {
		return nil, errEnvelope
	}
	for i, frame := range envelope {
		if !bytes.Equal(frame, message[i]) {
			return nil, errEnvelope
		}
	}
	return message[len(envelope):], nil
}

type ourEnd struct {
	s      zmq4.Socket
	peer   zmq4.SocketType
	peerID string
}

func (e *ourEnd) send(message [][]byte) error {
	frames := append(envelope(e.s.Type(), e.peer, e.peerID), message...)
	for deadline := time.Now().Add(ztest.Patience); ; time.Sleep(time.Millisecond) {
		// A ROUTER knows its peer as soon as that is connected.
		err := e.s.Send(zmq4.Msg{Frames: frames})
		if !errors.Is(err, zmq4.ErrNoRoute) && (err == nil || e.s.Type() != zmq4.Req) || time.Now().After(deadline) {
			return err
		}
	}
}

func (e *ourEnd) recv() ([][]byte, error) {
	msg, err := e.s.Recv()
	for err == nil && e.s.Type() == zmq4.XPub && len(msg.Frames) == 1 && string(msg.Frames[0]) == "\x01" {
		msg, err = e.s.Recv()
	}
	if err != nil {
		return nil, err
	}
	return strip(envelope(e.s.Type(), e.peer, e.peerID), msg.Frames)
}
