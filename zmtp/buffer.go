package zmtp

import (
	"math/bits"
	"sync"
)

// buffer holds bytes on their way in or out. A connection has one only while it needs it.
type buffer struct {
	octets []byte
	// The messages that RecvBatch returns, and their parts, which are slices of the bytes above.
	batch [][][]byte
	parts [][]byte
	lent  bool // RecvBatch has returned slices of it
}

// Buffers have few sizes, so that one can serve many connections. The smallest has
// minBuffer bytes. Up to fineBuffer each size is twice the previous one. Above that, where
// doubling would waste much, there are fineSteps sizes from one power of two to the next.
const (
	minBuffer  = 4 << 10
	fineBuffer = 1 << 20
	fineSteps  = 8
)

// coarseClasses is the number of sizes up to fineBuffer.
var coarseClasses = bits.Len(fineBuffer / minBuffer)

// buffers has a pool for each size.
var buffers [fineSteps * bits.UintSize]sync.Pool

// sizeClass returns the index in buffers of the smallest size of at least n bytes, and that
// size.
func sizeClass(n int) (class, size int) {
	top := bits.Len(uint(max(n, minBuffer) - 1)) // the next power of two is 1<<top
	if n <= fineBuffer {
		return top - bits.Len(minBuffer-1), 1 << top
	}
	step := top - bits.Len(fineSteps) // a step is 1<<step bytes
	steps := (n-1)>>step + 1
	return coarseClasses + fineSteps*(top-bits.Len(fineBuffer)) + steps - fineSteps - 1, steps << step
}

// getBuffer returns a buffer of at least n bytes with any content.
func getBuffer(n int) *buffer {
	class, size := sizeClass(n)
	if b, ok := buffers[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{octets: make([]byte, size)}
}

// withRoom returns a buffer of at least n bytes that begins with the first used bytes of b:
// b itself, or a larger one, and then b goes back to the pool. b may be nil.
func withRoom(b *buffer, used, n int) *buffer {
	if b == nil {
		return getBuffer(n)
	}
	if n <= len(b.octets) {
		return b
	}
	larger := getBuffer(n)
	copy(larger.octets, b.octets[:used])
	putBuffer(b)
	return larger
}

// putBuffer returns a buffer to the pool. Nobody may use it afterwards.
func putBuffer(b *buffer) {
	b.forget()
	class, _ := sizeClass(len(b.octets))
	buffers[class].Put(b)
}

// forget drops the messages and parts that RecvBatch has returned.
func (b *buffer) forget() {
	clear(b.batch)
	clear(b.parts)
	b.batch, b.parts = b.batch[:0], b.parts[:0]
}
