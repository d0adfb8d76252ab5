package main

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// auditLog writes the audit log to a file or to stdout. Safe for concurrent use.
type auditLog struct {
	path string // "-" is stdout
	mu   sync.Mutex
	out  io.Writer
	file *os.File // nil for stdout
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
	return a.out.Write(line)
}

func (a *auditLog) close() {
	if a.file != nil {
		a.file.Close()
	}
}
