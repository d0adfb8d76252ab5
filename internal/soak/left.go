package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// inUse counts what the process uses.
type inUse struct {
	goroutines  int
	heap        uint64 // bytes
	descriptors int    // -1 where the system doesn't tell
}

// heapSlack is how many bytes more the heap may have at the end: the pools of buffers
// are emptied by the garbage collector, but not at once.
const heapSlack = 8 << 20

// resources returns what is in use, after the garbage collector has run.
func resources() inUse {
	runtime.GC()
	runtime.GC() // empties what pools have kept from the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := inUse{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc, descriptors: -1}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.descriptors = len(files)
	}
	return u
}

// leftAfter waits until no more is in use than before. After a while it returns what
// still is, or "".
func (before inUse) leftAfter(wait time.Duration) string {
	for deadline := time.Now().Add(wait); ; time.Sleep(10 * time.Millisecond) {
		now := resources()
		var what []string
		if now.goroutines > before.goroutines {
			what = append(what, fmt.Sprintf("%d goroutines, %d at the beginning\n%s", now.goroutines, before.goroutines, stacks()))
		}
		if now.heap > before.heap+heapSlack {
			what = append(what, fmt.Sprintf("%d MiB of heap, %d MiB at the beginning", now.heap>>20, before.heap>>20))
		}
		if now.descriptors > before.descriptors {
			what = append(what, fmt.Sprintf("%d descriptors, %d at the beginning", now.descriptors, before.descriptors))
		}
		if len(what) == 0 || time.Now().After(deadline) {
			return strings.Join(what, "; ")
		}
	}
}

// stacks are those of all goroutines.
func stacks() []byte {
	bytes := make([]byte, 1<<20)
	return bytes[:runtime.Stack(bytes, true)]
}
