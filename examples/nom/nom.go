// Package nom is NOM, the protocol of chapter 7 of the ZeroMQ guide, with SASL:
//
//	nom          = open-peering *use-peering
//	open-peering = C:OHAI *( S:ORLY C:YARLY ) ( S:OHAI-OK / S:WTF )
//	use-peering  = C:ICANHAZ S:CHEEZBURGER / C:HUGZ S:HUGZ-OK
//
// Package sasl handles the first part, and this package the second. Neither changes with the
// mechanism, nor with the library for the connections: [Main] is the program, and
// examples/nom/zmtp and examples/nom/libzmq have their main functions.
package nom

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"github.com/zcurve/zcurve/curve"
)

// Conn is a connection with one peer. A *zmtp.Conn is one.
type Conn interface {
	Send(ctx context.Context, message ...[]byte) error
	Recv(ctx context.Context) (message [][]byte, err error)
	Close() error
}

// The largest message, in bytes of all frames together, and in frames. YARLY has the most
// bytes, ORLY the most frames.
const (
	MaxMessage = 16 << 10
	MaxFrames  = 64
)

// layer is the security layer of the mechanism CURVE. A message travels as one MESSAGE command
// in one frame. Its payload is all frames, each with its length in four bytes before it. Frames
// that were sealed one by one could be left out on the way.
type layer struct {
	sealer *curve.Sealer
	opener *curve.Opener
}

var errSealed = errors.New("malformed sealed message")

// isSealed reports whether a message is of a security layer.
func isSealed(message [][]byte) bool {
	return len(message) == 1 && bytes.HasPrefix(message[0], []byte("\x07MESSAGE"))
}

func (l layer) seal(message [][]byte) (sealed [][]byte, err error) {
	var payload []byte
	for _, frame := range message {
		payload = binary.BigEndian.AppendUint32(payload, uint32(len(frame)))
		payload = append(payload, frame...)
	}
	box, err := l.sealer.Seal(nil, 0, payload)
	return [][]byte{box}, err
}

func (l layer) open(sealed [][]byte) (message [][]byte, err error) {
	if !isSealed(sealed) {
		return nil, errSealed
	}
	payload, flags, err := l.opener.Open(nil, sealed[0])
	if err != nil {
		return nil, err
	}
	for len(payload) > 0 {
		if len(payload) < 4 || len(message) == MaxFrames || flags != 0 {
			return nil, errSealed
		}
		size := binary.BigEndian.Uint32(payload)
		payload = payload[4:]
		if uint64(size) > uint64(len(payload)) {
			return nil, errSealed
		}
		message = append(message, payload[:size])
		payload = payload[size:]
	}
	if len(message) == 0 {
		return nil, errSealed
	}
	return message, nil
}

func (l layer) close() {
	if l.sealer != nil {
		l.sealer.Close()
		l.opener.Close()
	}
}
