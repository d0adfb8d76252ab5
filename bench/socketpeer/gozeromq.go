package main

import (
	"context"

	gozeromq "github.com/go-zeromq/zmq4"
)

type goZeromqSocket struct{ gozeromq.Socket }

func (s goZeromqSocket) send(message ...[]byte) error {
	return s.Send(gozeromq.NewMsgFrom(message...))
}

func (s goZeromqSocket) recv() ([][]byte, error) {
	msg, err := s.Recv()
	return msg.Frames, err
}

func (k kit) listenGoZeromq(typ string) (s socket, endpoint string, err error) {
	of := map[string]func(context.Context, ...gozeromq.Option) gozeromq.Socket{
		"PULL": gozeromq.NewPull, "PUB": gozeromq.NewPub, "ROUTER": gozeromq.NewRouter, "REP": gozeromq.NewRep,
	}
	gs := of[typ](context.Background())
	if err := gs.Listen(everywhere + "0"); err != nil {
		return nil, "", err
	}
	return goZeromqSocket{gs}, "tcp://" + gs.Addr().String(), nil
}

func (k kit) dialGoZeromq(typ, endpoint string) (socket, error) {
	of := map[string]func(context.Context, ...gozeromq.Option) gozeromq.Socket{
		"PUSH": gozeromq.NewPush, "SUB": gozeromq.NewSub, "DEALER": gozeromq.NewDealer, "REQ": gozeromq.NewReq,
	}
	gs := of[typ](context.Background())
	if typ == "SUB" {
		if err := gs.SetOption(gozeromq.OptionSubscribe, ""); err != nil {
			return nil, err
		}
	}
	return goZeromqSocket{gs}, gs.Dial(endpoint)
}
