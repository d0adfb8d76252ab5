package zmq4_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/security/null"
)

// openConns opens both sides of a connection with null.Security.
func openConns(t testing.TB, security zmq4.Security, onClosed func(*zmq4.Conn)) (a, b *zmq4.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	opened := make(chan error)
	go func() {
		var err error
		b, err = zmq4.Open(theirs, security, zmq4.Pair, zmq4.SocketIdentity("b"), true, nil)
		opened <- err
	}()
	a, err := zmq4.Open(ours, security, zmq4.Pair, zmq4.SocketIdentity("a"), false, onClosed)
	ztest.Must(t, err, ztest.Receive(t, "the other side", opened))
	return a, b
}

// greeting returns that of a peer with NULL, and its READY.
func greeting() []byte {
	b := append([]byte{0: 0xff, 9: 0x7f, 10: 3}, greetingOf(zmq4.NullSecurity)...)
	ready := "\x05READY\x0bSocket-Type\x00\x00\x00\x04PAIR"
	return append(append(b, 4, byte(len(ready))), ready...)
}

// script is a net.Conn whose peer sends what in holds, and reads all.
type script struct {
	net.Conn // nil
	in       io.Reader
	mu       sync.Mutex
	out      bytes.Buffer
}

func (s *script) Read(p []byte) (int, error) { return s.in.Read(p) }

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *script) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

func (*script) Close() error                     { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }

// openScript opens a Conn to a peer that sends its handshake and then text.
func openScript(t testing.TB, text string) (*zmq4.Conn, *script) {
	t.Helper()
	s := &script{in: strings.NewReader(string(greeting()) + text)}
	c, err := zmq4.Open(s, null.Security(), zmq4.Pair, nil, true, nil)
	ztest.Must(t, err)
	return c, s
}

// TestConnMessages sends messages and commands both ways.
func TestConnMessages(t *testing.T) {
	t.Parallel()
	for _, security := range []zmq4.Security{null.Security(), toy{0x55}} {
		a, b := openConns(t, security, nil)
		if a.Server || !b.Server || a.Peer.Meta["Identity"] != "b" || b.Peer.Meta["Identity"] != "a" || b.Meta["Socket-Type"] != "PAIR" {
			t.Errorf("%+v and %+v", a.Peer, b.Peer)
		}
		long := bytes.Repeat([]byte("long"), 20_000)
		for _, msg := range []zmq4.Msg{zmq4.NewMsg(nil), zmq4.NewMsgFrom([]byte("a"), nil, long), zmq4.NewMsg(long[:255]), zmq4.NewMsg(long[:256])} {
			sent := make(chan error)
			go func() { sent <- a.SendMsg(msg) }()
			got, err := b.RecvMsg()
			ztest.Must(t, err, <-sent, got.Err())
			if got.Type != zmq4.UsrMsg || got.String() != msg.String() || got.Frames[0] == nil {
				t.Errorf("got %.100v, want %.100v", got, msg)
			}
		}
		go b.SendCmd("HELLO", []byte("body"))
		cmd, err := a.RecvCmd()
		if err != nil || cmd.Name != "HELLO" || string(cmd.Body) != "body" {
			t.Errorf("command %v, %v", cmd, err)
		}
		for _, body := range []string{"body", ""} {
			go b.SendCmd("HELLO", []byte(body))
			if msg, err := a.RecvMsg(); err != nil || msg.Type != zmq4.CmdMsg || string(msg.Bytes()) != body || len(msg.Frames) != min(1, len(body)) {
				t.Errorf("command %v, %v", msg, err)
			}
		}
		for _, name := range []string{"", strings.Repeat("x", 256)} {
			if err := a.SendCmd(name, nil); !errors.Is(err, zmq4.ErrBadCmd) {
				t.Errorf("a name of %d bytes: %v", len(name), err)
			}
		}
		go b.SendMsg(zmq4.NewMsgString("no command"))
		if _, err := a.RecvCmd(); !errors.Is(err, zmq4.ErrBadFrame) || a.Closed() {
			t.Errorf("a message instead of a command: %v", err)
		}
	}
}

