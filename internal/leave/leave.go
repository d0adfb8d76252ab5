// Package leave waits for goroutines that ask a zap.Handler, and leaves those whose
// HandleAtOnce doesn't return: no context ends that.
package leave

import "time"

// stuckTime is how long a handler may go on when it has no time any more, until the one who
// asks it is left, together with the time of one look before.
const stuckTime = 40 * time.Millisecond

// Wait waits until ended is closed. It returns false before that if asking reports at two
// looks in a row that a handler is being asked. Nothing but what has begun may be asked any
// more. It takes less than 0.1 s if all else ends at once.
func Wait(ended <-chan struct{}, asking func() bool) bool {
	for before := false; ; {
		select {
		case <-ended:
			return true
		case <-time.After(stuckTime):
		}
		now := asking()
		if before && now {
			return false
		}
		before = now
	}
}
