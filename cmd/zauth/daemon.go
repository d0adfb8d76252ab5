package main

import (
	"time"

	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
)

// daemon is a running zauth serve, as its operator sees and changes it.
type daemon struct {
	flags   serveFlags
	started time.Time
	rules   rules
	audit   *auditLog // nil without --audit
	monitor *monitor.Monitor
}

// status describes the daemon.
func (d *daemon) status() control.Status {
	return control.Status{
		Started:   d.started,
		Endpoints: d.flags.listen,
		Counts:    d.monitor.Counts(),
	}
}
