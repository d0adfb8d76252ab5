// Libzmq is NOM on libzmq, with a ROUTER on the server and a DEALER on the client.
package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/examples/nom"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/sockets/libzmq"
)

func main() { nom.Main(nom.Transport{Listen: listen, Dial: dial}) }

func listen(ctx context.Context, endpoint string, below *nom.Curve, ready func(string),
	serve func(context.Context, nom.Conn, sasl.Link)) error {
	r, err := newRouter(below != nil)
	if err != nil {
		return err
	}
	if below != nil {
		auth, err := libzmq.Start(nil, below.Handler, slog.Default())
		if err != nil {
			return err
		}
		defer auth.Close()
		if err := libzmq.SetServer(r.sock, below.Key, below.Domain); err != nil {
			return err
		}
	}
	if err := r.sock.Bind(endpoint); err != nil {
		return err
	}
	bound, err := r.sock.GetLastEndpoint()
	if err != nil {
		return err
	}
	ready(bound)
	return r.run(ctx, serve)
}

// dealer is the connection of a client.
type dealer struct{ sock *zmq4.Socket }

func dial(_ context.Context, endpoint string, below *nom.Curve) (nom.Conn, sasl.Link, error) {
	sock, err := zmq4.NewSocket(zmq4.DEALER)
	if err != nil {
		return nil, sasl.Link{}, err
	}
	if err := errors.Join(sock.SetLinger(0), sock.SetMaxmsgsize(nom.MaxMessage)); err != nil {
		return nil, sasl.Link{}, err
	}
	var link sasl.Link
	if below != nil {
		if err := libzmq.SetClient(sock, below.Key, below.ServerKey); err != nil {
			return nil, sasl.Link{}, err
		}
		link.Key = below.ServerKey // no message arrives before the server has proved it
	}
	return dealer{sock}, link, sock.Connect(endpoint)
}

func (d dealer) Send(_ context.Context, message ...[]byte) error {
	_, err := d.sock.SendMessage(message)
	return err
}

func (d dealer) Recv(ctx context.Context) ([][]byte, error) {
	for ctx.Err() == nil {
		if err := d.sock.SetRcvtimeo(100 * time.Millisecond); err != nil {
			return nil, err
		}
		message, err := d.sock.RecvMessageBytes(0)
		if err == nil || zmq4.AsErrno(err) != timeout {
			return message, err
		}
	}
	return nil, ctx.Err()
}

func (d dealer) Close() error { return d.sock.Close() }
