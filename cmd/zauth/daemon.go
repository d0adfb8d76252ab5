package main

import (
	"time"

	"github.com/zcurve/zcurve/internal/monitor"
)

// daemon is a running zauth serve, as its operator sees and changes it.
type daemon struct {
	flags   serveFlags
	started time.Time
	rules   rules
	audit   *auditLog // nil without --audit
	monitor *monitor.Monitor

	expiring expiring
}
