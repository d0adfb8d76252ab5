package capture

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// known are the names of commands. Others are not shown: anything may be in their place, even
// a password.
var known = map[string]bool{
	"HELLO": true, "WELCOME": true, "INITIATE": true, "READY": true, "ERROR": true, "MESSAGE": true,
	"PING": true, "PONG": true, "SUBSCRIBE": true, "CANCEL": true, "JOIN": true, "LEAVE": true,
}

// Texts of notes.
const (
	malformed = "malformed"
	tooLarge  = "too large to decode"
)

// decode reports a frame.
func (s *side) decode(f *frame) {
	kind := Message
	if f.flags&flagCommand != 0 {
		kind = Command
	}
	e := s.event(kind)
	e.Size, e.More = int(min(f.size, 1<<31-1)), f.flags&flagMore != 0
	switch {
	case f.missing > 0:
		e.Note = plural(f.missing, "byte") + " missing from the capture"
	case f.dropped:
		e.Note = tooLarge
	case s.mechanism == zap.Curve:
		s.curve(e, f.body)
	case s.mechanism != zap.Null && s.mechanism != zap.Plain:
		e.Note = "cannot be decoded: another mechanism than NULL, PLAIN and CURVE"
	case kind == Command, s.isPassword(f.body):
		e.Kind = Command
		s.command(e, f.body)
	default:
		s.message(e, f.body)
	}
	s.conn.decoder.emit(e)
}

// isPassword reports whether a frame is a HELLO of PLAIN in which the flag of commands is
// missing. Its password must not be shown as a message.
func (s *side) isPassword(body []byte) bool {
	return s.mechanism == zap.Plain && s.socketType == "" && bytes.HasPrefix(body, []byte("\x05HELLO"))
}

// split splits a command into its name, if that is known, and its data.
func split(body []byte) (name string, data []byte) {
	if len(body) == 0 || int(body[0]) > len(body)-1 {
		return "", nil
	}
	n := 1 + int(body[0])
	if name = string(body[1:n]); !known[name] {
		return "", nil
	}
	return name, body[n:]
}

// command reports a command that is not encrypted, or was decrypted.
func (s *side) command(e *Event, body []byte) {
	if s.mechanism == zap.Plain && bytes.HasPrefix(body, []byte("^RROR")) {
		// libzmq's PLAIN server begins ERROR like that.
		body = append([]byte("\x05ERROR"), body[len("^RROR"):]...)
	}
	name, data := split(body)
	e.Name = name
	switch name {
	case "HELLO": // of PLAIN
		s.client = true
		if len(data) == 0 || int(data[0]) > len(data)-1 {
			e.Note = malformed
			return
		}
		e.Login = string(data[1 : 1+data[0]])
	case "INITIATE", "READY":
		s.metadata(e, data)
	case "ERROR":
		s.reason(e, body)
	case "PING":
		if len(data) < 2 {
			e.Note = malformed
			return
		}
		e.TTL = time.Duration(binary.BigEndian.Uint16(data)) * time.Second / 10
		s.topic(e, data[2:])
	case "PONG", "SUBSCRIBE", "CANCEL", "JOIN", "LEAVE":
		s.topic(e, data)
	case "":
		e.Note = "unknown command"
	}
}

// topic sets the data of a command that has a topic, or of PING and PONG.
func (s *side) topic(e *Event, data []byte) {
	e.Topic, e.Size, e.Data = true, len(data), s.cut(data)
}

// reason sets the reason of ERROR.
func (s *side) reason(e *Event, body []byte) {
	var err error
	if e.Reason, err = curve.ParseError(body); err != nil {
		e.Note = malformed
	}
}

// metadata sets the metadata of INITIATE and READY.
func (s *side) metadata(e *Event, data []byte) {
	m, err := zap.ParseMetadata(data)
	if err != nil {
		e.Note = "malformed metadata"
		return
	}
	e.Metadata = m
	s.socketType = m.Get("Socket-Type")
}

// message reports a frame of a message. In ZMTP 3.0, a SUB or XSUB subscribes by a message.
func (s *side) message(e *Event, body []byte) {
	first := !s.more
	s.more = e.More
	if first && !e.More && (s.socketType == "SUB" || s.socketType == "XSUB") && len(body) > 0 && body[0] <= 1 {
		e.Kind, e.Name = Command, "CANCEL"
		if body[0] == 1 {
			e.Name = "SUBSCRIBE"
		}
		s.topic(e, body[1:])
		return
	}
	e.Data = s.cut(body)
}

// cut returns a copy of the beginning of data.
func (s *side) cut(data []byte) []byte {
	return bytes.Clone(data[:min(len(data), s.conn.decoder.cfg.Bytes)])
}
