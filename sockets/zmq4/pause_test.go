package zmq4

import (
	"context"
	"math"
	"syscall"
	"testing"
	"time"
)

// TestPauses checks that pauses grow from the first to the longest, with jitter, whatever the
// options are.
func TestPauses(t *testing.T) {
	t.Parallel()
	const forever = time.Duration(math.MaxInt64)
	for name, test := range map[string]struct {
		option         Option
		first, longest time.Duration
	}{
		"default":         {WithLinger(0), 10 * time.Millisecond, 100 * time.Millisecond},
		"retry":           {WithDialerRetry(time.Second), 10 * time.Millisecond, time.Second},
		"retry at once":   {WithDialerRetry(time.Nanosecond), time.Nanosecond, time.Nanosecond},
		"reconnect":       {WithReconnect(0, 0), 10 * time.Millisecond, 100 * time.Millisecond},
		"own":             {WithReconnect(time.Second, time.Minute), time.Second, time.Minute},
		"forever":         {WithReconnect(forever, forever), forever, forever},
		"first":           {WithReconnect(time.Second, 0), time.Second, time.Second},
		"far":             {WithReconnect(forever/2+1, forever), forever/2 + 1, forever},
		"negative":        {WithReconnect(-1, -1), 10 * time.Millisecond, 100 * time.Millisecond},
		"negative, retry": {WithDialerRetry(-1), 10 * time.Millisecond, 100 * time.Millisecond},
		"no retry pause":  {WithDialerRetry(0), 10 * time.Millisecond, 100 * time.Millisecond},
	} {
		s := newSocket(context.Background(), Push, []Option{test.option})
		for failures, limit := range map[int]time.Duration{0: test.first, 1_000: test.longest} {
			if wait := s.nextPause(failures, syscall.ECONNREFUSED); wait < limit/2 || wait > limit {
				t.Errorf("%s: %v after %d failures, want about %v", name, wait, failures, limit)
			}
		}
		s.Close()
	}
}
