package main

import (
	"io"
	"sync"
	"time"
)

const (
	// maxQueued bounds the bytes that wait for the reader of stderr.
	maxQueued = 1 << 20
	// flushPatience is how long the end of zauth waits for that reader.
	flushPatience = time.Second
)

// lineQueue is a Writer of lines that never waits for the one behind it. Lines for
// which there is no room, or which can't be written, are dropped and counted. Safe
// for concurrent use.
type lineQueue struct {
	out     io.Writer
	notice  func(dropped int) []byte // the line that tells of dropped ones
	wake    chan struct{}            // has room for one: there is something to do
	written chan struct{}            // closed when nothing is written anymore

	mu      sync.Mutex
	lines   [][]byte
	size    int // of lines, and of those that are being written
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
			q.writeAll() // how many were dropped
			return
		}
	}
}

// writeAll writes the lines that wait, and then how many were dropped meanwhile. It
// reports whether there were any.
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
	// Without a reader, or room on the disk, the count waits for better times.
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

// close writes what waits, unless nobody reads it.
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
