package zmq4

import "sync"

// chunk holds the bytes of messages that wait to be sent. The messages of a socket share
// chunks, and the pipes of a publisher share messages, so that sending allocates nothing.
// socket.mu guards it. Bytes that are in a record don't change.
type chunk struct {
	octets []byte
	ends   []int32
	users  int // records in pipes, and the socket while it fills the chunk
}

// A chunk has room for chunkSize bytes and chunkFrames frames. A larger message has a chunk
// of its own.
const (
	chunkSize   = 32 << 10
	chunkFrames = 1 << 10
)

var chunks = sync.Pool{New: func() any {
	return &chunk{octets: make([]byte, 0, chunkSize), ends: make([]int32, 0, chunkFrames)}
}}

// record is a message that waits to be sent.
type record struct {
	chunk  *chunk
	octets []byte
	ends   []int32 // of the frames, as offsets
}

// store copies a message for its pipes, and then needs a call of unstore.
func (s *socket) storeLocked(frames [][]byte) record {
	size := 0
	for _, frame := range frames {
		size += len(frame)
	}
	if size > chunkSize/2 || len(frames) > chunkFrames/2 {
		c := &chunk{octets: make([]byte, 0, size), ends: make([]int32, 0, len(frames)), users: 1}
		return c.add(frames)
	}
	c := s.filling
	if c == nil || len(c.octets)+size > cap(c.octets) || len(c.ends)+len(frames) > cap(c.ends) {
		if c != nil {
			c.release()
		}
		c = chunks.Get().(*chunk)
		c.octets, c.ends, c.users = c.octets[:0], c.ends[:0], 1
		s.filling = c
	}
	c.users++
	return c.add(frames)
}

func (c *chunk) add(frames [][]byte) record {
	begin, first := len(c.octets), len(c.ends)
	for _, frame := range frames {
		c.octets = append(c.octets, frame...)
		c.ends = append(c.ends, int32(len(c.octets)-begin))
	}
	return record{c, c.octets[begin:len(c.octets):len(c.octets)], c.ends[first:len(c.ends):len(c.ends)]}
}

// release gives up one use of the chunk.
func (c *chunk) release() {
	if c.users--; c.users == 0 && cap(c.octets) == chunkSize {
		chunks.Put(c)
	}
}

// appendFrames appends the frames of a record to dst.
func (r record) appendFrames(dst [][]byte) [][]byte {
	begin := int32(0)
	for _, end := range r.ends {
		dst = append(dst, r.octets[begin:end:end])
		begin = end
	}
	return dst
}
