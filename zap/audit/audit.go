// Package audit records decisions: in a log for people, and in an audit log as
// lines of JSON for programs. It never records a password.
//
//	decisions := audit.New(p, audit.Options{Log: slog.Default(), Writer: file})
//	defer decisions.Close()
//
// The result is a [zap.Handler] that decides as the first one does. zauth logs with
// this package; a program with a policy inside gets the same lines from it.
//
// # Log
//
// A decision is a line "client admitted" (INFO) or "client refused" (WARN; ERROR if
// the handler failed) with the fields of [Record], those that are empty left out.
// The log has bounds that a client can't exceed:
//
//   - A refusal that repeats within a minute is counted. A line "client refused
//     again" with the count follows.
//   - From one address (IPv6: one /64; ipc: one user), at most 20 lines a minute
//     tell of refusals, and 200 of admissions. The others are counted: "more
//     clients refused", "more clients admitted".
//
// # Audit log
//
// Each decision is a [Record] as a line of JSON, without exception. It is written
// before the decision takes effect; it isn't synced to the disk.
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
	// Log gets decisions, within the bounds of the package comment, and failures
	// to write the audit log. Nil discards.
	Log *slog.Logger
	// Writer gets the audit log: one Write for each line, one at a time. A Write
	// that blocks holds up decisions. After a Write that failed in the middle of a
	// line, the next one begins with a line feed. Nil writes no audit log.
	Writer io.Writer
	// Strict makes zap.StatusError of a decision that can't be written to Writer;
	// without a Writer, of every decision. Otherwise it takes effect unrecorded.
	Strict bool
}

// Handler records the decisions of another handler. It is a zap.PromptHandler,
// which decides at once what the other one does. Safe for concurrent use.
type Handler struct {
	handler zap.Handler
	log     *slog.Logger
	tally   *tally.Tally[refusal]
	strict  bool

	mu      sync.Mutex
	out     io.Writer // nil for none
	torn    bool      // the last line isn't whole
	missing int       // decisions that weren't recorded since it was told
	toldAt  time.Time // when it was told that writing fails; zero while it doesn't
}

// New returns a handler that asks h by zap.Ask and records what it decides.
// Close it to log what has been counted.
func New(h zap.Handler, opts Options) *Handler {
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Handler{handler: h, log: log, tally: tally.New[refusal](log), strict: opts.Strict, out: opts.Writer}
}

// Close logs how many lines have been left out. Decisions afterwards are recorded
// as before, but not counted: each is in the log.
func (h *Handler) Close() error {
	h.tally.Close()
	return nil
}

// Handle asks the handler and records the decision.
func (h *Handler) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	reply, err := zap.Ask(ctx, h.handler, req)
	return h.record(req, reply, err)
}

// HandleAtOnce does the same if the handler decides at once.
func (h *Handler) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	reply, ok, err := zap.AskAtOnce(h.handler, req)
	if !ok {
		return zap.Reply{}, false
	}
	return h.record(req, reply, err), true
}

// errNoWriter is why nothing can be recorded where an audit log is required.
var errNoWriter = errors.New("there is no audit log")

// record writes a decision to the audit log and to the log. It returns what is left
// of the decision. err is why the handler failed, if it did.
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

// lines are buffers for lines of JSON.
var lines = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// write writes a line of the audit log.
func (h *Handler) write(now time.Time, req *zap.Request, reply zap.Reply) error {
	if h.out == nil {
		return errNoWriter
	}
	line := lines.Get().(*bytes.Buffer)
	defer lines.Put(line)
	line.Reset()
	line.WriteByte('\n') // in case the last one isn't whole
	encoder := json.NewEncoder(line)
	encoder.SetEscapeHTML(false) // or a key couldn't be searched for
	if err := encoder.Encode(NewRecord(now, req, reply)); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	octets := line.Bytes()
	if !h.torn {
		octets = octets[1:]
	}
	n, err := h.out.Write(octets)
	switch {
	case n >= len(octets):
		h.torn = false
	case n > 0:
		h.torn = octets[n-1] != '\n'
		if err == nil {
			err = io.ErrShortWrite
		}
	case err == nil:
		err = io.ErrShortWrite
	}
	return err
}

// tellWriting logs that writing the audit log fails, once a minute, and that it
// works again.
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
		h.log.Info("audit log written again", "unrecorded", missing)
		return
	}
	consequence := "decisions are not recorded"
	if h.strict {
		consequence = "clients are refused"
	}
	h.log.Error("writing the audit log failed: "+consequence, "unrecorded", missing, "err", err)
}
