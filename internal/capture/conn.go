package capture

import (
	"net/netip"
	"time"

	"github.com/zcurve/zcurve/curve"
)

// conn is a TCP connection.
type conn struct {
	decoder          *decoder
	id               uint64 // differs from that of any other
	number           int    // among those that speak ZMTP, from 1 on
	opener, acceptor netip.AddrPort
	openerFirst      bool    // the opener has sent the first packet
	sides            [2]side // the opener's and the acceptor's
	at               time.Time
	isZMTP           bool
	reset, ended     bool
	replaced         bool // a new connection has the same addresses and ports

	transient curve.PublicKey // C' of CURVE
	keys      *logged         // nil if they are not known
	keysTold  bool            // an event has said why
}

// side returns the opener's side, or the acceptor's.
func (c *conn) side(opener bool) *side {
	if opener {
		return &c.sides[0]
	}
	return &c.sides[1]
}

// event returns an event about what a side has sent.
func (s *side) event(kind Kind) *Event {
	c := s.conn
	return &Event{Connection: c.number, Opener: c.opener, Acceptor: c.acceptor, FromOpener: s == &c.sides[0], Time: c.at, Kind: kind}
}

// note reports that something of a side is missing or wrong.
func (s *side) note(text string) {
	e := s.event(Note)
	e.Note = text
	s.conn.decoder.emit(e)
}

// found notes that the connection speaks ZMTP.
func (c *conn) found() {
	if c.isZMTP {
		return
	}
	d := c.decoder
	c.isZMTP = true
	d.sum.Connections++
	c.number = d.sum.Connections
	for i := range c.sides {
		switch s := &c.sides[i]; s.state {
		case other:
			s.tellOther()
		case lost:
			s.note(s.why)
		}
	}
}

// end reports the end of the connection.
func (c *conn) end() {
	if c.ended {
		return
	}
	c.ended = true
	if !c.isZMTP {
		c.count()
		return
	}
	for i := range c.sides {
		c.sides[i].cutOff()
	}
	e := c.sides[0].event(End)
	switch {
	case c.reset:
		e.Note = "reset"
	case c.sides[0].closes() && c.sides[1].closes():
		e.Note = "closed"
	case c.replaced:
		e.Note = "its ports serve another connection"
	case !c.decoder.final:
		e.Note = "quiet, and no longer followed, because there are too many connections"
	default:
		e.Note = "the capture ends"
	}
	c.decoder.emit(e)
}

// count counts a connection that does not speak ZMTP, if it has data.
func (c *conn) count() {
	sum := &c.decoder.sum
	a, b := &c.sides[0], &c.sides[1]
	switch {
	case a.state == unknown && b.state == unknown && len(a.head)+len(b.head) == 0:
	case a.synced && b.synced && a.state != lost && b.state != lost:
		sum.Other++
	default:
		sum.Middle++
	}
}
