// Package leave waits for goroutines that ask a zap.Handler, except for those whose
// HandleAtOnce does not return, since no context ends that.
package leave

import "time"

// stuckTime is the minimum time that Wait waits for HandleAtOnce. It waits at most twice
// as long.
const stuckTime = 40 * time.Millisecond

// Wait waits until ended is closed and then returns true. It returns false if asking
// reports twice in a row, stuckTime apart, that a handler is being asked. No new calls of
// HandleAtOnce may begin in the meantime.
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
