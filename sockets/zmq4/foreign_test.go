package zmq4_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/security/null"
	"github.com/zcurve/zcurve/sockets/zmq4/transport"
)

// toy is a Security that a program has written for go-zeromq: it sends its command, and then
// waits for that of the peer. It changes all bytes of all frames, and their length.
type toy struct{ key byte }

var errToy = errors.New("toy: the peer has another key")

func (toy) Type() zmq4.SecurityType { return "TOY" }

func (s toy) Handshake(conn *zmq4.Conn, _ bool) error {
	metadata, err := conn.Meta.MarshalZMTP()
	if err != nil {
		return err
	}
	if err := conn.SendCmd(zmq4.CmdReady, metadata); err != nil {
		return err
	}
	cmd, err := conn.RecvCmd()
	if err != nil {
		return err
	}
	if cmd.Name != zmq4.CmdReady {
		return zmq4.ErrBadCmd
	}
	return conn.Peer.Meta.UnmarshalZMTP(cmd.Body)
}

func (s toy) Encrypt(w io.Writer, data []byte) (int, error) {
	sealed := []byte{s.key}
	for _, b := range data {
		sealed = append(sealed, b^s.key)
	}
	return w.Write(sealed)
}

func (s toy) Decrypt(w io.Writer, data []byte) (int, error) {
	if len(data) == 0 || data[0] != s.key {
		return 0, errToy
	}
	var opened []byte
	for _, b := range data[1:] {
		opened = append(opened, b^s.key)
	}
	return w.Write(opened)
}

// embedding is a Security that changes what it wants to of another.
type embedding struct{ zmq4.Security }

var withToy = zmq4.WithSecurity(toy{0x55})

// TestForeignSecurity sends messages of each pattern, over each transport, with a Security of
// this test, and with one that embeds NULL to a socket with NULL.
func TestForeignSecurity(t *testing.T) {
	t.Parallel()
	embedded := zmq4.WithSecurity(embedding{null.Security()})
	for name, options := range map[string][2]zmq4.Option{
		"own": {withToy, withToy}, "embedded": {embedded, embedded},
		"embedded listens": {embedded, zmq4.WithSecurity(nil)}, "embedded dials": {zmq4.WithSecurity(nil), embedded},
	} {
		for _, transport := range []string{"tcp", "ipc", "inproc"} {
			t.Run(name+"/"+transport, func(t *testing.T) {
				t.Parallel()
				testPatterns(t, transport, options[0], options[1])
			})
		}
	}
}

func testPatterns(t *testing.T, transport string, server, client zmq4.Option) {
	pull, push := open(t, zmq4.NewPull, server), open(t, zmq4.NewPush, client)
	ztest.Must(t, push.Dial(listen(t, pull, transport)))
	const n = 1_000
	sent := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i++ {
			err = push.Send(zmq4.NewMsgFrom(fmt.Append(nil, i), nil, make([]byte, i%300)))
		}
		sent <- err
	}()
	for i := range n {
		if msg := recv(t, pull); len(msg.Frames) != 3 || string(msg.Frames[0]) != fmt.Sprint(i) || len(msg.Frames[2]) != i%300 {
			t.Fatalf("message %d: %.100v", i, msg)
		}
	}
	ztest.Must(t, <-sent, pull.Close())

	router, dealer := open(t, zmq4.NewRouter, server), open(t, zmq4.NewDealer, client, zmq4.WithID(zmq4.SocketIdentity("alice")))
	ztest.Must(t, dealer.Dial(listen(t, router, transport)), dealer.Send(zmq4.NewMsgString("hello")))
	msg := recv(t, router)
	if string(msg.Frames[0]) != "alice" {
		t.Errorf("from %q", msg.Frames[0])
	}
	ztest.Must(t, router.Send(msg))
	recv(t, dealer)
	ztest.Must(t, router.Close())

	rep, req := open(t, zmq4.NewRep, server), open(t, zmq4.NewReq, client)
	ztest.Must(t, req.Dial(listen(t, rep, transport)), req.Send(zmq4.NewMsgString("request")))
	ztest.Must(t, rep.Send(recv(t, rep)))
	if msg := recv(t, req); string(msg.Bytes()) != "request" {
		t.Errorf("reply %v", msg)
	}
	ztest.Must(t, rep.Close())

	pub, sub := open(t, zmq4.NewXPub, server), open(t, zmq4.NewSub, client)
	ztest.Must(t, sub.SetOption(zmq4.OptionSubscribe, "a"), sub.Dial(listen(t, pub, transport)))
	recv(t, pub)
	ztest.Must(t, pub.Send(zmq4.NewMsgString("b")), pub.Send(zmq4.NewMsgString("a")))
	if msg := recv(t, sub); string(msg.Bytes()) != "a" {
		t.Errorf("subscribed to a, got %v", msg)
	}
	ztest.Must(t, sub.SetOption(zmq4.OptionUnsubscribe, "a"))
	if msg := recv(t, pub); string(msg.Bytes()) != "\x00a" {
		t.Errorf("end of a subscription %v", msg)
	}
}

