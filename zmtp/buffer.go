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
}

// minBuffer is the size of the smallest buffer; the others are twice as large
// as the one before.
const minBuffer = 4 << 10

// buffers has a pool for each size.
var buffers [bits.UintSize]sync.Pool

// sizeClass is the index in buffers of the smallest that has n octets.
func sizeClass(n int) int { return bits.Len(uint(max(n, minBuffer)-1) / minBuffer) }

// getBuffer returns a buffer of at least n octets, of any content.
func getBuffer(n int) *buffer {
	class := sizeClass(n)
	if b, ok := buffers[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{octets: make([]byte, minBuffer<<class)}
}

// putBuffer takes a buffer back, which nobody may use any more.
func putBuffer(b *buffer) {
	b.forget()
	buffers[sizeClass(len(b.octets))].Put(b)
}

// forget takes back what has been handed out of the octets.
func (b *buffer) forget() {
	clear(b.batch)
	clear(b.parts)
	b.batch, b.parts = b.batch[:0], b.parts[:0]
}
