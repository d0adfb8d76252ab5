package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// service is a libzmq REP socket in its own context.
type service struct {
	endpoint string
	stop     func()
}

// startService replies "hello" and the client's user id, until stop is called.
func startService(ctx context.Context, c *cert.Certificate, zauth string) (*service, error) {
	zctx, err := zmq4.NewContext()
	if err != nil {
		return nil, err
	}
	client, err := remote.NewHandler(remote.Options{}, zauth)
	if err != nil {
		return nil, err
	}
	authenticator, err := libzmq.Start(zctx, client, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	s := &service{stop: func() {
		cancel()
		<-done
		authenticator.Close()
		client.Close()
		zctx.Term()
	}}
	sock, err := zctx.NewSocket(zmq4.REP)
	if err == nil {
		err = errors.Join(
			sock.SetLinger(0),
			sock.SetRcvtimeo(100*time.Millisecond),
			libzmq.SetServer(sock, c.Secret, "demo"),
			sock.Bind("tcp://127.0.0.1:*"))
	}
	if err == nil {
		s.endpoint, err = sock.GetLastEndpoint()
	}
	go func() {
		defer close(done)
		defer sock.Close()
		for ctx.Err() == nil && err == nil {
			_, properties, e := sock.RecvWithMetadata(0, "User-Id")
			if e == nil {
				sock.Send("hello "+properties["User-Id"], 0)
			}
		}
	}()
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// monitors numbers the monitors' endpoints, which must differ.
var monitors atomic.Int64

// askLibzmq asks the service with a libzmq REQ socket. libzmq reports a refusal to
// the socket's monitor only.
func askLibzmq(_ context.Context, endpoint string, who *cert.Certificate, server curve.PublicKey) (string, error) {
	addr := fmt.Sprintf("inproc://demo-monitor-%d", monitors.Add(1))
	monitor, err := zmq4.NewSocket(zmq4.PAIR)
	if err != nil {
		return "", err
	}
	defer monitor.Close() // after sock, which waits for its events to be read
	sock, err := zmq4.NewSocket(zmq4.REQ)
	if err != nil {
		return "", err
	}
	defer sock.Close()
	if err := errors.Join(
		sock.SetLinger(0),
		monitor.SetLinger(0),
		libzmq.SetClient(sock, who.Secret, server),
		sock.Monitor(addr, zmq4.EVENT_HANDSHAKE_FAILED_AUTH|zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL|zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL),
		monitor.Connect(addr),
		sock.Connect(endpoint)); err != nil {
		return "", err
	}
	if _, err := sock.Send("good morning", 0); err != nil {
		return "", err
	}
	poller := zmq4.NewPoller()
	poller.Add(sock, zmq4.POLLIN)
	poller.Add(monitor, zmq4.POLLIN)
	ready, err := poller.Poll(time.Minute)
	if err != nil {
		return "", err
	}
	if len(ready) == 0 {
		return "", errors.New("no reply within a minute")
	}
	if ready[0].Socket == sock {
		return sock.Recv(0)
	}
	event, _, value, err := monitor.RecvEvent(0)
	if err != nil {
		return "", err
	}
	name := strings.TrimPrefix(event.String(), "EVENT_")
	return "", fmt.Errorf("libzmq monitor event %s %d", name, value)
}

// askGo asks the service in pure Go.
func askGo(ctx context.Context, endpoint string, who *cert.Certificate, server curve.PublicKey) (string, error) {
	conn, err := zmtp.Dial(ctx, endpoint, zmtp.Config{
		SocketType: "REQ",
		Mechanism:  zap.Curve,
		Key:        who.Secret,
		ServerKey:  server,
	})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	// REQ and REP sockets put an empty part before each message.
	if err := conn.Send(ctx, nil, []byte("good morning")); err != nil {
		return "", err
	}
	reply, err := conn.Recv(ctx)
	if err != nil {
		return "", err
	}
	return string(reply[len(reply)-1]), nil
}
