package audit_test

import (
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
)

// ending ends each admission at once.
type ending struct{ zap.Handler }

func (ending) Keep(_ *zap.Request, _ zap.Reply, end func(zap.Reply)) func() {
	end(zap.Refuse("revoked"))
	return func() {}
}

// TestKeep passes on when a client must leave.
func TestKeep(t *testing.T) {
	t.Parallel()
	var log ztest.Log
	ends := 0
	end := func(zap.Reply) { ends++ }
	for i, handler := range []zap.Handler{always(zap.Allow("alice")), ending{always(zap.Allow("alice"))}} {
		h := audit.New(handler, audit.Options{Log: log.Logger()})
		h.Keep(&zap.Request{Mechanism: zap.Null}, zap.Allow("alice"), end)()
		if ends != i {
			t.Errorf("%T: %d clients must leave, want %d", handler, ends, i)
		}
	}
}
