package main

import (
	"log/slog"
	"sync"
	"time"

	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/zap"
)

// daemon is a running zauth serve, as its operator sees and changes it.
type daemon struct {
	flags   serveFlags
	started time.Time
	rules   rules
	handler zap.Handler // decides, and records nothing
	audit   *auditLog   // nil without --audit
	monitor *monitor.Monitor
	log     *slog.Logger

	changing sync.Mutex // held to carry out a change that the operator asks for
	expiring expiring
}
