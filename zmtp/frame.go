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

// Sizes of a frame's flags and size octets. A short frame's body has at most maxShort
// octets.
const (
	shortHeader = 2
	longHeader  = 9
	maxShort    = math.MaxUint8
)

const (
	// idleBuffer is what a connection has to read into while nothing arrives.
	// Most single messages fit.
	idleBuffer = 256
	// readSize is how much is read at a time, where so much has come at once
	// before.
	readSize = 128 << 10
)

// maxEmptyReads is how often a source may give neither octets nor an error.
const maxEmptyReads = 100

// appendFrameHeader appends flags and size of a frame.
func appendFrameHeader(dst []byte, flags byte, size int) []byte {
	if size <= maxShort {
		return append(dst, flags, byte(size))
	}
	dst = append(dst, flags|flagLong)
	return binary.BigEndian.AppendUint64(dst, uint64(size))
}

// frameReader takes frames out of a stream. What has arrived stays with it
// when a read is interrupted, so the next call goes on where the last stopped.
//
// It reads all that has come at once, and finds the frames in there. Its memory
// grows with the octets that arrive, or have arrived before, never with the size
// announced; while there is nothing it has idleBuffer.
type frameReader struct {
	src  io.Reader
	buf  *buffer // &idle, or one from the pool
	keep int     // octets before this one are no longer needed
	r, w int     // what has been read and not yet taken: buf.octets[r:w]
	more bool    // the last read had no room for more, so there may be
	most int     // the most octets that have been held

	// A buffer of which octets have been handed out never serves another connection,
	// where somebody who keeps them for too long would see that one's messages. It is
	// used again here, if the garbage collector hasn't taken it by then.
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

// span is where something lies in what a frameReader holds: the octets from
// begin to end, counted from keep.
type span struct{ begin, end int }

// at returns the octets of a span. They are valid until the next fill.
func (fr *frameReader) at(s span) []byte {
	return fr.buf.octets[fr.keep+s.begin : fr.keep+s.end : fr.keep+s.end]
}

// header returns flags, body size and header size of the next frame. The
// header's size is zero if it hasn't arrived whole.
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

// take returns the next frame, if it has arrived whole. A body of more octets than a
// part of a message or a command may have is refused as soon as its size is seen.
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
		return 0, span{}, false, fmt.Errorf("%w: frame of %d octets, at most %d", errMessageSize, size, limit)
	}
	if size > uint64(fr.w-fr.r-n) {
		return 0, span{}, false, nil
	}
	begin := fr.r + n
	fr.r = begin + int(size)
	return flags, span{begin - fr.keep, fr.r - fr.keep}, true, nil
}

// release says that what has been taken is no longer needed after the next
// fill.
func (fr *frameReader) release() { fr.keep = fr.r }

// next returns the next frame, for which it reads as long as it has to. The
// body is valid until the next call.
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

// fill reads once, at least one octet, or says why not. An error that comes
// with octets comes again at the next read.
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

// makeRoom moves what is held to where there is room for more: to the front, to
// a larger buffer, or out of one where nothing is held and nothing more is
// expected.
func (fr *frameReader) makeRoom() {
	fr.buf.forget()
	if idle := &fr.idle; cap(idle.batch) > keptParts || cap(idle.parts) > keptParts {
		idle.batch, idle.parts = nil, nil // small messages are many, and these would stay
	}
	have, held := len(fr.buf.octets), fr.w-fr.keep
	need := fr.r - fr.keep // for the next frame and what is kept before it
	if _, size, n, _ := fr.header(); n > 0 {
		need += n + int(min(size, math.MaxInt/2))
	} else {
		need += longHeader
	}
	grown := max(2*have, fr.most)
	switch {
	case held == 0 && !fr.more && fr.buf != &fr.idle:
		fr.moveTo(&fr.idle)
	case need > have && (held == have || need <= fr.most):
		fr.moveTo(fr.getBuffer(min(need, grown)))
	case fr.more && held > 0 && have < readSize:
		fr.moveTo(fr.getBuffer(min(grown, readSize)))
	case fr.keep+need > have || held <= have/4:
		fr.moveTo(fr.buf)
	}
}

// moveTo moves what is held to the front of a buffer, which may be the present
// one, and gives the present one back if it isn't.
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

// getBuffer returns a buffer of at least n octets, of any content.
func (fr *frameReader) getBuffer(n int) *buffer {
	if b := fr.spare.Value(); b != nil && b != fr.buf && len(b.octets) >= n {
		return b
	}
	return getBuffer(n)
}
