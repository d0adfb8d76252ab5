package main

import (
	"runtime/metrics"
	"time"
)

// meter measures a run of messages: the time of all of them, and the allocations
// of the second half, when all buffers have their size.
type meter struct {
	start    time.Time
	messages int
	done     int
	halfway  allocations
}

// allocations are those of the process since it began.
type allocations struct{ count, bytes uint64 }

// meterReport is what pull and push print.
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

// tick counts messages that are through.
func (m *meter) tick(n int) {
	half := m.messages / 2
	if m.done < half && m.done+n >= half {
		m.halfway = readAllocations()
	}
	m.done += n
}

// finish returns the result.
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

// readAllocations doesn't stop the program, as runtime.ReadMemStats would. The
// runtime counts tiny allocations, which share a block, apart.
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
