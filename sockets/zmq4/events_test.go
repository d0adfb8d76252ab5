package zmq4

import (
	"context"
	"runtime"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestSizeUnraced bounds the memory of a socket without peers, of which a program may have
// thousands. It doesn't run in parallel with others, whose memory would count.
func TestSizeUnraced(t *testing.T) {
	ztest.Unraced(t)
	const n, limit = 100, 16 << 10
	sockets := make([]*socket, n)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range sockets {
		sockets[i] = newSocket(context.Background(), Dealer, nil)
	}
	runtime.ReadMemStats(&after)
	for _, s := range sockets {
		s.close(0)
	}
	if took := (after.TotalAlloc - before.TotalAlloc) / n; took > limit {
		t.Errorf("%d bytes for a socket, want at most %d", took, limit)
	}
}
