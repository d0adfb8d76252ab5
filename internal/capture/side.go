package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

const (
	// maxFrame is the size of the largest frame that is decoded. Larger ones are reported.
	maxFrame = 16 << 20
	// maxHeld is how many bytes of incomplete frames are kept, over all connections.
	maxHeld = 64 << 20
)

// Sizes in bytes of the parts of ZMTP (RFC 23).
const (
	signatureSize = 10
	versionSize   = 11 // up to the major version
	greetingSize  = 64
	mechanismEnd  = 32
	shortHeader   = 2
	longHeader    = 9
)

// Flags of a frame.
const (
	flagMore    = 1 << 0
	flagLong    = 1 << 1
	flagCommand = 1 << 2
)

// state is how far a direction was decoded.
type state int

const (
	unknown  state = iota // before the end of the signature
	greeting              // before the end of the greeting
	frames
	other // not ZMTP
	lost  // ZMTP that cannot be decoded from here on
)

// side decodes what one side of a connection sends.
type side struct {
	conn   *conn
	synced bool   // its SYN was seen
	first  uint32 // the SYN's sequence number
	next   uint32 // the sequence number of the byte after those that were taken
	closed bool   // all up to its FIN or RST was taken
	// finished says that its FIN was seen, which comes after the byte before last.
	finished bool
	last     uint32

	state state
	why   string // it is lost
	head  []byte // of the greeting or of a frame's header, while it is incomplete
	frame *frame // nil between frames

	client     bool // of CURVE or PLAIN: it has sent HELLO
	mechanism  string
	socketType string
	counter    uint64 // of its last CURVE command
	more       bool   // the last frame of a message had MORE
}

// frame is a frame that has begun.
type frame struct {
	flags   byte
	size    uint64
	got     uint64 // bytes that have arrived or are missing
	missing uint64
	body    []byte
	dropped bool // too large to keep
}

// take takes the next bytes.
func (s *side) take(b []byte) {
	for len(b) > 0 {
		switch s.state {
		case unknown:
			b = s.fill(b, signatureSize)
			s.checkSignature()
		case greeting:
			b = s.fill(b, greetingSize)
			s.checkGreeting()
		case frames:
			if s.frame != nil {
				b = s.body(b)
			} else {
				b = s.header(b)
			}
			if s.frame != nil && s.frame.got == s.frame.size {
				s.finish()
			}
		default:
			return
		}
	}
}

// fill moves bytes from b to head, until that has n, and returns the others.
func (s *side) fill(b []byte, n int) []byte {
	n = max(0, min(n-len(s.head), len(b)))
	s.head = append(s.head, b[:n]...)
	return b[n:]
}

// checkSignature looks at the first bytes: FF, eight bytes of padding, and 7F.
func (s *side) checkSignature() {
	if s.head[0] != 0xFF || len(s.head) == signatureSize && s.head[signatureSize-1] != 0x7F {
		s.state = other
		if s.conn.isZMTP {
			s.tellOther()
		}
		return
	}
	if len(s.head) == signatureSize {
		s.state = greeting
		s.conn.found()
	}
}

// tellOther reports that this side answers a greeting of ZMTP with something else.
func (s *side) tellOther() {
	if !s.synced {
		s.note("begins before the capture: it cannot be decoded")
		return
	}
	s.note(fmt.Sprintf("does not speak ZMTP: it begins with %q", s.head))
}

// checkGreeting looks at a greeting, as far as it has arrived.
func (s *side) checkGreeting() {
	if len(s.head) >= versionSize && s.head[versionSize-1] < 3 {
		s.lose(fmt.Sprintf("an old version of ZMTP, number %d: only 3 and later can be decoded", s.head[versionSize-1]))
		return
	}
	if len(s.head) < greetingSize {
		return
	}
	e := s.event(Greeting)
	e.Version = fmt.Sprintf("%d.%d", s.head[versionSize-1], s.head[versionSize])
	s.mechanism = string(bytes.TrimRight(s.head[versionSize+1:mechanismEnd], "\x00"))
	e.Mechanism, e.AsServer = s.mechanism, s.head[mechanismEnd] == 1
	s.head, s.state = nil, frames
	s.conn.decoder.emit(e)
}

// header takes the header of a frame.
func (s *side) header(b []byte) []byte {
	b = s.fill(b, 1)
	flags := s.head[0]
	if flags&^(flagMore|flagLong|flagCommand) != 0 {
		s.lose(fmt.Sprintf("not a frame of ZMTP: its flags are %#02x", flags))
		return nil
	}
	n := shortHeader
	if flags&flagLong != 0 {
		n = longHeader
	}
	if b = s.fill(b, n); len(s.head) < n {
		return b
	}
	size := uint64(s.head[1])
	if flags&flagLong != 0 {
		size = binary.BigEndian.Uint64(s.head[1:])
	}
	s.head = s.head[:0]
	if size > math.MaxInt64 {
		s.lose("not a frame of ZMTP: its size is more than 2^63-1")
		return nil
	}
	s.frame = &frame{flags: flags, size: size, dropped: size > maxFrame}
	return b
}

// body takes bytes of a frame's body.
func (s *side) body(b []byte) []byte {
	f, d := s.frame, s.conn.decoder
	n := int(min(f.size-f.got, uint64(len(b))))
	if d.held+n > maxHeld {
		s.drop()
	}
	if !f.dropped && f.missing == 0 {
		f.body = append(f.body, b[:n]...)
		d.held += n
	}
	f.got += uint64(n)
	return b[n:]
}

// drop gives up on the body of the current frame.
func (s *side) drop() {
	f := s.frame
	s.conn.decoder.held -= len(f.body)
	f.body, f.dropped = nil, true
}

// gap notes that n bytes are missing. The size of a frame is known from its header, so one
// that lacks a part of its body ends where it should.
func (s *side) gap(n uint64) {
	f := s.frame
	switch {
	case s.state == other, s.state == lost:
	case f == nil || n > f.size-f.got:
		s.lose(plural(n, "byte") + " missing from the capture: what follows in this direction cannot be decoded")
	default:
		f.missing += n
		f.got += n
		if f.got == f.size {
			s.finish()
		}
	}
}

// finish passes on the frame that is complete.
func (s *side) finish() {
	f := s.frame
	s.conn.decoder.held -= len(f.body)
	s.frame = nil
	s.decode(f)
}

// lose gives up on this direction.
func (s *side) lose(why string) {
	if s.frame != nil {
		s.drop()
	}
	s.frame, s.head, s.state, s.why = nil, nil, lost, why
	if s.conn.isZMTP {
		s.note(why)
	}
}

// cutOff reports bytes that are missing at the end, and a greeting or a frame that the
// connection ended in.
func (s *side) cutOff() {
	if n := int32(s.last - s.next); s.finished && !s.closed && n > 0 && s.state != lost {
		s.note(plural(uint64(n), "byte") + " missing from the capture, at the end")
	}
	switch {
	case s.state == greeting:
		s.note(fmt.Sprintf("ends in its greeting, after %d of %d bytes", len(s.head), greetingSize))
	case s.state != frames:
	case s.frame != nil:
		s.note(fmt.Sprintf("ends in a frame, after %d of %d bytes", s.frame.got, s.frame.size))
		s.drop()
	case len(s.head) > 0:
		s.note("ends in the header of a frame")
	}
}

// closes reports whether the side has ended the connection.
func (s *side) closes() bool { return s.closed || s.finished }

// plural returns "1 byte is" or "2 bytes are".
func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return strconv.FormatUint(n, 10) + " " + what + "s are"
}
