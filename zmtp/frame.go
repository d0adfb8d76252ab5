package zmtp

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Flags of a frame (RFC 23, Framing). The other bits are reserved and zero.
const (
	flagMore    = 1 << 0
	flagLong    = 1 << 1
	flagCommand = 1 << 2
	flagsKnown  = flagMore | flagLong | flagCommand
)

// longHeader is the size of a long frame's flags and size octets.
const longHeader = 9

// readBuffer is the size of a connection's read buffer. Frames that fit are
// handed out as a part of it.
const readBuffer = 8 << 10

// maxEmptyReads is how often a source may give neither octets nor an error.
const maxEmptyReads = 100

// appendFrameHeader appends flags and size of a frame.
func appendFrameHeader(dst []byte, flags byte, size int) []byte {
	if size <= math.MaxUint8 {
		return append(dst, flags, byte(size))
	}
	dst = append(dst, flags|flagLong)
	return binary.BigEndian.AppendUint64(dst, uint64(size))
}

// frameReader takes frames out of a stream. What has arrived stays with it
// when a read is interrupted, so the next call goes on where the last stopped.
// Memory grows with the octets that arrive, never with the size announced.
type frameReader struct {
	src   io.Reader
	buf   []byte // what has been read: buf[r:w]
	r, w  int
	large []byte // body of a frame that doesn't fit in buf, as far as it has arrived

	arrived uint64 // octets read from src
}

func newFrameReader(src io.Reader) *frameReader {
	return &frameReader{src: src, buf: make([]byte, readBuffer)}
}

// fill reads more octets into the buffer. There is room unless it holds
// len(buf) unread ones.
func (fr *frameReader) fill() error {
	if fr.r > 0 {
		copy(fr.buf, fr.buf[fr.r:fr.w])
		fr.w -= fr.r
		fr.r = 0
	}
	n, err := fr.read(fr.buf[fr.w:])
	fr.w += n
	if err == io.EOF && fr.w > 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// read reads at least one octet, or says why not. An error that comes with
// octets comes again at the next read.
func (fr *frameReader) read(p []byte) (int, error) {
	for range maxEmptyReads {
		n, err := fr.src.Read(p)
		fr.arrived += uint64(n)
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// header returns flags, size and header length of the next frame, once they
// have arrived whole.
func (fr *frameReader) header() (flags byte, size uint64, n int, err error) {
	b := fr.buf[fr.r:fr.w]
	if len(b) == 0 {
		return 0, 0, 0, nil
	}
	flags = b[0]
	if flags&^flagsKnown != 0 {
		return 0, 0, 0, fmt.Errorf("%w: reserved flags set in %#02x", ErrFrame, flags)
	}
	if flags&flagCommand != 0 && flags&flagMore != 0 {
		return 0, 0, 0, fmt.Errorf("%w: a command with MORE", ErrFrame)
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
		return 0, 0, 0, fmt.Errorf("%w: size %d is over 2^63-1", ErrFrame, size)
	}
	return flags, size, longHeader, nil
}

// next returns the next frame. A body of more than limit octets is refused as
// soon as its size is seen. The body is valid until the next call.
func (fr *frameReader) next(limit int) (flags byte, body []byte, err error) {
	for {
		flags, size, n, err := fr.header()
		if err != nil {
			return 0, nil, err
		}
		switch {
		case n == 0:
			err = fr.fill()
		case size > uint64(limit):
			return 0, nil, fmt.Errorf("%w: frame of %d octets, at most %d", ErrMessageSize, size, limit)
		case n+int(size) <= fr.w-fr.r:
			body := fr.buf[fr.r+n : fr.r+n+int(size)]
			fr.r += n + int(size)
			return flags, body, nil
		case n+int(size) <= len(fr.buf):
			err = fr.fill()
		default:
			body, err := fr.nextLarge(n, int(size))
			return flags, body, err
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// nextLarge returns the body of a frame that is larger than the buffer. The
// header stays in the buffer until the body is whole, for the case that a read
// is interrupted.
func (fr *frameReader) nextLarge(header, size int) ([]byte, error) {
	if fr.large == nil {
		fr.large = append(make([]byte, 0, len(fr.buf)*2), fr.buf[fr.r+header:fr.w]...)
		fr.w = fr.r + header
	}
	for len(fr.large) < size {
		if len(fr.large) == cap(fr.large) {
			grown := make([]byte, len(fr.large), min(2*cap(fr.large), size))
			copy(grown, fr.large)
			fr.large = grown
		}
		n, err := fr.read(fr.large[len(fr.large):min(cap(fr.large), size)])
		fr.large = fr.large[:len(fr.large)+n]
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
	}
	body := fr.large
	fr.large = nil
	fr.r += header
	return body, nil
}
