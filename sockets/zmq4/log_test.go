package zmq4_test

import (
	"log"
	"path/filepath"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// TestLogIsBounded: failures that follow each other write few lines.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	var lines ztest.Log
	failed, failures := eventsOf(sockets.Failed)
	pull := open(t, zmq4.NewPull, zmq4.WithReconnect(time.Microsecond, time.Microsecond), failed, zmq4.WithLogger(log.New(&lines, "", 0)))
	ztest.Must(t, pull.Dial("ipc://"+filepath.Join(t.TempDir(), "nobody")))
	for range 200 {
		ztest.Receive(t, "a failure", failures)
	}
	pull.Close()
	if n := lines.Count("nobody"); n < 10 || n > 30 { // for as many minutes as a busy machine takes
		t.Errorf("%d lines", n)
	}
}
