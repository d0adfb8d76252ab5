// Zmtp runs NOM on package zmtp, in pure Go.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"github.com/zcurve/zcurve/examples/nom"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

func main() { nom.Main(nom.Transport{Listen: listen, Dial: dial}) }

// config returns the configuration of a connection.
func config(socketType string, below *nom.Curve) zmtp.Config {
	c := zmtp.Config{
		SocketType:     socketType,
		Mechanism:      zap.Null,
		MaxMessageSize: nom.MaxMessage,
		MaxParts:       nom.MaxFrames,
		Log:            slog.Default(),
	}
	if below != nil {
		c.Mechanism = zap.Curve
		c.Key, c.ServerKey = below.Key, below.ServerKey
		c.Handler, c.Domain = below.Handler, below.Domain
	}
	return c
}

func listen(ctx context.Context, endpoint string, below *nom.Curve, ready func(string),
	serve func(context.Context, nom.Conn, sasl.Link)) error {
	ln, err := zmtp.Listen(ctx, endpoint, config("ROUTER", below))
	if err != nil {
		return err
	}
	defer ln.Close()
	ready(ln.Endpoint())
	for {
		conn, err := ln.Accept(ctx)
		if errors.Is(err, context.Canceled) {
			return nil
		} else if err != nil {
			return err
		}
		link := linkOf(conn)
		link.Address, _, _ = net.SplitHostPort(conn.RemoteAddr().String()) // "" for ipc
		link.Local = link.Address == ""
		go serve(ctx, conn, link)
	}
}

func dial(ctx context.Context, endpoint string, below *nom.Curve) (nom.Conn, sasl.Link, error) {
	conn, err := zmtp.Dial(ctx, endpoint, config("DEALER", below))
	if err != nil {
		return nil, sasl.Link{}, err
	}
	return conn, linkOf(conn), nil
}

// linkOf returns what a connection has proved.
func linkOf(conn *zmtp.Conn) sasl.Link {
	return sasl.Link{Key: conn.User().Key, Binding: conn.User().Binding}
}
