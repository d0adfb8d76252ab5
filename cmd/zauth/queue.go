package main

import (
	"io"
	"sync"
	"time"
)

const (
	// maxQueued limits the bytes of lines that wait for the reader of stderr.
	maxQueued = 1 << 20
	// flushPatience is how long zauth waits for the reader of stderr when it exits.
	flushPatience = time.Second
)

// lineQueue is an io.Writer of lines that never blocks on the underlying writer. It
// drops and counts lines that don't fit or cannot be written. Safe for concurrent use.
type lineQueue struct {
	out     io.Writer
	notice  func(dropped int) []byte // formats the line about dropped lines
	wake    chan struct{}            // of capacity 1: signals that there is work
	written chan struct{}            // closed after the last write

	mu      sync.Mutex
	lines   [][]byte
	size    int // bytes in lines, and in those being written
	dropped int
	closed  bool
}

func newLineQueue(out io.Writer, notice func(dropped int) []byte) *lineQueue {
	q := &lineQueue{out: out, notice: notice, wake: make(chan struct{}, 1), written: make(chan struct{})}
	go q.run()
	return q
}

// Write queues one line. It never fails.
func (q *lineQueue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.size+len(line) > maxQueued {
		q.dropped++
		return len(line), nil
	}
	q.lines = append(q.lines, append([]byte(nil), line...))
	q.size += len(line)
	q.wakeUp()
	return len(line), nil
}

func (q *lineQueue) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run writes lines until the queue is closed.
func (q *lineQueue) run() {
	defer close(q.written)
	for range q.wake {
		for q.writeAll() {
		}
		q.mu.Lock()
		closed := q.closed
		q.mu.Unlock()
		if closed {
			q.writeAll() // the count of dropped lines
			return
		}
	}
}

// writeAll writes the queued lines, and then the number of dropped lines. It reports
// whether there are more.
func (q *lineQueue) writeAll() bool {
	q.mu.Lock()
	lines, dropped := q.lines, q.dropped
	q.lines, q.dropped = nil, 0
	q.mu.Unlock()
	if len(lines) == 0 && dropped == 0 {
		return false
	}
	written, failed := 0, 0
	for _, line := range lines {
		written += len(line)
		if _, err := q.out.Write(line); err != nil {
			failed++
		}
	}
	// If writing fails, keep the count until it works again.
	if dropped += failed; dropped > 0 && failed == 0 {
		if _, err := q.out.Write(q.notice(dropped)); err == nil {
			dropped = 0
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size -= written
	q.dropped += dropped
	return len(q.lines) > 0
}

// close writes the queued lines. It gives up after flushPatience.
func (q *lineQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.wakeUp()
	q.mu.Unlock()
	select {
	case <-q.written:
	case <-time.After(flushPatience):
	}
}
