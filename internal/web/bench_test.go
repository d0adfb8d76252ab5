package web

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/zap"
)

// BenchmarkReplies measures replies about as many clients as zauth remembers.
func BenchmarkReplies(b *testing.B) {
	m := monitor.New(zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		return zap.Reply{Status: zap.StatusOK, UserID: "client", Identity: "client"}
	}), monitor.Options{})
	for i := range 20_000 {
		key := make([]byte, 32)
		binary.BigEndian.PutUint32(key, uint32(i))
		m.Handle(b.Context(), &zap.Request{Domain: "payments", Address: "10.0.0.1", Mechanism: zap.Curve, Credentials: [][]byte{key}})
	}
	handler := newHandler(b.Context(), Source{Status: func() control.Status { return control.Status{} }, Monitor: m, Log: slog.New(slog.DiscardHandler)})
	for _, path := range []string{"/", "/metrics", "/readyz"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
			}
		})
	}
}
