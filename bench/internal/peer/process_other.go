//go:build !unix

package peer

import "time"

// CPUTime is not measured on this system.
func CPUTime() time.Duration { return 0 }
