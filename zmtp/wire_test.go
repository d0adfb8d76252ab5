package zmtp_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
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

// wantLogged waits for a line of the log that holds all of these words.
func wantLogged(t *testing.T, log *ztest.Log, words ...string) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log is:\n%s", log)
		}
	})
	ztest.Wait(t, fmt.Sprintf("a line of the log with %q", words), func() bool { return log.Count(words...) > 0 })
}
