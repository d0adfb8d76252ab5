package zmtp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// kinds returns the exported errors that err matches.
func kinds(err error) (matches []error) {
	if refused, ok := errors.AsType[*zmtp.RefusedError](err); ok {
		matches = append(matches, refused)
	}
	for _, kind := range []error{zmtp.ErrServerKey, zmtp.ErrTryAgain, zmtp.ErrIncompatible, zmtp.ErrProtocol, zmtp.ErrLimit,
		zmtp.ErrHeartbeat, zmtp.ErrQueued} {
		if errors.Is(err, kind) {
			matches = append(matches, kind)
		}
	}
	return matches
}

// ourName matches the names of our packages.
var ourName = regexp.MustCompile(`\b(cert|curve|zap|zmtp|endpoint|remote): `)

// checkError checks that an error matches one exported error, or none if kind is nil, and
// that its text has the name of this package in front and no other, and no password.
func checkError(t *testing.T, name string, err, kind error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", name)
		return
	}
	got := kinds(err)
	_, refused := kind.(*zmtp.RefusedError)
	switch {
	case kind == nil && len(got) == 0:
	case len(got) == 1 && got[0] == kind:
	case len(got) == 1 && refused && errors.As(err, new(*zmtp.RefusedError)):
	default:
		t.Errorf("%s: %v: matches %v, expected %v", name, err, got, kind)
	}
	if names := ourName.FindAllString(err.Error(), -1); len(names) != 1 || !strings.HasPrefix(err.Error(), "zmtp: ") {
		t.Errorf("%s: %v: has the names %q", name, err, names)
	}
	if strings.Contains(err.Error(), "sesame") {
		t.Errorf("%s: %v: has the password", name, err)
	}
}

// TestErrorKinds checks that what ends a handshake, on either side and with each
// mechanism, matches one exported error.
func TestErrorKinds(t *testing.T) {
	t.Parallel()
	answers := func(reply zap.Reply) func(c, s *zmtp.Config) {
		return func(_, s *zmtp.Config) {
			s.Handler = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return reply })
		}
	}
	refused := new(zmtp.RefusedError)
	for name, tt := range map[string]struct {
		mechanisms     []string
		change         func(c, s *zmtp.Config)
		client, server error
	}{
		"300":         {mechanisms, answers(zap.Reply{Status: zap.StatusTryLater}), zmtp.ErrTryAgain, refused},
		"400":         {mechanisms, answers(zap.Refuse("no")), refused, refused},
		"500":         {mechanisms, answers(zap.Reply{Status: zap.StatusError}), refused, refused},
		"no decision": {mechanisms, func(_, s *zmtp.Config) { s.Handler = zap.HandlerFunc(nil) }, refused, refused},
		"server key":  {[]string{zap.Curve}, func(c, _ *zmtp.Config) { c.ServerKey = curve.GenerateKey().Public() }, zmtp.ErrServerKey, zmtp.ErrProtocol},
		"mechanism":   {mechanisms[1:], func(c, _ *zmtp.Config) { c.Mechanism = zap.Null }, zmtp.ErrIncompatible, zmtp.ErrIncompatible},
		"socket type": {mechanisms, func(c, _ *zmtp.Config) { c.SocketType = "PUB" }, zmtp.ErrIncompatible, zmtp.ErrIncompatible},
		"limit":       {[]string{zap.Plain}, func(c, s *zmtp.Config) { s.MaxMetadataSize = 3 }, nil, zmtp.ErrLimit},
	} {
		for _, mechanism := range tt.mechanisms {
			t.Run(name+" "+mechanism, func(t *testing.T) {
				t.Parallel()
				client, server := configs(mechanism, "REQ", "ROUTER")
				if mechanism == zap.Plain {
					client.Username, client.Password = "bob", zap.NewPassword("open sesame")
				}
				tt.change(&client, &server)
				a, b := net.Pipe()
				c, s := shake(ztest.Context(t), a, b, client, server)
				checkError(t, "client", c.err, tt.client)
				checkError(t, "server", s.err, tt.server)
			})
		}
	}
}

// TestErrorKindsOfBytes is TestErrorKinds for what peers send that are not ours.
func TestErrorKindsOfBytes(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		greeting := string(greetingOf(mechanism))
		for sent, kind := range map[string]error{
			"HTTP/1.1 400 Bad Request\r\n\r\n":                zmtp.ErrIncompatible,
			"\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x02":    zmtp.ErrIncompatible,
			greeting + "\x00\x01x":                            zmtp.ErrProtocol,
			greeting + "\x04\x00":                             zmtp.ErrProtocol,
			greeting + "\x04\x0b\x05READYsesame":              zmtp.ErrProtocol,
			greeting + "\x04\x0c\x06sesame\x04HELO":           zmtp.ErrProtocol,
			greeting + "\x04\x0a\x05ERROR\x03no\n":            zmtp.ErrProtocol,
			greeting + "\x06\x7f\xff\xff\xff\xff\xff\xff\xff": zmtp.ErrLimit,
		} {
			for role, shakes := range map[string]func(nc net.Conn) error{
				"client": func(nc net.Conn) error {
					client, _ := configs(mechanism, "DEALER", "ROUTER")
					_, err := zmtp.Client(ztest.Context(t), nc, client)
					return err
				},
				"server": func(nc net.Conn) error {
					_, server := configs(mechanism, "DEALER", "ROUTER")
					_, err := zmtp.Server(ztest.Context(t), nc, server)
					return err
				},
			} {
				a, b := net.Pipe()
				go io.Copy(io.Discard, b)
				go io.WriteString(b, sent)
				checkError(t, mechanism+" "+role+" "+sent, shakes(a), kind)
				b.Close()
			}
		}
	}
}

