package zmtp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestShortPatience checks that a client that has proved nothing gets little time, and
// one that has gets the whole handshake's. The handler's time does not count.
func TestShortPatience(t *testing.T) {
	t.Parallel()
	plainHello := frame(4, []byte("\x05HELLO\x01a\x01b"))
	ready := frame(4, []byte("\x05READY"))
	for name, tt := range map[string]struct {
		mechanism string
		sent      []byte
		timeout   time.Duration
		decides   time.Duration
		want      time.Duration
	}{
		"nothing":                   {zap.Curve, nil, time.Minute, 0, 10 * time.Second},
		"half a greeting":           {zap.Curve, greetingOf("CURVE")[:40], time.Minute, 0, 10 * time.Second},
		"no HELLO of CURVE":         {zap.Curve, greetingOf("CURVE"), time.Minute, 0, 10 * time.Second},
		"no HELLO of PLAIN":         {zap.Plain, greetingOf("PLAIN"), time.Minute, 0, 10 * time.Second},
		"half a HELLO of PLAIN":     {zap.Plain, append(greetingOf("PLAIN"), plainHello[:5]...), time.Minute, 0, 10 * time.Second},
		"no READY":                  {zap.Null, greetingOf("NULL"), time.Minute, 0, 10 * time.Second},
		"no READY, a slow decision": {zap.Null, greetingOf("NULL"), time.Minute, 40 * time.Second, 50 * time.Second},
		"READY, a slow decision":    {zap.Null, append(greetingOf("NULL"), ready...), time.Minute, 40 * time.Second, 0},
		"the default":               {zap.Curve, nil, 0, 0, 5 * time.Second},
		"a short time":              {zap.Curve, nil, 6 * time.Second, 0, 5 * time.Second},
		"a shorter time":            {zap.Curve, nil, 2 * time.Second, 0, 2 * time.Second},
		"no INITIATE of PLAIN":      {zap.Plain, append(greetingOf("PLAIN"), plainHello...), time.Minute, 40 * time.Second, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, server := configs(tt.mechanism, "DEALER", "ROUTER")
				server.HandshakeTimeout = tt.timeout
				server.Handler = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
					time.Sleep(tt.decides)
					return zap.Reply{Status: zap.StatusOK}
				})
				a, b := net.Pipe()
				defer a.Close()
				go io.Copy(io.Discard, a)
				go a.Write(tt.sent)
				start := time.Now()
				conn, err := zmtp.Server(context.Background(), b, server)
				if tt.want == 0 {
					ztest.Must(t, err)
					conn.Close()
					return
				}
				if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != tt.want {
					t.Errorf("after %v instead of %v: %v", took, tt.want, err)
				}
			})
		})
	}
}

// TestLongHandshake checks that a CURVE client whose HELLO has opened has the whole
// time for the rest.
func TestLongHandshake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := configs(zap.Curve, "DEALER", "ROUTER")
		server.HandshakeTimeout = time.Minute
		a, b := net.Pipe()
		defer a.Close()
		go func() {
			half, err := curve.NewClient(client.Key, client.ServerKey)
			ztest.Must(t, err)
			hello, err := half.Hello(nil)
			ztest.Must(t, err)
			go a.Write(append(greetingOf("CURVE"), frame(4, hello)...))
			io.Copy(io.Discard, a)
		}()
		start := time.Now()
		_, err := zmtp.Server(context.Background(), b, server)
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// deaf is a net.Conn without deadlines, such as an SSH tunnel's.
type deaf struct{ net.Conn }

func (deaf) SetDeadline(time.Time) error { return errors.New("deadlines aren't supported") }

// TestNoDeadlines checks that both roles refuse a net.Conn without deadlines at once,
// and say what to do.
func TestNoDeadlines(t *testing.T) {
	t.Parallel()
	client, server := configs(zap.Curve, "DEALER", "ROUTER")
	for name, run := range map[string]func(net.Conn) (*zmtp.Conn, error){
		"client": func(nc net.Conn) (*zmtp.Conn, error) { return zmtp.Client(ztest.Context(t), nc, client) },
		"server": func(nc net.Conn) (*zmtp.Conn, error) { return zmtp.Server(ztest.Context(t), nc, server) },
	} {
		a, b := net.Pipe()
		_, err := run(deaf{b})
		if !errors.Is(err, zmtp.ErrConfig) || !strings.Contains(err.Error(), "zmtp_test.deaf has no deadlines") || !strings.Contains(err.Error(), "net.Pipe") {
			t.Errorf("%s: %v", name, err)
		}
		if n, err := a.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%s: the net.Conn wasn't closed before a word: %d, %v", name, n, err)
		}
		_, err = run(b) // which is closed
		if err == nil || errors.Is(err, zmtp.ErrConfig) {
			t.Errorf("%s: a closed one: %v", name, err)
		}
	}
}
