package zmq4

import (
	"math/bits"
	"sync"
)

// chunk holds the bytes of messages that wait to be sent. The messages of a socket share
// chunks, and the pipes of a publisher share messages, so that sending allocates nothing.
// socket.mu guards it. What is in a record doesn't change, and can be read without socket.mu.
type chunk struct {
	octets []byte
	ends   []int // of the frames, as offsets
	used   int   // bytes of all frames
	frames int
	users  int // records in pipes, and the socket while it fills the chunk
}

// A chunk has room for chunkSize bytes and chunkFrames frames. A larger message has a chunk
// of its own, which is used again if it has up to 1<<largestClass bytes. A message that waits
// for a slow peer keeps its whole chunk, so chunks are small.
const (
	chunkSize    = 8 << 10
	chunkFrames  = 1 << 8
	largestClass = 20
)

// chunks has a pool for each power of two.
var chunks [largestClass + 1]sync.Pool

// newChunk returns an empty chunk with room for so many bytes and frames.
func newChunk(size, frames int) *chunk {
	size = max(size, chunkSize)
	class := bits.Len(uint(size - 1))
	if class > largestClass {
		return &chunk{octets: make([]byte, size), ends: make([]int, frames)}
	}
	c, ok := chunks[class].Get().(*chunk)
	if !ok {
		c = &chunk{octets: make([]byte, 1<<class)}
	}
	if frames > len(c.ends) {
		c.ends = make([]int, frames)
	}
	c.used, c.frames = 0, 0
	return c
}

// record is a message that waits to be sent. It is small and has one pointer, since each
// message is copied several times.
type record struct {
	chunk  *chunk
	begin  int // in the chunk
	first  int // in chunk.ends
	frames int
}

// storeLocked copies a message for its pipes, and then needs a call of release. The message
// begins with the frames of an envelope, if there are any.
func (s *socket) storeLocked(envelope, message [][]byte) record {
	size, frames := 0, len(envelope)+len(message)
	for _, frame := range envelope {
		size += len(frame)
	}
	for _, frame := range message {
		size += len(frame)
	}
	if size > chunkSize/2 || frames > chunkFrames/2 {
		return newChunk(size, frames).add(envelope, message)
	}
	c := s.filling
	if c == nil || size > len(c.octets)-c.used || frames > len(c.ends)-c.frames {
		if c != nil {
			c.release()
		}
		c = newChunk(chunkSize, chunkFrames)
		c.users = 1
		s.filling = c
	}
	return c.add(envelope, message)
}

// add copies a message into the chunk.
func (c *chunk) add(envelope, message [][]byte) record {
	r := record{c, c.used, c.frames, len(envelope) + len(message)}
	for _, frame := range envelope {
		c.addFrame(frame)
	}
	for _, frame := range message {
		c.addFrame(frame)
	}
	c.users++
	return r
}

func (c *chunk) addFrame(frame []byte) {
	c.used += copy(c.octets[c.used:], frame)
	c.ends[c.frames] = c.used
	c.frames++
}

// release gives up one use of the chunk.
func (c *chunk) release() {
	if c.users--; c.users > 0 {
		return
	}
	if class := bits.Len(uint(len(c.octets) - 1)); class <= largestClass && len(c.ends) <= chunkFrames {
		chunks[class].Put(c)
	}
}

// appendFrames appends the frames of a record to dst.
func (r record) appendFrames(dst [][]byte) [][]byte {
	begin := r.begin
	for _, end := range r.chunk.ends[r.first : r.first+r.frames] {
		dst = append(dst, r.chunk.octets[begin:end:end])
		begin = end
	}
	return dst
}
