package web

import (
	"context"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/zap"
)

// TestConcurrentRequests: replies are written while decisions are made.
func TestConcurrentRequests(t *testing.T) {
	t.Parallel()
	s := newSource(t, control.Status{})
	s.Monitor = monitor.New(zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		return zap.Reply{Status: zap.StatusRefused, Text: "no"}
	}), monitor.Options{})
	var asked sync.WaitGroup
	for _, path := range []string{"/", "/metrics", "/readyz", "/healthz"} {
		handler := newHandler(t.Context(), s)
		asked.Go(func() {
			for range 20 {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
				if w.Code != 200 {
					t.Errorf("%s: %d", path, w.Code)
				}
			}
		})
	}
	for range 4 {
		asked.Go(func() {
			for range 500 {
				s.Monitor.Handle(t.Context(), &zap.Request{Domain: "payments", Mechanism: zap.Null})
			}
		})
	}
	asked.Wait()
}
