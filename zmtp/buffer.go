package zmtp

import (
	"math/bits"
	"sync"
)

// buffer is a stretch of memory for octets on their way in or out. A connection
// has one only while it has use for it.
type buffer struct {
	octets []byte
	// What RecvBatch hands out of the octets: the messages, and their parts.
	batch [][][]byte
	parts [][]byte
	lent  bool // RecvBatch has handed out octets
}

// Buffers have sizes that are shared, so that one serves many. The smallest has
// minBuffer octets. Up to fineBuffer each size is twice the one before; above, where
// twice would waste much, there are fineSteps sizes from one power of two to the next.
const (
	minBuffer  = 4 << 10
	fineBuffer = 1 << 20
	fineSteps  = 8
)

// coarseClasses is how many sizes there are up to fineBuffer.
var coarseClasses = bits.Len(fineBuffer / minBuffer)

// buffers has a pool for each size.
var buffers [fineSteps * bits.UintSize]sync.Pool

// sizeClass is the index in buffers of the smallest that has n octets, and how many
// octets that has.
func sizeClass(n int) (class, size int) {
	top := bits.Len(uint(max(n, minBuffer) - 1)) // the next power of two is 1<<top
	if n <= fineBuffer {
		return top - bits.Len(minBuffer-1), 1 << top
	}
	step := top - bits.Len(fineSteps) // a step is 1<<step octets
	steps := (n-1)>>step + 1
	return coarseClasses + fineSteps*(top-bits.Len(fineBuffer)) + steps - fineSteps - 1, steps << step
}

// getBuffer returns a buffer of at least n octets, of any content.
func getBuffer(n int) *buffer {
	class, size := sizeClass(n)
	if b, ok := buffers[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{octets: make([]byte, size)}
}

// withRoom returns a buffer of at least n octets with the content of b up to used: b, or
// a larger one, which b is given back for. b may be nil.
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

// putBuffer takes a buffer back, which nobody may use any more.
func putBuffer(b *buffer) {
	b.forget()
	class, _ := sizeClass(len(b.octets))
	buffers[class].Put(b)
}

// forget takes back what has been handed out of the octets.
func (b *buffer) forget() {
	clear(b.batch)
	clear(b.parts)
	b.batch, b.parts = b.batch[:0], b.parts[:0]
}
