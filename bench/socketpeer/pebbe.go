package main

import (
	"errors"
	"os"

	pebbe "github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/zap"
)

type pebbeSocket struct {
	*pebbe.Socket
	frames int // of a received message
}

func (s pebbeSocket) send(message ...[]byte) error {
	for i, frame := range message {
		flag := pebbe.SNDMORE
		if i == len(message)-1 {
			flag = 0
		}
		if _, err := s.SendBytes(frame, flag); err != nil {
			return err
		}
	}
	return nil
}

// recv is faster than RecvMessageBytes, which asks for each frame whether more follow.
func (s pebbeSocket) recv() ([][]byte, error) {
	message := make([][]byte, s.frames)
	for i := range message {
		var err error
		if message[i], err = s.RecvBytes(0); err != nil {
			return nil, err
		}
	}
	return message, nil
}

var pebbeTypes = map[string]pebbe.Type{
	"PULL": pebbe.PULL, "PUB": pebbe.PUB, "ROUTER": pebbe.ROUTER, "REP": pebbe.REP,
	"PUSH": pebbe.PUSH, "SUB": pebbe.SUB, "DEALER": pebbe.DEALER, "REQ": pebbe.REQ,
}

func (k kit) listenPebbe(typ string) (s socket, endpoint string, err error) {
	ps, err := pebbe.NewSocket(pebbeTypes[typ])
	if err != nil {
		return nil, "", err
	}
	if k.mechanism == zap.Curve {
		err = errors.Join(ps.SetCurveServer(1), ps.SetCurveSecretkey(os.Getenv("BENCH_SERVER_SECRET")))
	}
	if typ == "PUB" {
		err = errors.Join(err, ps.SetSndhwm(0))
	}
	if err != nil {
		return nil, "", err
	}
	if err := ps.Bind(everywhere + "*"); err != nil {
		return nil, "", err
	}
	endpoint, err = ps.GetLastEndpoint()
	frames := 1
	if typ == "ROUTER" {
		frames = 2
	}
	return pebbeSocket{ps, frames}, endpoint, err
}

func (k kit) dialPebbe(typ, endpoint string) (socket, error) {
	ps, err := pebbe.NewSocket(pebbeTypes[typ])
	if err != nil {
		return nil, err
	}
	if k.mechanism == zap.Curve {
		if err := ps.ClientAuthCurve(os.Getenv("BENCH_SERVER_PUBLIC"), os.Getenv("BENCH_CLIENT_PUBLIC"), os.Getenv("BENCH_CLIENT_SECRET")); err != nil {
			return nil, err
		}
	}
	if typ == "SUB" {
		if err := ps.SetSubscribe(""); err != nil {
			return nil, err
		}
	}
	return pebbeSocket{ps, 1}, ps.Connect(endpoint)
}
