//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpuTime is the processor time of the process so far. (The limit of open files
// needs no such care: Go raises it to the most that is allowed.)
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
