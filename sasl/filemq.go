package sasl

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// FILEMQ is the codec of FILEMQ, the File Message Queuing Protocol, version 1 (ZeroMQ RFC 19).
// A command has two bytes of signature, a byte for its kind, its fields, and a second frame
// with the challenge or the response. Parse returns ErrForeign for a message without the
// signature. It returns another error for the commands that follow the exchange, from ICANHAZ
// (05) to KTHXBAI (0B): handle them yourself, because a Server answers them with RTFM.
//
// Strings in RFC 19 consist of visible characters. A reason may also have spaces, as in FileMQ.
var FILEMQ Codec = filemq{}

type filemq struct{}

const (
	filemqSignature = "\xAA\xA3"
	filemqProtocol  = "FILEMQ"
	filemqVersion   = 1
)

// filemqCommands holds the byte of each command, by Kind.
var filemqCommands = []byte{OHAI: 0x01, ORLY: 0x02, YARLY: 0x03, OHAIOK: 0x04, SRSLY: 0x80, RTFM: 0x81}

var (
	errTruncated = errors.New("truncated")
	errTrailing  = errors.New("trailing bytes")
	errFrames    = errors.New("wrong number of frames")
	errPeering   = errors.New("protocol is not FILEMQ")
	errVersion   = errors.New("unsupported version: must be 1")
)

func (filemq) Message(c Command) ([][]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	frame := append([]byte(filemqSignature), filemqCommands[c.Kind])
	switch c.Kind {
	case OHAI:
		frame = append(appendString(frame, filemqProtocol), filemqVersion)
	case ORLY:
		frame = append(frame, byte(len(c.Mechanisms)))
	case SRSLY, RTFM:
		frame = appendString(frame, c.Reason)
	}
	for _, name := range c.Mechanisms {
		frame = appendString(frame, name)
	}
	if c.Kind == ORLY || c.Kind == YARLY {
		return [][]byte{frame, c.Data}, nil
	}
	return [][]byte{frame}, nil
}

func (filemq) Parse(message [][]byte) (Command, error) {
	if len(message) == 0 || !bytes.HasPrefix(message[0], []byte(filemqSignature)) {
		return Command{}, ErrForeign
	}
	return checked(parseFILEMQ(message))
}

// parseFILEMQ parses a message that has the signature. It does not check the strings.
func parseFILEMQ(message [][]byte) (c Command, err error) {
	id, rest, err := cutByte(message[0][len(filemqSignature):])
	if err != nil {
		return c, err
	}
	kind := slices.Index(filemqCommands, id)
	if kind < int(OHAI) {
		return c, fmt.Errorf("%w: 0x%02x", errKind, id)
	}
	c.Kind = Kind(kind)
	frames, mechanisms := 1, byte(0)
	switch c.Kind {
	case OHAI:
		rest, err = cutOpening(rest)
	case ORLY:
		frames = 2
		if mechanisms, rest, err = cutByte(rest); mechanisms > maxMechanisms {
			err = fmt.Errorf("%w: %d", errMechanisms, mechanisms)
		}
	case YARLY:
		frames, mechanisms = 2, 1
	case SRSLY, RTFM:
		c.Reason, rest, err = cutString(rest)
	}
	for range mechanisms {
		if err != nil {
			break
		}
		var name string
		name, rest, err = cutString(rest)
		c.Mechanisms = append(c.Mechanisms, name)
	}
	switch {
	case err != nil:
		return c, err
	case len(rest) > 0:
		return c, fmt.Errorf("%w: %d", errTrailing, len(rest))
	case len(message) != frames:
		return c, fmt.Errorf("%w: %d", errFrames, len(message))
	case frames == 2:
		c.Data = message[1]
	}
	return c, nil
}

// cutOpening cuts the fields of an OHAI off the front of a frame.
func cutOpening(frame []byte) (rest []byte, err error) {
	protocol, frame, err := cutString(frame)
	if err != nil {
		return nil, err
	}
	if protocol != filemqProtocol {
		return nil, errPeering
	}
	version, rest, err := cutByte(frame)
	if err == nil && version != filemqVersion {
		err = errVersion
	}
	return rest, err
}

// cutByte cuts a byte off the front of a frame.
func cutByte(frame []byte) (b byte, rest []byte, err error) {
	if len(frame) == 0 {
		return 0, nil, errTruncated
	}
	return frame[0], frame[1:], nil
}

// cutString cuts a string, with its size in a byte, off the front of a frame.
func cutString(frame []byte) (s string, rest []byte, err error) {
	size, rest, err := cutByte(frame)
	if err != nil || len(rest) < int(size) {
		return "", nil, errTruncated
	}
	return string(rest[:size]), rest[size:], nil
}

// appendString appends a string of at most 255 bytes, with its size in a byte.
func appendString(frame []byte, s string) []byte {
	return append(append(frame, byte(len(s))), s...)
}
