// Package remotetest runs servers of package zap/remote for tests.
package remotetest

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// Serve answers ZAP requests until stop is called or the test ends. It returns its
// endpoint. An empty Mechanism of link means NULL.
func Serve(t testing.TB, endpoint string, link zmtp.Config, handler zap.Handler, log *slog.Logger) (at string, stop func()) {
	t.Helper()
	if link.Mechanism == "" {
		link.Mechanism = zap.Null
	}
	ctx, cancel := context.WithCancel(context.Background())
	ln, err := remote.Listen(ctx, endpoint, link)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- remote.Serve(ctx, ln, handler, log) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := ztest.Receive(t, "the server's end", served); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return ln.Endpoint(), stop
}

// Endpoint returns an ipc endpoint for this test, where servers can start and stop.
func Endpoint(t testing.TB) string {
	t.Helper()
	return "ipc://" + filepath.Join(t.TempDir(), "zap")
}

// NewHandler returns a handler that is closed when the test ends. It waits for a reply for
// opts.Wait, or for [ztest.Patience] if that is zero.
func NewHandler(t testing.TB, opts remote.Options, endpoints ...string) *remote.Handler {
	t.Helper()
	if opts.Wait == 0 {
		opts.Wait = ztest.Patience
	}
	h, err := remote.NewHandler(opts, endpoints...)
	ztest.Must(t, err)
	t.Cleanup(func() { h.Close() })
	return h
}
