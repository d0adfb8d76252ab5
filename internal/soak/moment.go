package main

import (
	"sync/atomic"
	"time"
)

// moment is a time that several goroutines set and read; the zero moment is none. It is
// that of the monotonic clock.
type moment struct{ ns atomic.Int64 } // since epoch

var epoch = time.Now().Add(-1) // before all moments

func (m *moment) set(t time.Time) { m.ns.Store(int64(t.Sub(epoch))) }

// time returns the moment, or the zero time if there is none.
func (m *moment) time() time.Time {
	if ns := m.ns.Load(); ns != 0 {
		return epoch.Add(time.Duration(ns))
	}
	return time.Time{}
}
