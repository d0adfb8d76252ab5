package main

import (
	"context"
	"errors"
	"syscall"
	"time"

	libzmq4 "github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// admit is the handler of servers. The clients' keys don't matter here.
var admit = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") })

const domain = "chaos"

// keys returns the keys of an order.
func (o *order) keys() (key curve.SecretKey, server curve.PublicKey, err error) {
	if key, err = curve.ParseSecretKey(o.Key); err != nil {
		return key, server, err
	}
	server, err = curve.ParsePublicKey(string(o.Server))
	return key, server, err
}

// ourPlug is a socket of sockets/zmq4.
type ourPlug struct{ s zmq4.Socket }

var constructors = map[string]func(context.Context, ...zmq4.Option) zmq4.Socket{
	"PUSH": zmq4.NewPush, "PULL": zmq4.NewPull, "PUB": zmq4.NewPub, "SUB": zmq4.NewSub, "XPUB": zmq4.NewXPub, "XSUB": zmq4.NewXSub,
	"DEALER": zmq4.NewDealer, "ROUTER": zmq4.NewRouter, "PAIR": zmq4.NewPair,
}

func openOurs(o *order) (plug, error) {
	opts := []zmq4.Option{zmq4.WithReconnect(0, 0), zmq4.WithHighWaterMarks(o.Mark, o.Mark), zmq4.WithLogger(nil)}
	if o.Curve {
		key, server, err := o.keys()
		if err != nil {
			return nil, err
		}
		security := zmq4.CurveClient(key, server)
		if o.Party.Binds {
			security = zmq4.CurveServer(key, domain, admit)
		}
		opts = append(opts, zmq4.WithSecurity(security))
	}
	s := constructors[o.Party.Socket](context.Background(), opts...)
	var err error
	switch o.Party.Socket {
	case "SUB":
		err = s.SetOption(zmq4.OptionSubscribe, string([]byte{topic}))
	case "XSUB":
		err = s.Send(zmq4.NewMsg([]byte{1, topic}))
	}
	if err != nil {
		return nil, err
	}
	if o.Party.Binds {
		return ourPlug{s}, s.Listen(o.Endpoint)
	}
	return ourPlug{s}, s.Dial(o.Endpoint)
}

func (p ourPlug) trySend(frames ...[]byte) (bool, error) {
	err := zmq4.TrySend(p.s, zmq4.Msg{Frames: frames})
	if err == zmq4.ErrAgain {
		return false, nil
	}
	return err == nil, err
}

func (p ourPlug) tryRecv() ([][]byte, error) {
	if p.s.Type() == zmq4.Push || p.s.Type() == zmq4.Pub {
		return nil, nil
	}
	msg, err := zmq4.TryRecv(p.s)
	if err == zmq4.ErrAgain {
		return nil, nil
	}
	return msg.Frames, err
}

// theirPlug is a socket of libzmq.
type theirPlug struct {
	s         *libzmq4.Socket
	onlySends bool
}

var libzmqTypes = map[string]libzmq4.Type{
	"PUSH": libzmq4.PUSH, "PULL": libzmq4.PULL, "PUB": libzmq4.PUB, "SUB": libzmq4.SUB, "XPUB": libzmq4.XPUB, "XSUB": libzmq4.XSUB,
	"DEALER": libzmq4.DEALER, "ROUTER": libzmq4.ROUTER, "PAIR": libzmq4.PAIR,
}

func openLibzmq(o *order) (plug, error) {
	zctx, err := libzmq4.NewContext()
	if err != nil {
		return nil, err
	}
	if o.Curve && o.Party.Binds {
		if _, err := libzmq.Start(zctx, admit, nil); err != nil {
			return nil, err
		}
	}
	s, err := zctx.NewSocket(libzmqTypes[o.Party.Socket])
	if err != nil {
		return nil, err
	}
	err = errors.Join(s.SetSndhwm(o.Mark), s.SetRcvhwm(o.Mark), s.SetReconnectIvl(100*time.Millisecond), s.SetLinger(0))
	if o.Curve {
		key, server, keyErr := o.keys()
		err = errors.Join(err, keyErr)
		if o.Party.Binds {
			err = errors.Join(err, libzmq.SetServer(s, key, domain))
		} else {
			err = errors.Join(err, libzmq.SetClient(s, key, server))
		}
	}
	if o.Party.Socket == "SUB" {
		err = errors.Join(err, s.SetSubscribe(string([]byte{topic})))
	}
	if o.Party.Binds {
		err = errors.Join(err, s.Bind(o.Endpoint))
	} else {
		err = errors.Join(err, s.Connect(o.Endpoint))
	}
	if o.Party.Socket == "XSUB" {
		_, sendErr := s.SendBytes([]byte{1, topic}, 0)
		err = errors.Join(err, sendErr)
	}
	return theirPlug{s: s, onlySends: o.Party.Socket == "PUSH" || o.Party.Socket == "PUB"}, err
}

func (p theirPlug) trySend(frames ...[]byte) (bool, error) {
	_, err := p.s.SendMessageDontwait(frames)
	if libzmq4.AsErrno(err) == libzmq4.Errno(syscall.EAGAIN) {
		return false, nil
	}
	return err == nil, err
}

func (p theirPlug) tryRecv() ([][]byte, error) {
	if p.onlySends {
		return nil, nil
	}
	frames, err := p.s.RecvMessageBytes(libzmq4.DONTWAIT)
	if libzmq4.AsErrno(err) == libzmq4.Errno(syscall.EAGAIN) {
		return nil, nil
	}
	return frames, err
}
