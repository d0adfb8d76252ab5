package zmtp

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"weak"
)

// Flags of a frame (RFC 23, Framing). The other bits are reserved and zero.
const (
	flagMore    = 1 << 0
	flagLong    = 1 << 1
	flagCommand = 1 << 2
	flagsKnown  = flagMore | flagLong | flagCommand
)

// Sizes in bytes of a frame's header: flags and size. The body of a short frame has at most
// maxShort bytes.
const (
	shortHeader = 2
	longHeader  = 9
	maxShort    = math.MaxUint8
)

const (
	// idleBuffer is the size of the buffer of a connection to which nothing arrives. Most
	// single messages fit into it.
	idleBuffer = 256
	// readSize is how much is read at a time on a connection where as much has arrived at
	// once before.
	readSize = 128 << 10
)

// maxEmptyReads is how often in a row a Read may return neither bytes nor an error.
const maxEmptyReads = 100

// appendFrameHeader appends the flags and the size of a frame.
func appendFrameHeader(dst []byte, flags byte, size int) []byte {
	if size <= maxShort {
		return append(dst, flags, byte(size))
	}
	dst = append(dst, flags|flagLong)
	return binary.BigEndian.AppendUint64(dst, uint64(size))
}

// frameReader reads frames from a stream. It keeps what has arrived when a read is
// interrupted, so the next call continues there.
//
// It reads everything that has arrived at once and finds the frames in it. Its memory grows
// with the bytes that arrive or have arrived before, never with the announced size. While
// it holds nothing, it has only idleBuffer bytes.
type frameReader struct {
	src  io.Reader
	buf  *buffer // &idle, or one from the pool
	keep int     // bytes before this index are no longer needed
	r, w int     // read and not yet taken, in buf
	more bool    // the last read filled the buffer, so more may have arrived
	most int     // the most bytes it has ever held

	// A buffer that RecvBatch has lent out never serves another connection: a caller that
	// keeps a message for too long would see the messages of that one. This connection may
	// reuse it, if the garbage collector has not freed it.
	spare weak.Pointer[buffer]

	idle   buffer
	octets [idleBuffer]byte // of idle
}

func newFrameReader(src io.Reader) *frameReader {
	fr := &frameReader{src: src}
	fr.idle.octets = fr.octets[:]
	fr.buf = &fr.idle
	return fr
}

// span is a range of bytes that a frameReader holds, from begin to end, counted from keep.
// It stays valid when the bytes move.
type span struct{ begin, end int }

// at returns the bytes of a span. They are valid until the next fill.
func (fr *frameReader) at(s span) []byte {
	return fr.buf.octets[fr.keep+s.begin : fr.keep+s.end : fr.keep+s.end]
}

// header returns flags, body size and header size of the next frame. The header size is zero
// if the header has not arrived whole.
func (fr *frameReader) header() (flags byte, size uint64, n int, err error) {
	b := fr.buf.octets[fr.r:fr.w]
	if len(b) == 0 {
		return 0, 0, 0, nil
	}
	flags = b[0]
	if flags&^flagsKnown != 0 {
		return 0, 0, 0, fmt.Errorf("%w: reserved flags set in %#02x", errFrame, flags)
	}
	if flags&flagCommand != 0 && flags&flagMore != 0 {
		return 0, 0, 0, fmt.Errorf("%w: a command with MORE", errFrame)
	}
	if flags&flagLong == 0 {
		if len(b) < 2 {
			return 0, 0, 0, nil
		}
		return flags, uint64(b[1]), 2, nil
	}
	if len(b) < longHeader {
		return 0, 0, 0, nil
	}
	size = binary.BigEndian.Uint64(b[1:])
	if size > math.MaxInt64 {
		return 0, 0, 0, fmt.Errorf("%w: size %d is over 2^63-1", errFrame, size)
	}
	return flags, size, longHeader, nil
}

