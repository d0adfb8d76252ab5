package ztest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// Log holds a log. Its methods are safe for concurrent use.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Logger returns a logger that writes text to b.
func (b *Log) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

// Write appends to the log.
func (b *Log) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String returns the whole log.
func (b *Log) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Count returns the number of lines that contain all of these texts.
func (b *Log) Count(words ...string) (n int) {
lines:
	for line := range strings.Lines(b.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue lines
			}
		}
		n++
	}
	return n
}

// JSON returns a logger that writes JSON to b.
func (b *Log) JSON() *slog.Logger { return slog.New(slog.NewJSONHandler(b, nil)) }