// TestConnSendsWhole sends from many goroutines: no message gets between the frames of
// another.
func TestConnSendsWhole(t *testing.T) {
	t.Parallel()
	a, b := openConns(t, toy{1}, nil)
	const senders, n = 8, 100
	for i := range senders {
		go func() {
			for j := range n {
				if err := a.SendMsg(zmq4.NewMsgFrom(fmt.Append(nil, i), fmt.Append(nil, j), make([]byte, 300))); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	var next [senders]int
	for range senders * n {
		msg, err := b.RecvMsg()
		ztest.Must(t, err)
		var from, number int
		if _, err := fmt.Sscan(string(msg.Frames[0]), &from); err != nil || len(msg.Frames) != 3 {
			t.Fatal(msg)
		}
		if fmt.Sscan(string(msg.Frames[1]), &number); number != next[from] {
			t.Fatalf("message %d of %d, not %d", number, from, next[from])
		}
		next[from]++
	}
}

// TestConnAnswersPing answers a PING with its context, even if nothing reads the answer.
func TestConnAnswersPing(t *testing.T) {
	t.Parallel()
	a, b := openConns(t, null.Security(), nil)
	go func() {
		b.SendCmd(zmq4.CmdPing, []byte("\x00\x0acontext"))
		b.SendCmd(zmq4.CmdPing, nil)
		b.SendMsg(zmq4.NewMsgString("hello"))
	}()
	for _, want := range []string{"\x00\x0acontext", "", "hello"} {
		if msg, err := a.RecvMsg(); err != nil || string(msg.Bytes()) != want {
			t.Errorf("%v, %v, want %q", msg, err, want)
		}
	}
	for _, want := range []string{"context", ""} {
		if cmd, err := b.RecvCmd(); err != nil || cmd.Name != zmq4.CmdPong || string(cmd.Body) != want {
			t.Errorf("%v, %v, want PONG %q", cmd, err, want)
		}
	}
}

// TestConnClosed calls the callback once, and refuses everything afterwards.
func TestConnClosed(t *testing.T) {
	t.Parallel()
	calls := make(chan *zmq4.Conn, 10)
	a, b := openConns(t, null.Security(), func(c *zmq4.Conn) { calls <- c })
	b.Close()
	_, err := a.RecvMsg()
	if !errors.Is(err, io.EOF) || !a.Closed() {
		t.Errorf("the peer has gone: %v, closed %v", err, a.Closed())
	}
	a.SetClosed()
	if c := <-calls; c != a || len(calls) > 0 {
		t.Errorf("the callback got %p, and was called %d times more", c, len(calls))
	}
	for name, c := range map[string]*zmq4.Conn{"closed": a, "zero": {}} {
		_, read := c.Read(make([]byte, 1))
		_, write := c.Write([]byte("x"))
		_, recv := c.RecvMsg()
		_, recvCmd := c.RecvCmd()
		for _, err := range []error{read, write, recv, recvCmd, c.SendMsg(zmq4.NewMsgString("x")), c.SendCmd("X", nil)} {
			if !errors.Is(err, zmq4.ErrClosedConn) {
				t.Errorf("%s: %v", name, err)
			}
		}
		ztest.Must(t, c.Close())
	}
	if _, err := b.RecvMsg(); err == nil || !b.Closed() {
		t.Errorf("a closed connection: %v", err)
	}
}

// TestConnReads fills the slice of Read, and reads on after a deadline that passed between
// messages.
func TestConnReads(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go func() { theirs.Write(greeting()) }()
	go io.Copy(io.Discard, theirs)
	c, err := zmq4.Open(ours, null.Security(), zmq4.Pair, nil, true, nil)
	ztest.Must(t, err, ours.SetReadDeadline(time.Unix(1, 0)))
	var p [6]byte
	_, read := c.Read(p[:])
	_, recv := c.RecvMsg()
	for _, err := range []error{read, recv} {
		if !errors.Is(err, os.ErrDeadlineExceeded) || c.Closed() {
			t.Errorf("the deadline has passed: %v, closed %v", err, c.Closed())
		}
	}
	ztest.Must(t, ours.SetReadDeadline(time.Time{}))
	go func() {
		for _, text := range []string{"one", "two", "\x00\x05hello", "\x00\x05hel"} {
			theirs.Write([]byte(text))
		}
		ours.SetReadDeadline(time.Unix(1, 0))
	}()
	if n, err := c.Read(p[:]); n != 6 || err != nil || string(p[:]) != "onetwo" {
		t.Errorf("%d bytes %q, %v", n, p, err)
	}
	if msg, err := c.RecvMsg(); err != nil || string(msg.Bytes()) != "hello" {
		t.Errorf("%v, %v", msg, err)
	}
	if _, err := c.RecvMsg(); !errors.Is(err, os.ErrDeadlineExceeded) || !c.Closed() {
		t.Errorf("the deadline has passed in a message: %v, closed %v", err, c.Closed())
	}
}

// TestConnMalformed receives what a hostile peer sends after its handshake.
func TestConnMalformed(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("\x01\x00", 4096) + "\x00\x00"
	for name, test := range map[string]struct {
		sends string
		want  error
		text  string
	}{
		"nothing":                          {"", io.EOF, ""},
		"cut off in the header":            {"\x02\x00\x00", io.ErrUnexpectedEOF, ""},
		"cut off in a frame":               {"\x00\x05hell", io.ErrUnexpectedEOF, ""},
		"cut off between":                  {"\x01\x05hello", io.ErrUnexpectedEOF, ""},
		"length of 2^63-1":                 {"\x02\x7f\xff\xff\xff\xff\xff\xff\xff", zmq4.ErrBadFrame, "more than"},
		"length of 2^64-1":                 {"\x02\xff\xff\xff\xff\xff\xff\xff\xff", zmq4.ErrBadFrame, "more than"},
		"64 MiB and a byte":                {"\x02\x00\x00\x00\x00\x04\x00\x00\x01", zmq4.ErrBadFrame, "more than"},
		"64 MiB and a byte, in two frames": {"\x01\x01x\x02\x00\x00\x00\x00\x04\x00\x00\x00", zmq4.ErrBadFrame, "more than"},
		"64 MiB announced":                 {"\x02\x00\x00\x00\x00\x04\x00\x00\x00x", io.ErrUnexpectedEOF, ""},
		"too many frames":                  {many, zmq4.ErrBadFrame, "4096"},
		"unknown flag":                     {"\x08\x00", zmq4.ErrBadFrame, "0x8"},
		"command in two frames":            {"\x05\x05\x04PING\x00\x00", zmq4.ErrBadFrame, "several frames"},
		"command within":                   {"\x01\x00\x04\x05\x04PING", zmq4.ErrBadFrame, "within"},
		"command without name":             {"\x04\x00", zmq4.ErrBadCmd, ""},
		"command with no name":             {"\x04\x02\x00x", zmq4.ErrBadCmd, ""},
		"command cut off":                  {"\x04\x03\x04PI", zmq4.ErrBadCmd, ""},
		"message for no command":           {"\x00\x05hello", nil, ""},
	} {
		c, _ := openScript(t, test.sends)
		msg, err := c.RecvMsg()
		if !errors.Is(err, test.want) || (err != nil) != c.Closed() || msg.Err() != err || test.want != nil && !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v, closed %v, message %.100v", name, err, c.Closed(), msg)
		}
	}
}

// TestConnAllocatesWhatArrives receives the header of the largest frame, which never comes. It does
// not run beside other tests, whose memory would count.
func TestConnAllocatesWhatArrives(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const n = 100
	for range n {
		c, _ := openScript(t, "\x02\x00\x00\x00\x00\x04\x00\x00\x00x")
		if _, err := c.RecvMsg(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / n; each > 64<<10 {
		t.Errorf("a connection allocated %d bytes", each)
	}
}

// TestConnHandshakeMalformed opens connections to peers that are malformed or something else.
func TestConnHandshakeMalformed(t *testing.T) {
	t.Parallel()
	whole := string(greeting())
	with := func(at int, b byte) string { return whole[:at] + string(rune(b)) + whole[at+1:] }
	head := whole[:64]
	for name, test := range map[string]struct{ sends, text string }{
		"nothing":               {"", "EOF"},
		"64 zeros":              {strings.Repeat("\x00", 64), "not ZMTP"},
		"another protocol":      {strings.Repeat("HTTP/1.1 400 Bad Request\r\n", 4), "not ZMTP"},
		"version 2":             {with(10, 2), "version 2.0"},
		"another mechanism":     {with(12, 'M'), `mechanism "MULL"`},
		"as-server 2":           {with(32, 2), "as-server is 2"},
		"cut off":               {whole[:63], "EOF"},
		"no command":            {head, "EOF"},
		"metadata cut off":      {head + "\x04\x08\x05READY\x01a", "cut off"},
		"metadata too long":     {head + "\x06\x00\x00\x00\x00\x00\x01\x00\x01", "more than the 65536"},
		"a name twice":          {head + "\x04\x2e\x05READY" + strings.Repeat("\x0bSocket-Type\x00\x00\x00\x04PAIR", 2), "metadata"},
		"no type":               {head + "\x04\x06\x05READY", `peer="" not compatible with "PAIR"`},
		"another type":          {whole[:len(whole)-4] + "PULL", `peer="PULL" not compatible with "PAIR"`},
		"ERROR":                 {head + "\x04\x0f\x05ERROR\x08no entry", `refused the handshake: "no entry"`},
		"ERROR without length":  {head + "\x04\x0d\x05ERRORinvalid", `refused the handshake: "invalid"`},
		"ERROR without reason":  {head + "\x04\x06\x05ERROR", `"ERROR" instead of READY`},
		"message for a command": {head + "\x00\x06\x05READY", "invalid frame"},
	} {
		_, err := zmq4.Open(&script{in: strings.NewReader(test.sends)}, null.Security(), zmq4.Pair, nil, true, nil)
		if err == nil || !strings.HasPrefix(err.Error(), "zmq4: could not initialize ZMTP connection: ") || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"no connection": second(zmq4.Open(nil, null.Security(), zmq4.Pair, nil, true, nil)),
		"no security":   second(zmq4.Open(&script{}, nil, zmq4.Pair, nil, true, nil)),
	} {
		if err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func second(_ *zmq4.Conn, err error) error { return err }

// TestConnGreeting announces ZMTP 3.0, and with NULL no server.
func TestConnGreeting(t *testing.T) {
	t.Parallel()
	_, s := openScript(t, "")
	if sent := s.written(); len(sent) < 64 || sent[10:12] != "\x03\x00" || sent[12:17] != "NULL\x00" || sent[32] != 0 {
		t.Errorf("greeting %q", sent)
	}
}