// take returns the next frame if it has arrived whole. It refuses a body that is larger than
// a part of a message or a command may be as soon as the header has arrived.
func (fr *frameReader) take(part, command int) (flags byte, body span, ok bool, err error) {
	flags, size, n, err := fr.header()
	if err != nil || n == 0 {
		return 0, span{}, false, err
	}
	limit := part
	if flags&flagCommand != 0 {
		limit = command
	}
	if size > uint64(limit) {
		return 0, span{}, false, fmt.Errorf("%w: frame of %d bytes, at most %d", errMessageSize, size, limit)
	}
	if size > uint64(fr.w-fr.r-n) {
		return 0, span{}, false, nil
	}
	begin := fr.r + n
	fr.r = begin + int(size)
	return flags, span{begin - fr.keep, fr.r - fr.keep}, true, nil
}

// release says that the frames taken so far are not needed after the next fill.
func (fr *frameReader) release() { fr.keep = fr.r }

// next reads until it has the next frame, and returns it. The body is valid until the next
// call.
func (fr *frameReader) next(limit int) (flags byte, body []byte, err error) {
	fr.release()
	for {
		flags, body, ok, err := fr.take(limit, limit)
		if err != nil {
			return 0, nil, err
		}
		if ok {
			return flags, fr.at(body), nil
		}
		if err := fr.fill(); err != nil {
			return 0, nil, err
		}
	}
}

// fill reads once, at least one byte, or returns an error. It ignores an error that comes
// with bytes, because the next Read returns it again.
func (fr *frameReader) fill() error {
	fr.makeRoom()
	room := fr.buf.octets[fr.w:]
	for range maxEmptyReads {
		n, err := fr.src.Read(room)
		if n > 0 {
			fr.w += n
			fr.more = n == len(room)
			fr.most = max(fr.most, fr.w-fr.keep)
			return nil
		}
		if err == io.EOF && fr.w > fr.keep {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// makeRoom makes room for the next read. It moves what is held to the front of the buffer,
// to a larger buffer, or, if nothing is held or expected, back to the idle one.
func (fr *frameReader) makeRoom() {
	fr.buf.forget()
	if idle := &fr.idle; cap(idle.batch) > keptParts || cap(idle.parts) > keptParts {
		idle.batch, idle.parts = nil, nil // many small messages made them large, and they would stay
	}
	have, held := len(fr.buf.octets), fr.w-fr.keep
	need := fr.r - fr.keep // for the next frame and the kept bytes before it
	if _, size, n, _ := fr.header(); n > 0 {
		need += n + int(min(size, math.MaxInt/2))
	} else {
		need += longHeader
	}
	grown := max(2*have, fr.most)
	switch {
	case held == 0 && !fr.more && fr.buf != &fr.idle: // an idle connection holds no buffer
		fr.moveTo(&fr.idle)
	case need > have && (held == have || need <= fr.most):
		// The frame does not fit. The peer has sent enough to fill the buffer, or this
		// connection has held as much before: it never grows for an announced size alone,
		// and at most doubles.
		fr.moveTo(fr.getBuffer(min(need, grown)))
	case fr.more && held > 0 && have < readSize: // many small messages: read more at a time
		fr.moveTo(fr.getBuffer(min(grown, readSize)))
	case fr.keep+need > have || held <= have/4: // it fits only at the front, or moving is cheap
		fr.moveTo(fr.buf)
	}
}

// moveTo moves what is held to the front of b. If b is not the current buffer, moveTo returns
// the current one to the pool.
func (fr *frameReader) moveTo(b *buffer) {
	from := fr.buf
	if from == b && fr.keep == 0 {
		return
	}
	n := copy(b.octets, from.octets[fr.keep:fr.w])
	fr.r -= fr.keep
	fr.keep, fr.w = 0, n
	fr.buf = b
	switch {
	case from == b || from == &fr.idle:
	case from.lent:
		from.forget()
		fr.spare = weak.Make(from)
	default:
		putBuffer(from)
	}
}

// getBuffer returns a buffer of at least n bytes with any content.
func (fr *frameReader) getBuffer(n int) *buffer {
	if b := fr.spare.Value(); b != nil && b != fr.buf && len(b.octets) >= n {
		return b
	}
	return getBuffer(n)
}
