package main

import (
	"sync/atomic"
	"time"
)

// moment is a time on the monotonic clock that several goroutines set and read. The zero
// moment is not a time.
type moment struct{ ns atomic.Int64 } // since epoch

var epoch = time.Now().Add(-1) // before all moments

func (m *moment) set(t time.Time) { m.ns.Store(int64(t.Sub(epoch))) }

// time returns the moment, or the zero time if it is not set.
func (m *moment) time() time.Time {
	if ns := m.ns.Load(); ns != 0 {
		return epoch.Add(time.Duration(ns))
	}
	return time.Time{}
}