// TestForeignRefused gives both sides the error of the handshake, with the text that
// go-zeromq's has.
func TestForeignRefused(t *testing.T) {
	t.Parallel()
	events := make(chan sockets.Event, 10)
	pull := open(t, zmq4.NewPull, withToy, zmq4.WithEvents(func(e sockets.Event) {
		if e.Kind == sockets.Failed {
			events <- e
		}
	}))
	at := listen(t, pull, "tcp")
	err := open(t, zmq4.NewPush, zmq4.WithSecurity(toy{0x66})).Dial(at)
	if e := ztest.Receive(t, "the event", events); !errors.Is(err, errToy) || !errors.Is(e.Err, errToy) || e.Peer == "" {
		t.Errorf("the client got %v, and the server %v", err, e)
	}
	err = open(t, zmq4.NewSub, withToy).Dial(at)
	const want = `zmq4: could not open a ZMTP connection: zmq4: could not initialize ZMTP connection: zmq4: peer="PULL" not compatible with "SUB"`
	if err == nil || err.Error() != want {
		t.Errorf("another type got %v", err)
	}
	if e := ztest.Receive(t, "the event", events); e.Err == nil || !strings.Contains(e.Err.Error(), `peer="SUB" not compatible with "PULL"`) {
		t.Errorf("the server got %v", e)
	}
	err = open(t, zmq4.NewPush).Dial(at)
	ztest.Receive(t, "the event", events)
	if err == nil {
		t.Error("a client with NULL is connected")
	}
	push := open(t, zmq4.NewPush, withToy)
	ztest.Must(t, push.Dial(at), push.Send(zmq4.NewMsgString("hello")))
	recv(t, pull)
}

// TestForeignReconnects loses no message that was accepted before Close, and connects again to
// a socket that listens again.
func TestForeignReconnects(t *testing.T) {
	t.Parallel()
	pull := open(t, zmq4.NewPull, withToy, zmq4.WithHighWaterMarks(0, 0))
	first := open(t, zmq4.NewPush, withToy, zmq4.WithHighWaterMarks(0, 0))
	at := listen(t, first, "ipc")
	ztest.Must(t, pull.Dial(at))
	const n = 1000
	for range n {
		ztest.Must(t, first.Send(zmq4.NewMsg(make([]byte, 1000))))
	}
	ztest.Must(t, first.Close())
	for range n {
		recv(t, pull)
	}
	if _, err := pull.Recv(); err != io.EOF {
		t.Errorf("after the loss: %v", err)
	}
	second := open(t, zmq4.NewPush, withToy)
	ztest.Must(t, second.Listen(at), second.Send(zmq4.NewMsgString("again")))
	recv(t, pull)
}

// pipes is a transport whose connections buffer nothing.
type pipes struct {
	conns     chan net.Conn
	mu        sync.Mutex
	deadlines []time.Time // that were set, of all connections
}

func (p *pipes) Dial(ctx context.Context, _ transport.Dialer, _ string) (net.Conn, error) {
	a, b := net.Pipe()
	select {
	case p.conns <- b:
		return watched{a, p}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Listen(ctx context.Context, _ string) (net.Listener, error) {
	ctx, end := context.WithCancel(ctx)
	return &pipesListener{p, ctx, end}, nil
}

func (*pipes) Addr(at string) (string, error) { return at, nil }

type pipesListener struct {
	of  *pipes
	ctx context.Context
	end context.CancelFunc
}

func (l *pipesListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.of.conns:
		return nc, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (l *pipesListener) Close() error   { l.end(); return nil }
func (l *pipesListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipes"} }

// watched notes its deadlines.
type watched struct {
	net.Conn
	of *pipes
}

func (w watched) SetDeadline(at time.Time) error {
	w.of.mu.Lock()
	w.of.deadlines = append(w.of.deadlines, at)
	w.of.mu.Unlock()
	return w.Conn.SetDeadline(at)
}

// TestSilentPeers connects a client to a listener with a foreign Security while as many silent
// peers wait as it has room for: it ends the oldest.
func TestSilentPeers(t *testing.T) {
	t.Parallel()
	p := &pipes{conns: make(chan net.Conn)}
	name := fmt.Sprintf("pipes-%p", p) // no test can remove it again
	ztest.Must(t, zmq4.RegisterTransport(name, p))
	pull, push := open(t, zmq4.NewPull, withToy), open(t, zmq4.NewPush, withToy)
	ztest.Must(t, pull.Listen(name+"://x"))
	ctx := ztest.Context(t)
	var silent []net.Conn
	for range 1024 {
		nc, err := p.Dial(ctx, nil, "")
		ztest.Must(t, err)
		defer nc.Close()
		silent = append(silent, nc)
	}
	begin := time.Now()
	ztest.Must(t, push.Dial(name+"://x"), push.Send(zmq4.NewMsgString("hello")))
	recv(t, pull)
	if n, err := silent[0].Read(make([]byte, 64)); err != io.EOF {
		t.Errorf("the oldest got %d bytes, %v", n, err)
	}
	if n, err := silent[1].Read(make([]byte, 64)); n != 64 || err != nil {
		t.Errorf("the next got %d bytes, %v, instead of the greeting", n, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.deadlines); n != 2 || p.deadlines[0].Before(begin.Add(time.Second)) || p.deadlines[0].After(time.Now().Add(time.Minute)) || !p.deadlines[1].IsZero() {
		t.Errorf("the handshake had the deadlines %v", p.deadlines)
	}
}
