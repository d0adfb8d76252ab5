// Libzmq runs NOM on libzmq, with a ROUTER on the server and a DEALER on the client.
package main

import (
	"context"
	"errors"
	"log/slog"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/examples/nom"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
)

func main() { nom.Main(nom.Transport{Listen: listen, Dial: dial}) }

func listen(ctx context.Context, endpoint string, below *nom.Curve, ready func(string),
	serve func(context.Context, nom.Conn, sasl.Link)) error {
	zctx, err := zmq4.NewContext()
	if err != nil {
		return err
	}
	admit := zap.Handler(zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Allow("") }))
	if below != nil {
		admit = below.Handler
	}
	auth, err := libzmq.Start(zctx, gate{admit}, slog.Default())
	if err != nil {
		return err
	}
	defer auth.Close()
	r, err := newRouter(zctx)
	if err != nil {
		return err
	}
	defer r.sock.Close()
	if below != nil {
		err = libzmq.SetServer(r.sock, below.Key, below.Domain)
	} else {
		err = r.sock.SetZapDomain("nom") // so that libzmq asks the gate
	}
	if err != nil {
		return err
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

// timeout is the error of a receive that has timed out.
const timeout = zmq4.Errno(syscall.EAGAIN)

// dealer is a client's connection.
type dealer struct{ sock *zmq4.Socket }

func dial(_ context.Context, endpoint string, below *nom.Curve) (nom.Conn, sasl.Link, error) {
	sock, err := zmq4.NewSocket(zmq4.DEALER)
	if err != nil {
		return nil, sasl.Link{}, err
	}
	if err := errors.Join(sock.SetLinger(0), sock.SetMaxmsgsize(nom.MaxMessage), sock.SetRcvtimeo(100*time.Millisecond)); err != nil {
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
		message, err := d.sock.RecvMessageBytes(0)
		if err == nil || zmq4.AsErrno(err) != timeout {
			return message, err
		}
	}
	return nil, ctx.Err()
}

func (d dealer) Close() error { return d.sock.Close() }
