package main

import (
	"context"
	"os"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

type zcurveSocket struct{ zmq4.Socket }

func (s zcurveSocket) send(message ...[]byte) error { return s.Send(zmq4.Msg{Frames: message}) }

func (s zcurveSocket) recv() ([][]byte, error) {
	msg, err := s.Recv()
	return msg.Frames, err
}

func (k kit) listenZcurve(typ string) (s socket, endpoint string, err error) {
	opts := []zmq4.Option{zmq4.WithLogger(nil)}
	if k.mechanism == zap.Curve {
		key, err := curve.ParseSecretKey(os.Getenv("BENCH_SERVER_SECRET"))
		if err != nil {
			return nil, "", err
		}
		admitAll := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Reply{Status: zap.StatusOK} })
		opts = append(opts, zmq4.WithSecurity(zmq4.CurveServer(key, "bench", admitAll)))
	}
	if typ == "PUB" {
		opts = append(opts, zmq4.WithHighWaterMarks(0, 0))
	}
	of := map[string]func(context.Context, ...zmq4.Option) zmq4.Socket{
		"PULL": zmq4.NewPull, "PUB": zmq4.NewPub, "ROUTER": zmq4.NewRouter, "REP": zmq4.NewRep,
	}
	zs := of[typ](context.Background(), opts...)
	if err := zs.Listen(everywhere + "*"); err != nil {
		return nil, "", err
	}
	return zcurveSocket{zs}, "tcp://" + zs.Addr().String(), nil
}

func (k kit) dialZcurve(typ, endpoint string) (socket, error) {
	opts := []zmq4.Option{zmq4.WithLogger(nil)}
	if k.mechanism == zap.Curve {
		key, err := curve.ParseSecretKey(os.Getenv("BENCH_CLIENT_SECRET"))
		if err != nil {
			return nil, err
		}
		server, err := curve.ParsePublicKey(os.Getenv("BENCH_SERVER_PUBLIC"))
		if err != nil {
			return nil, err
		}
		opts = append(opts, zmq4.WithSecurity(zmq4.CurveClient(key, server)))
	}
	of := map[string]func(context.Context, ...zmq4.Option) zmq4.Socket{
		"PUSH": zmq4.NewPush, "SUB": zmq4.NewSub, "DEALER": zmq4.NewDealer, "REQ": zmq4.NewReq,
	}
	zs := of[typ](context.Background(), opts...)
	if typ == "SUB" {
		if err := zs.SetOption(zmq4.OptionSubscribe, ""); err != nil {
			return nil, err
		}
	}
	return zcurveSocket{zs}, zs.Dial(endpoint)
}
