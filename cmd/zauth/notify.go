package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/zcurve/zcurve/zap"
)

// statusInterval is how often zauth tells systemd its status.
const statusInterval = 30 * time.Second

// notify sends states to the service manager, one a line. Without one, it does
// nothing.
func notify(log *slog.Logger, states ...string) {
	if _, err := systemd.SdNotify(false, strings.Join(states, "\n")); err != nil {
		log.Warn("notifying the service manager failed", "err", err)
	}
}

// notifyReloading tells the service manager that a reload begins. READY=1 ends it.
func notifyReloading(log *slog.Logger) {
	notify(log, systemd.SdNotifyReloading, strings.TrimSpace(systemd.SdNotifyMonotonicUsec()))
}

// notifyWhile tells the service manager that zauth is ready, its status at intervals, and that
// it stops when ctx is done. If the unit has a watchdog, it reports zauth alive only after
// handler has decided. Otherwise, the service manager restarts zauth.
func (d *daemon) notifyWhile(ctx context.Context, handler zap.Handler, log *slog.Logger) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return
	}
	every := statusInterval
	watchdog, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("ignoring the watchdog of the service manager", "err", err)
	}
	if watchdog > 0 {
		every = min(every, watchdog/2)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for state := systemd.SdNotifyReady; ; state = "" {
		states := []string{"STATUS=" + d.summary()}
		if state != "" {
			states = append(states, state)
		}
		if watchdog > 0 {
			if err := d.decides(ctx, handler, every); err == nil {
				states = append(states, systemd.SdNotifyWatchdog)
			} else if ctx.Err() == nil {
				log.Error("zauth does not decide: the service manager will restart it", "err", err)
			}
		}
		notify(log, states...)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			notify(log, systemd.SdNotifyStopping)
			return
		}
	}
}

// decides returns an error unless handler decides within this time, and the decisions made so
// far can be counted. It accepts any decision. The request has an invalid address, so it counts
// against no client, and it is not logged.
func (d *daemon) decides(ctx context.Context, handler zap.Handler, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	check := zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
		d.monitor.Counts()
		return handler.Handle(ctx, req)
	})
	_, err := zap.Ask(ctx, check, &zap.Request{Address: "watchdog", Mechanism: zap.Null})
	return err
}

// summary describes the daemon in a line.
func (d *daemon) summary() string {
	s := d.status()
	rules, identities := "keystore "+d.flags.keystore, 0
	if d.flags.policy != "" {
		rules = "policy " + d.flags.policy
	}
	for _, store := range s.Stores {
		identities += store.Identities
	}
	line := fmt.Sprintf("%s; %d identities; last minute: %d admitted, %d refused", rules, identities, s.Minute.Admitted, s.Minute.Refused)
	return strings.ReplaceAll(line, "\n", " ")
}
