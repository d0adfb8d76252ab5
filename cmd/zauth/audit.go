package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// auditLog writes the audit log to a file or to stdout. Safe for concurrent use.
type auditLog struct {
	path string // "-" is stdout
	mu   sync.Mutex
	out  io.Writer
	file *os.File // nil for stdout
	off  bool     // the operator has turned it off
}

// openAudit opens the file of the audit log, or stdout for "-".
func openAudit(path string, stdout io.Writer) (*auditLog, error) {
	a := &auditLog{path: path, out: stdout}
	if path == "-" {
		return a, nil
	}
	return a, a.reopen()
}

// reopen opens the file again, after it was renamed, as logrotate does.
func (a *auditLog) reopen() error {
	if a.path == "-" {
		return nil
	}
	f, err := os.OpenFile(a.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		err = endLine(f)
	}
	if err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file != nil {
		a.file.Close()
	}
	a.out, a.file = f, f
	return nil
}

// endLine adds a line feed to a file whose last line a crash or a full disk cut off.
// It closes f on an error.
func endLine(f *os.File) (err error) {
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return err
	}
	r, err := os.Open(f.Name())
	if err != nil {
		return err
	}
	defer r.Close()
	var last [1]byte
	if _, err := r.ReadAt(last[:], info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.Write([]byte("\n"))
	return err
}

func (a *auditLog) Write(line []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.off {
		return len(line), nil
	}
	return a.out.Write(line)
}

// turn turns the log on or off, and reports whether anything has changed. It writes a line about
// that; the error says why it could not.
func (a *auditLog) turn(on bool, message string, attrs ...any) (changed bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.off == !on {
		return false, nil
	}
	a.off = !on
	return true, a.eventLocked(message, attrs...)
}

// event writes a line about something else than a decision.
func (a *auditLog) event(message string, attrs ...any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.eventLocked(message, attrs...)
}

func (a *auditLog) eventLocked(message string, attrs ...any) error {
	r := slog.NewRecord(time.Now(), slog.LevelInfo, message, 0)
	r.Add(append([]any{slog.Int("schema", 1)}, attrs...)...)
	return slog.NewJSONHandler(a.out, &slog.HandlerOptions{ReplaceAttr: auditAttr}).Handle(context.Background(), r)
}

// auditAttr gives a line the form of the audit log: the time is UTC, and there is no level.
func auditAttr(_ []string, a slog.Attr) slog.Attr {
	switch a.Key {
	case slog.LevelKey:
		return slog.Attr{}
	case slog.TimeKey:
		a.Value = slog.TimeValue(a.Value.Time().UTC().Truncate(time.Millisecond))
	}
	return a
}

// state returns "on" or "off", or "" without a log.
func (a *auditLog) state() string {
	if a == nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.off {
		return "off"
	}
	return "on"
}

func (a *auditLog) close() {
	if a.file != nil {
		a.file.Close()
	}
}
