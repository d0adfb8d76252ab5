// Package audit records the decisions of a zap.Handler in a log for people and in an
// audit log for programs. It never records a password.
//
//	decisions := audit.New(p, audit.Options{Log: slog.Default(), Writer: file})
//	defer decisions.Close()
//
// The result is a [zap.Handler] that makes the same decisions as p. zauth uses this
// package, so a program that contains a policy logs the same lines as zauth. In a
// sasl.ServerConfig, set p as the Policy and decisions as the Handler.
//
// # Log
//
// Each decision is logged with the message "client admitted" (INFO) or "client refused"
// (WARN, or ERROR if the handler failed). The attributes are the fields of [Record] that
// are not empty. Clients cannot flood the log:
//
//   - A refusal that repeats within a minute is counted. The message "client refused
//     again" follows, with the count.
//   - Each address (IPv6: each /64; ipc: each user) causes at most 20 messages a minute
//     about refusals, and 200 about admissions. The others are counted: "more clients
//     refused", "more clients admitted".
//
// # Audit log
//
// Each decision is one line of JSON, a [Record]. It is written before the decision takes
// effect, but not synced to the disk.
package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/zcurve/zcurve/internal/tally"
	"github.com/zcurve/zcurve/zap"
)

// Options says where decisions are recorded.
type Options struct {
	// Log receives decisions, within the bounds of the package comment, and failures to
	// write the audit log. If it is nil, nothing is logged.
	Log *slog.Logger
	// Writer receives the audit log, with one Write for each line and one Write at a
	// time. A Write that blocks delays decisions. If a Write fails in the middle of a
	// line, the next one begins with a line feed. If Writer is nil, there is no audit
	// log.
	Writer io.Writer
	// Strict replaces each decision that can't be written to Writer with zap.StatusError;
	// without a Writer, it replaces every decision. If Strict is false, these decisions
	// take effect without a record.
	Strict bool
}

// Handler records the decisions of another handler. It is a zap.PromptHandler that
// decides at once if the other handler does. The zero value admits no client. Safe for
// concurrent use.
type Handler struct {
	handler zap.Handler
	log     *slog.Logger
	tally   *tally.Tally[refusal]
	strict  bool

	mu      sync.Mutex
	out     io.Writer // nil for none
	torn    bool      // the last line is incomplete
	missing int       // decisions without a record since the last message about them
	toldAt  time.Time // when the log said that writing fails; zero while it works
}

// New returns a handler that calls zap.Ask with h and records the replies. Close it to
// log the counts.
func New(h zap.Handler, opts Options) *Handler {
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Handler{handler: h, log: log, tally: tally.New[refusal](log), strict: opts.Strict, out: opts.Writer}
}

// Close logs the counts. Later decisions are still recorded, and each is logged. Close
// can be called more than once. The error is always nil.
func (h *Handler) Close() error {
	if h.tally != nil {
		h.tally.Close()
	}
	return nil
}

// Handle asks the other handler and records its decision. It does not ask for a decision
// at once: zap.Ask has already done so by HandleAtOnce.
func (h *Handler) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	reply, err := zap.Ask(ctx, zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
		return h.handler.Handle(ctx, req)
	}), req)
	return h.record(req, reply, err)
}

// HandleAtOnce is like Handle if the other handler decides at once. Otherwise, ok is false.
func (h *Handler) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	reply, ok, err := zap.AskAtOnce(h.handler, req)
	if !ok {
		return zap.Reply{}, false
	}
	return h.record(req, reply, err), true
}

// Keep is that of the other handler, if it is a [zap.Keeper]. Otherwise, no client must leave.
func (h *Handler) Keep(req *zap.Request, reply zap.Reply, end func(zap.Reply)) (release func()) {
	if keeper, ok := h.handler.(zap.Keeper); ok {
		return keeper.Keep(req, reply, end)
	}
	return func() {}
}

// errNoWriter means that an audit log is required, but there is no Writer.
var errNoWriter = errors.New("there is no audit log")

// record writes a decision to the audit log and to the log, and returns the decision
// that takes effect. err says why the handler failed, if it did.
func (h *Handler) record(req *zap.Request, reply zap.Reply, err error) zap.Reply {
	now := time.Now()
	if h.out != nil || h.strict {
		writeErr := h.write(now, req, reply)
		h.tellWriting(now, writeErr)
		if writeErr != nil && h.strict {
			reply = zap.Reply{Status: zap.StatusError, Text: "the decision cannot be recorded", Rule: reply.Rule, Identity: reply.Identity}
		}
	}
	h.tell(now, req, reply, err)
	return reply
}

// lines holds buffers for lines of JSON.
var lines = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// write writes a line of the audit log.
func (h *Handler) write(now time.Time, req *zap.Request, reply zap.Reply) error {
	if h.out == nil {
		return errNoWriter
	}
	line := lines.Get().(*bytes.Buffer)
	defer lines.Put(line)
	line.Reset()
	line.WriteByte('\n') // used if the last line is incomplete
	encoder := json.NewEncoder(line)
	encoder.SetEscapeHTML(false) // it would change keys, so that searching for them would fail
	if err := encoder.Encode(NewRecord(now, req, reply)); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	text := line.Bytes()
	if !h.torn {
		text = text[1:]
	}
	n, err := h.out.Write(text)
	switch {
	case n >= len(text):
		h.torn = false
	case n > 0:
		h.torn = text[n-1] != '\n'
		if err == nil {
			err = io.ErrShortWrite
		}
	case err == nil:
		err = io.ErrShortWrite
	}
	return err
}

// tellWriting logs once a minute that writing the audit log fails, and once that it works
// again.
func (h *Handler) tellWriting(now time.Time, err error) {
	h.mu.Lock()
	missing, failing := h.missing, !h.toldAt.IsZero()
	tell := false
	if err != nil {
		missing++
		tell = !failing || now.Sub(h.toldAt) >= tally.Period
	} else {
		tell = failing
	}
	switch {
	case tell && err != nil:
		h.toldAt, h.missing = now, 0
	case tell:
		h.toldAt, h.missing = time.Time{}, 0
	default:
		h.missing = missing
	}
	h.mu.Unlock()
	if !tell {
		return
	}
	if err == nil {
		h.log.Info("writing the audit log works again", "count", missing)
		return
	}
	message := "writing the audit log failed: decisions are not recorded"
	if h.strict {
		message = "writing the audit log failed: clients are refused"
	}
	h.log.Error(message, "count", missing, "err", err)
}
