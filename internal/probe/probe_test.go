//go:build cgo

package probe_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/probe"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/peertest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

func TestMain(m *testing.M) { ztest.Main(m) }

// drip returns a peer that sends bytes at once, and then more, one by one.
func drip(atOnce, more string) peertest.Listen {
	return peertest.Talker(func(nc net.Conn) {
		_, err := nc.Write([]byte(atOnce))
		for i := 0; i < len(more) && err == nil; i++ {
			time.Sleep(50 * time.Millisecond)
			_, err = nc.Write([]byte{more[i]})
		}
		for err == nil {
			_, err = nc.Read(make([]byte, 1024))
		}
	})
}

// TestEndsInTime checks that a probe ends within its time in each stage, although the peer
// sends one byte after the other.
func TestEndsInTime(t *testing.T) {
	t.Parallel()
	long := string(make([]byte, 10_000))
	asClient := probe.Config{Mechanism: zap.Curve, Key: curve.GenerateKey(), ServerKey: peertest.Server.Public()}
	null := probe.Config{Mechanism: zap.Null}
	for name, test := range map[string]struct {
		listen peertest.Listen
		cfg    probe.Config
		fails  probe.Stage
	}{
		"silent":    {peertest.Stranger("", false), asClient, probe.Greeting},
		"greeting":  {drip("", peertest.Greeting(3, 1, "CURVE")), asClient, probe.Greeting},
		"WELCOME":   {drip(peertest.Greeting(3, 1, "CURVE"), "\x04\xa8\x07WELCOME"+long), asClient, probe.ServerKey},
		"READY":     {drip(peertest.Greeting(3, 1, "NULL"), "\x06\x00\x00\x00\x00\x00\x00\x20\x00\x05READY"+long), null, probe.Admission},
		"after all": {peertest.Stranger(peertest.Greeting(3, 1, "NULL")+"\x04\x06\x05READY", false), null, probe.Peer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.cfg.Timeout = 3 * time.Second
			began := time.Now()
			r := probe.Run(ztest.Context(t), test.listen(t), test.cfg)
			if stage, _ := r.Failed(); stage != test.fails {
				t.Errorf("fails at stage %s, want %s: %+v", stage, test.fails, r)
			}
			if took := time.Since(began); took > ztest.Patience {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestInterrupted checks that a probe ends with its context.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(ztest.Context(t))
	at := peertest.Talker(func(nc net.Conn) {
		cancel()
		nc.Read(make([]byte, 1024))
	})(t)
	r := probe.Run(ctx, at, probe.Config{Mechanism: zap.Null, Timeout: time.Hour})
	if _, failed := r.Failed(); !failed {
		t.Errorf("got %+v", r)
	}
}

// TestType checks that a probe as a client connects with a type that fits, except where that
// could take messages.
func TestType(t *testing.T) {
	t.Parallel()
	for socketType, fits := range map[string]bool{
		"REP": true, "ROUTER": true, "PUB": true, "XPUB": true, "SUB": true, "XSUB": true, "PULL": true,
		"PUSH": false, "DEALER": false, "PAIR": false,
	} {
		t.Run(socketType, func(t *testing.T) {
			t.Parallel()
			at := peertest.Ours("tcp", zmtp.Config{SocketType: socketType, Mechanism: zap.Curve, Handler: peertest.Replies(200)})(t)
			r := probe.Run(ztest.Context(t), at, probe.Config{
				Mechanism: zap.Curve, Key: curve.GenerateKey(), ServerKey: peertest.Server.Public(), Timeout: ztest.Patience,
			})
			if stage, failed := r.Failed(); failed == fits || failed && stage != probe.Admission {
				t.Errorf("stage %s fails: %+v", stage, r)
			}
			if fits && (r.SocketType != socketType || r.RoundTrip == 0) {
				t.Errorf("a %s, round trip %v", r.SocketType, r.RoundTrip)
			}
		})
	}
}

// TestLink probes the link on which zauth answers services.
func TestLink(t *testing.T) {
	t.Parallel()
	link := zmtp.Config{Mechanism: zap.Curve, Key: peertest.Server, Handler: peertest.Replies(200)}
	curveLink, _ := remotetest.Serve(t, remotetest.Endpoint(t), link, peertest.Replies(200), slog.New(slog.DiscardHandler))
	link.Handler = peertest.Replies(400)
	closedLink, _ := remotetest.Serve(t, remotetest.Endpoint(t), link, peertest.Replies(200), slog.New(slog.DiscardHandler))
	nullLink, _ := remotetest.Serve(t, remotetest.Endpoint(t), zmtp.Config{}, peertest.Replies(200), slog.New(slog.DiscardHandler))
	asService := probe.Config{Mechanism: zap.Curve, Key: curve.GenerateKey(), ServerKey: peertest.Server.Public(), Timeout: ztest.Patience}
	for name, test := range map[string]struct {
		at    string
		cfg   probe.Config
		stage probe.Stage
		text  string
	}{
		"CURVE":         {curveLink, asService, probe.Peer, "ROUTER socket of zauth, which answers services; "},
		"CURVE, closed": {closedLink, asService, probe.Admission, "refused (400)"},
		"NULL":          {nullLink, probe.Config{Mechanism: zap.Null, Timeout: ztest.Patience}, probe.Peer, "ROUTER socket of zauth, which answers services; "},
	} {
		if r := probe.Run(ztest.Context(t), test.at, test.cfg); !strings.HasPrefix(r.Results[test.stage].Text, test.text) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestAdmissionOfNewKey checks that a server that admits every key is told from one that knows
// this one.
func TestAdmissionOfNewKey(t *testing.T) {
	t.Parallel()
	at := peertest.Theirs("tcp", zmq4.REP, zap.Curve, nil)(t) // without an authenticator
	for isNew, want := range map[bool]string{true: "the server admits every key", false: "admitted"} {
		r := probe.Run(ztest.Context(t), at, probe.Config{
			Mechanism: zap.Curve, Key: curve.GenerateKey(), IsNew: isNew, ServerKey: peertest.Server.Public(), Timeout: ztest.Patience,
		})
		if text := r.Results[probe.Admission].Text; !strings.HasSuffix(text, want) {
			t.Errorf("says %q, want %q", text, want)
		}
	}
}
