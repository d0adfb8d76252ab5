package capture

import (
	"encoding/binary"
	"fmt"

	"github.com/zcurve/zcurve/curve"
)

// Sizes in bytes of commands and their parts (RFC 26).
const (
	helloSize    = 200
	helloKey     = 80 // where C' begins
	helloCounter = 112
	welcomeSize  = 168
	cookieSize   = 96
	vouchSize    = 96
)

// Notes about keys.
const (
	noKeyLog   = "encrypted, and there is no key log: messages are not shown"
	noLine     = "encrypted, and the key log has no line for this connection"
	noHello    = "encrypted, and HELLO is not in the capture, so the key log has no line for it"
	notOpened  = "does not decrypt: it was changed, or the key log has other keys"
	otherKey   = "decrypts, but has another key than the key log: its line is not of this connection"
	notCounted = "its counter is %d, after %d: repeated or out of order"
)

// curve reports a frame of CURVE.
func (s *side) curve(e *Event, body []byte) {
	name, data := split(body)
	if e.Kind == Message && name != "MESSAGE" {
		e.Note = "not encrypted, in a connection that is"
		return
	}
	e.Name = name
	switch name {
	case "HELLO":
		s.hello(e, body)
	case "WELCOME":
		s.welcome(e, body)
	case "INITIATE":
		s.initiate(e, data)
	case "READY":
		if text, ok := s.open(e, "CurveZMQREADY---", data); ok {
			s.metadata(e, text)
		}
	case "ERROR":
		s.reason(e, body)
	case "MESSAGE":
		s.curveMessage(e, data)
	default:
		e.Note = "unknown command"
	}
}

func (s *side) hello(e *Event, body []byte) {
	if len(body) != helloSize {
		e.Note = malformed
		return
	}
	s.client = true
	c := s.conn
	c.transient = curve.PublicKey(body[helloKey:])
	e.Transient = c.transient
	s.counter = binary.BigEndian.Uint64(body[helloCounter:])
	if k := c.decoder.cfg.Keys; k != nil {
		c.keys = k.conns[c.transient]
	}
}

// hasKeys reports whether the keys of the connection are known. The first time that they are
// not, it reports why.
func (s *side) hasKeys() bool {
	c := s.conn
	if c.keys != nil || c.keysTold {
		return c.keys != nil
	}
	c.keysTold = true
	switch {
	case c.decoder.cfg.Keys == nil:
		s.note(noKeyLog)
	case c.transient == curve.PublicKey{}:
		s.note(noHello)
	default:
		s.note(noLine)
	}
	return false
}

func (s *side) welcome(e *Event, body []byte) {
	if len(body) != welcomeSize {
		e.Note = malformed
		return
	}
	if s.conn.transient == (curve.PublicKey{}) {
		return // the capture may have HELLO later
	}
	if !s.hasKeys() {
		return
	}
	text, ok := open(s.conn.keys.first, "WELCOME-", body[len("\x07WELCOME"):])
	if !ok || len(text) < len(e.Transient) {
		e.Note = notOpened
		return
	}
	e.Transient = curve.PublicKey(text)
	if e.Transient != s.conn.keys.server {
		e.Note = otherKey
	}
}

func (s *side) initiate(e *Event, data []byte) {
	if len(data) < cookieSize {
		e.Note = malformed
		return
	}
	text, ok := s.open(e, "CurveZMQINITIATE", data[cookieSize:])
	if !ok {
		return
	}
	if len(text) < len(e.Key)+vouchSize {
		e.Note = malformed
		return
	}
	e.Key = curve.PublicKey(text)
	s.metadata(e, text[len(e.Key)+vouchSize:])
}

// open opens the box after a counter, which must be higher than the last. If it does not
// return ok, the event says why.
func (s *side) open(e *Event, prefix string, data []byte) (text []byte, ok bool) {
	if len(data) < 8 {
		e.Note = malformed
		return nil, false
	}
	last, counter := s.counter, binary.BigEndian.Uint64(data)
	s.counter = max(last, counter)
	if !s.hasKeys() {
		return nil, false
	}
	if text, ok = open(s.conn.keys.second, prefix, data); !ok {
		e.Note = notOpened
	} else if counter <= last {
		e.Note = fmt.Sprintf(notCounted, counter, last)
	}
	return text, ok
}

func (s *side) curveMessage(e *Event, data []byte) {
	prefix := "CurveZMQMESSAGES"
	if s.client {
		prefix = "CurveZMQMESSAGEC"
	}
	text, ok := s.open(e, prefix, data)
	if !ok {
		return
	}
	if len(text) == 0 || text[0]&^(curve.FlagMore|curve.FlagCommand) != 0 {
		e.Note = malformed
		return
	}
	flags := text[0]
	text = text[1:]
	e.Name, e.Size, e.More = "", len(text), flags&curve.FlagMore != 0
	if flags&curve.FlagCommand != 0 {
		e.Kind = Command
		s.command(e, text)
		return
	}
	s.message(e, text)
}
