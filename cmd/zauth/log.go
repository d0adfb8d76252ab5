package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/zap"
)

// newLog makes the log: as text on a terminal, else as JSON, unless it is told.
func newLog(stderr io.Writer, level, format string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, cli.Usagef("--log-level %q: want debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: least}
	f, ok := stderr.(*os.File)
	switch {
	case format == "text", format == "auto" && ok && term.IsTerminal(int(f.Fd())):
		return slog.New(slog.NewTextHandler(stderr, options)), nil
	case format == "json", format == "auto":
		return slog.New(slog.NewJSONHandler(stderr, options)), nil
	}
	return nil, cli.Usagef("--log-format %q: want auto, text or json", format)
}

const (
	// repeatAfter is how long the same refusal isn't logged again, but counted.
	repeatAfter = time.Minute
	// maxRepeats is how many refusals are kept account of.
	maxRepeats = 10_000
)

// decisions is a handler whose decisions are in the log and the audit, never with
// a password.
type decisions struct {
	handler zap.Handler
	log     *slog.Logger
	audit   *audit // nil if there is none

	mu       sync.Mutex
	refusals map[refusal]*repeats
}

// refusal is what makes two of them the same.
type refusal struct{ domain, address, mechanism, who, reason, rule string }

// repeats is how often it came again since it was logged.
type repeats struct {
	logged time.Time
	count  int
}

func newDecisions(handler zap.Handler, log *slog.Logger, audit *audit) *decisions {
	return &decisions{handler: handler, log: log, audit: audit, refusals: map[refusal]*repeats{}}
}

func (d *decisions) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	reply := d.handler.Handle(ctx, req)
	d.tell(req, reply)
	return reply
}

// HandleAtOnce decides if the handler can do that at once.
func (d *decisions) HandleAtOnce(req *zap.Request) (reply zap.Reply, ok bool) {
	prompt, ok := d.handler.(zap.PromptHandler)
	if !ok {
		return zap.Reply{}, false
	}
	if reply, ok = prompt.HandleAtOnce(req); ok {
		d.tell(req, reply)
	}
	return reply, ok
}

// tell puts a decision into the log and the audit.
func (d *decisions) tell(req *zap.Request, reply zap.Reply) {
	now := time.Now()
	if d.audit != nil {
		if err := d.audit.write(now, req, reply); err != nil {
			d.log.Error("the audit can't be written", "err", err)
		}
	}
	kind, who := subject(req)
	args := []any{"status", int(reply.Status), "domain", req.Domain, "address", req.Address, "mechanism", req.Mechanism}
	if who != "" {
		args = append(args, kind, who)
	}
	if reply.Status == zap.StatusOK {
		d.log.Info("let in", append(args, "user", reply.UserID, "rule", reply.Rule)...)
		return
	}
	count, isNew := d.count(refusal{req.Domain, req.Address, req.Mechanism, who, reply.Text, reply.Rule}, now)
	if isNew {
		args = append(args, "reason", reply.Text, "rule", reply.Rule)
		if count > 0 {
			args = append(args, "repeated", count)
		}
		d.log.Warn("refused", args...)
	}
}

// count reports whether a refusal is to be logged, and how many like it weren't.
func (d *decisions) count(r refusal, now time.Time) (count int, isNew bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := d.refusals[r]
	if seen != nil && now.Sub(seen.logged) < repeatAfter {
		seen.count++
		return 0, false
	}
	if seen != nil {
		count = seen.count
	} else if len(d.refusals) >= maxRepeats {
		d.tellLocked(now, 0)
	}
	d.refusals[r] = &repeats{logged: now}
	return count, true
}

// tellRepeats tells every minute what was refused again, until ctx is done.
func (d *decisions) tellRepeats(ctx context.Context) {
	tick := time.NewTicker(repeatAfter)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			d.mu.Lock()
			d.tellLocked(now, repeatAfter)
			d.mu.Unlock()
		case <-ctx.Done():
			d.mu.Lock()
			d.tellLocked(time.Now(), 0)
			d.mu.Unlock()
			return
		}
	}
}

// tellLocked tells what was refused again, and forgets what is older than age.
func (d *decisions) tellLocked(now time.Time, age time.Duration) {
	for r, seen := range d.refusals {
		if now.Sub(seen.logged) < age {
			continue
		}
		if seen.count > 0 {
			d.log.Warn("refused again", "count", seen.count, "domain", r.domain, "address", r.address,
				"mechanism", r.mechanism, "who", r.who, "reason", r.reason, "rule", r.rule)
		}
		delete(d.refusals, r)
	}
}

// subject is who asks to come in, as far as that may be told: never a password.
func subject(req *zap.Request) (kind, who string) {
	if key, ok := req.CurveKey(); ok {
		return "key", curve.PublicKey(key).String()
	}
	if len(req.Credentials) == 0 {
		return "", ""
	}
	switch req.Mechanism {
	case zap.MechanismPlain:
		return "login", fmt.Sprintf("%.64s", req.Credentials[0])
	case zap.MechanismGSSAPI:
		return "principal", fmt.Sprintf("%.64s", req.Credentials[0])
	}
	return "", ""
}

// audit is a line of JSON for each decision.
type audit struct {
	path string // "-" is stdout
	mu   sync.Mutex
	out  io.Writer
	file *os.File // what to close; nil for stdout
}

// auditLine is one decision.
type auditLine struct {
	Time        string `json:"time"`
	Domain      string `json:"domain"`
	Address     string `json:"address"`
	Mechanism   string `json:"mechanism"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Login       string `json:"login,omitempty"`
	Principal   string `json:"principal,omitempty"`
	Status      int    `json:"status"`
	User        string `json:"user,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Rule        string `json:"rule"`
}

// openAudit opens the file of an audit, or stdout for "-".
func openAudit(path string, stdout io.Writer) (*audit, error) {
	a := &audit{path: path, out: stdout}
	if path == "-" {
		return a, nil
	}
	return a, a.reopen()
}

// reopen opens the file anew, after somebody has moved it away.
func (a *audit) reopen() error {
	if a.path == "-" {
		return nil
	}
	f, err := os.OpenFile(a.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the audit failed: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file != nil {
		a.file.Close()
	}
	a.out, a.file = f, f
	return nil
}

func (a *audit) write(now time.Time, req *zap.Request, reply zap.Reply) error {
	line := auditLine{
		Time:      now.UTC().Format("2006-01-02T15:04:05.000Z"),
		Domain:    req.Domain,
		Address:   req.Address,
		Mechanism: req.Mechanism,
		Status:    int(reply.Status),
		User:      reply.UserID,
		Rule:      reply.Rule,
	}
	if reply.Status != zap.StatusOK {
		line.Reason = reply.Text
	}
	if key, ok := req.CurveKey(); ok {
		line.Fingerprint = cert.FingerprintOf(curve.PublicKey(key)).String()
	} else if len(req.Credentials) > 0 && req.Mechanism == zap.MechanismPlain {
		line.Login = string(req.Credentials[0])
	} else if len(req.Credentials) > 0 && req.Mechanism == zap.MechanismGSSAPI {
		line.Principal = string(req.Credentials[0])
	}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err = a.out.Write(append(text, '\n'))
	return err
}

func (a *audit) close() {
	if a.file != nil {
		a.file.Close()
	}
}
