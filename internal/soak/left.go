package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// inUse counts the resources that the process uses.
type inUse struct {
	goroutines  int
	heap        uint64 // bytes
	descriptors int    // -1 if unknown on this system
}

// heapSlack is how many bytes the heap may grow: the garbage collector empties the pools
// of buffers, but not at once.
const heapSlack = 8 << 20

// resources returns the resources in use after garbage collection.
func resources() inUse {
	runtime.GC()
	runtime.GC() // empties the pools of what they kept from the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := inUse{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc, descriptors: -1}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.descriptors = len(files)
	}
	return u
}

// leftAfter waits until no more resources are in use than before, and returns "". After a
// while, it gives up and returns what is left.
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

// stacks returns the stacks of all goroutines.
func stacks() []byte {
	bytes := make([]byte, 1<<20)
	return bytes[:runtime.Stack(bytes, true)]
}