// TestErrorKindsOfRefusals checks the errors that a client gets for an ERROR command.
func TestErrorKindsOfRefusals(t *testing.T) {
	t.Parallel()
	for why, want := range map[string]string{
		"400":                       "refused by server: 400 (not admitted; ask its operator)",
		"999":                       "refused by server: 999",
		"000":                       "refused by server: 000",
		"\x1b[2J":                   "",
		"":                          `refused by server: ""`,
		"incompatible socket types": "refused by server: incompatible socket types",
	} {
		client, _ := configs(zap.Null, "DEALER", "ROUTER")
		a, b := net.Pipe()
		go io.Copy(io.Discard, b)
		go b.Write(append(greetingOf(zap.Null), frame(4, append([]byte("\x05ERROR"), append([]byte{byte(len(why))}, why...)...))...))
		_, err := zmtp.Client(ztest.Context(t), a, client)
		b.Close()
		kind := error(new(zmtp.RefusedError))
		switch why {
		case "incompatible socket types":
			kind = zmtp.ErrIncompatible
		case "\x1b[2J":
			kind = zmtp.ErrProtocol
		}
		checkError(t, why, err, kind)
		if !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %v", why, err)
		}
	}
}

// TestOwnFaults checks that what the program itself did wrong, or ended, is not worth
// another attempt.
func TestOwnFaults(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	client, server := configs(zap.Curve, "REQ", "REP")
	a, b := net.Pipe()
	c, s := shake(ctx, a, b, client, server)
	ztest.Must(t, errors.Join(c.err, s.err))
	faults := map[string]error{
		"no parts":     c.conn.Send(ctx),
		"no delimiter": c.conn.Send(ctx, []byte("x")),
		"subscription": c.conn.Subscribe(ctx, nil),
	}
	s.conn.CloseNow()
	c.conn.CloseNow()
	faults["sent after Close"] = c.conn.Send(ctx, nil, []byte("x"))
	_, faults["received after Close"] = c.conn.Recv(ctx)
	ln, err := zmtp.Listen(ctx, "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	ln.Close()
	_, faults["accepted after Close"] = ln.Accept(ctx)
	_, faults["endpoint"] = zmtp.Listen(ctx, "tcp://127.0.0.1:99999", server)
	_, faults["domain"] = zmtp.Listen(ctx, "tcp://127.0.0.1:*", zmtp.Config{SocketType: "REP", Mechanism: zap.Null, Domain: "\n", Handler: server.Handler})
	client.ServerKey = curve.PublicKey{1}
	faults["server key"] = client.CheckClient()
	for name, err := range faults {
		checkError(t, name, err, nil)
		if zmtp.Retryable(err) {
			t.Errorf("%s: %v: retryable", name, err)
		}
	}
	if zmtp.Retryable(errors.Join(zmtp.ErrQueued, context.DeadlineExceeded)) {
		t.Error("a message that will be sent is retryable")
	}
}

// TestErrorAfterHandshake checks that an ERROR on an established connection is a refusal to
// a client, and a violation to a server: no client can make a server report that it has been
// refused.
func TestErrorAfterHandshake(t *testing.T) {
	t.Parallel()
	refusal := frame(4, []byte("\x05ERROR\x03400"))
	hello, welcome := frame(4, []byte("\x05HELLO\x01a\x01b")), frame(4, []byte("\x07WELCOME"))
	initiate, ready := frame(4, []byte("\x08INITIATE")), frame(4, []byte("\x05READY"))
	client, server := configs(zap.Plain, "DEALER", "DEALER")
	for name, tt := range map[string]struct {
		sent   [][]byte
		shakes func(nc net.Conn) (*zmtp.Conn, error)
		kind   error
	}{
		"client": {[][]byte{greetingOf("PLAIN"), welcome, ready, refusal},
			func(nc net.Conn) (*zmtp.Conn, error) { return zmtp.Client(ztest.Context(t), nc, client) }, new(zmtp.RefusedError)},
		"server": {[][]byte{greetingOf("PLAIN"), hello, initiate, refusal},
			func(nc net.Conn) (*zmtp.Conn, error) { return zmtp.Server(ztest.Context(t), nc, server) }, zmtp.ErrProtocol},
	} {
		a, b := net.Pipe()
		go io.Copy(io.Discard, b)
		go b.Write(bytes.Join(tt.sent, nil))
		conn, err := tt.shakes(a)
		ztest.Must(t, err)
		_, err = conn.Recv(ztest.Context(t))
		checkError(t, name, err, tt.kind)
		ztest.Must(t, conn.CloseNow(), b.Close())
	}
}
