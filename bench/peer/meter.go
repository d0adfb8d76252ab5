package main

import (
	"runtime/metrics"
	"time"
)

// meter measures a run of messages: the time of all of them, and the allocations of the second
// half, when buffers have grown.
type meter struct {
	start    time.Time
	messages int
	done     int
	halfway  allocations
}

// allocations counts the allocations of the process since it started.
type allocations struct{ count, bytes uint64 }

// meterReport is the result that pull and push print.
type meterReport struct {
	Messages      int    `json:"messages"`
	NS            int64  `json:"ns"`
	Allocs        uint64 `json:"allocs"`
	AllocBytes    uint64 `json:"alloc_bytes"`
	AllocMessages int    `json:"alloc_messages"`
}

func startMeter(messages int) *meter {
	return &meter{start: time.Now(), messages: messages, halfway: readAllocations()}
}

// tick counts n messages as done.
func (m *meter) tick(n int) {
	half := m.messages / 2
	if m.done < half && m.done+n >= half {
		m.halfway = readAllocations()
	}
	m.done += n
}

// finish returns the results of the run.
func (m *meter) finish() meterReport {
	ns, now := time.Since(m.start), readAllocations()
	return meterReport{
		Messages:      m.messages,
		NS:            ns.Nanoseconds(),
		Allocs:        now.count - m.halfway.count,
		AllocBytes:    now.bytes - m.halfway.bytes,
		AllocMessages: m.messages - m.messages/2,
	}
}

// readAllocations does not stop the program, as runtime.ReadMemStats would. The runtime has a
// separate counter for tiny allocations, which share a block.
func readAllocations() allocations {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:objects"},
		{Name: "/gc/heap/tiny/allocs:objects"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(samples)
	return allocations{
		count: samples[0].Value.Uint64() + samples[1].Value.Uint64(),
		bytes: samples[2].Value.Uint64(),
	}
}
