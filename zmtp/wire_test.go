package zmtp_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// greetingOf writes a client's greeting by hand.
func greetingOf(mechanism string) []byte {
	g := make([]byte, 64)
	copy(g, "\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x03\x01")
	copy(g[12:], mechanism)
	return g
}

// frame writes a frame by hand.
func frame(flags byte, body []byte) []byte {
	if len(body) <= 255 {
		return append([]byte{flags, byte(len(body))}, body...)
	}
	return append(binary.BigEndian.AppendUint64([]byte{flags | 2}, uint64(len(body))), body...)
}

// same reports whether two messages are equal. It is quick with large ones.
func same(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Clone(b.buf.String())
}

// waitFor waits until the log says what it should.
func waitFor(t *testing.T, ok func() bool, log *logBuffer) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log is:\n%s", log)
		}
	}
}
