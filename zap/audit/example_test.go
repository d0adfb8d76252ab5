package audit_test

import (
	"context"
	"log/slog"
	"os"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
)

func Example() {
	// A policy, for example.
	handler := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return zap.Refuse("unknown user") })
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))

	decisions := audit.New(handler, audit.Options{Log: log})
	defer decisions.Close()
	// Pass decisions to zmtp.Config, libzmq.Start or remote.Serve.
	zap.Ask(context.Background(), decisions, &zap.Request{
		Domain: "payments", Address: "192.0.2.1", Mechanism: zap.Plain,
		Credentials: [][]byte{[]byte("alice"), []byte("secret")},
	})
	// Output: level=WARN msg="client refused" status=400 domain=payments address=192.0.2.1 mechanism=PLAIN login=alice reason="unknown user"
}

// withoutTime removes the time, so that the output is always the same.
func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
