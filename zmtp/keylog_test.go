package zmtp_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// keyLog collects the writes of a key log, which the caller must serialize: the race detector
// reports it otherwise.
type keyLog struct {
	lines []string
	err   error
}

func (k *keyLog) Write(line []byte) (int, error) {
	k.lines = append(k.lines, string(line))
	return len(line), k.err
}

// TestInsecureKeyLog: both sides write the same line, one Write for each connection and one
// at a time. Each Listener warns once, and the key log outlives a change of the key.
func TestInsecureKeyLog(t *testing.T) {
	t.Parallel()
	const connections = 10
	ctx := ztest.Context(t)
	client, server := configs(zap.Curve, "REQ", "REP")
	var ours, theirs keyLog
	var log ztest.Log
	client.InsecureKeyLog, server.InsecureKeyLog = &ours, &theirs
	server.Log = slog.New(slog.NewTextHandler(&log, nil))
	ln, err := zmtp.Listen(ctx, "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	defer ln.Close()
	connect := func() {
		c, err := zmtp.Dial(ctx, ln.Endpoint(), client)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		s, err := ln.Accept(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		s.CloseNow()
	}
	var all sync.WaitGroup
	for range connections - 1 {
		all.Go(connect)
	}
	all.Wait()
	next := curve.GenerateKey()
	ztest.Must(t, ln.SetKey(next))
	client.ServerKey = next.Public()
	connect()
	ztest.Must(t, ln.Close())

	if len(ours.lines) != connections || len(theirs.lines) != connections {
		t.Fatalf("%d and %d lines, want %d", len(ours.lines), len(theirs.lines), connections)
	}
	seen := map[string]bool{}
	for _, line := range ours.lines {
		if !strings.HasPrefix(line, "CURVEZMQ ") || strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
			t.Errorf("a write of %q", line)
		}
		seen[line] = true
	}
	for _, line := range theirs.lines {
		if !seen[line] {
			t.Errorf("only the server has %q", line)
		}
	}
	if n := log.Count(`level=WARN msg="keys are logged: connections can be decrypted"`); n != 1 {
		t.Errorf("%d warnings: %s", n, &log)
	}
}

// TestKeyLogFails: an error of the writer ends no connection, and is logged once.
func TestKeyLogFails(t *testing.T) {
	t.Parallel()
	ctx := ztest.Context(t)
	client, server := configs(zap.Curve, "REQ", "REP")
	var log ztest.Log
	server.InsecureKeyLog = &keyLog{err: errors.New("disk full")}
	server.Log = slog.New(slog.NewTextHandler(&log, nil))
	ln, err := zmtp.Listen(ctx, "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	defer ln.Close()
	for range 3 {
		c, err := zmtp.Dial(ctx, ln.Endpoint(), client)
		ztest.Must(t, err)
		defer c.CloseNow()
		s, err := ln.Accept(ctx)
		ztest.Must(t, err)
		defer s.CloseNow()
	}
	if n := log.Count(`level=ERROR msg="writing the key log failed" err="disk full"`); n != 1 {
		t.Errorf("%d errors: %s", n, &log)
	}
}

// TestRefusedKeyLog: the keys of a client that is refused are logged too, since a capture of
// its connection shows why.
func TestRefusedKeyLog(t *testing.T) {
	t.Parallel()
	client, server := configs(zap.Curve, "REQ", "REP")
	server.Handler = answer(zap.StatusRefused, "")
	var ours, theirs keyLog
	client.InsecureKeyLog, server.InsecureKeyLog = &ours, &theirs
	a, b := tcpPair(t)
	if c, _ := shake(ztest.Context(t), a, b, client, server); c.err == nil {
		t.Fatal("admitted")
	}
	if len(ours.lines) != 1 || len(theirs.lines) != 1 || ours.lines[0] != theirs.lines[0] {
		t.Errorf("got %q and %q", ours.lines, theirs.lines)
	}
}
