package main

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/zap"
)

// daemon is a running zauth serve, as its operator sees and changes it.
type daemon struct {
	flags     serveFlags
	started   time.Time
	rules     rules
	handler   zap.Handler // decides, and records nothing
	audit     *auditLog   // nil without --audit
	monitor   *monitor.Monitor
	log       *slog.Logger
	endpoints []string                // where services ask, with the ports that the system has chosen
	doors     []string                // the endpoints where the operator connects
	sandbox   atomic.Pointer[sandbox] // nil before the start, and without one

	changing sync.Mutex // held to carry out a change that the operator asks for
	expiring expiring
}

// explain says so if an error comes from zauth's sandbox.
func (d *daemon) explain(err error) error { return d.sandbox.Load().explain(err) }
