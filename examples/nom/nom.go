// Package nom implements NOM, the protocol in chapter 7 of the ZeroMQ guide, with SASL:
//
//	nom          = open-peering *use-peering
//	open-peering = C:OHAI *( S:ORLY C:YARLY ) ( S:OHAI-OK / S:WTF )
//	use-peering  = C:ICANHAZ S:CHEEZBURGER / C:HUGZ S:HUGZ-OK
//
// Package sasl handles the first part, and this package the second. Both are the same for each
// mechanism, and for each library that makes the connections: [Main] is the program, and
// examples/nom/zmtp and examples/nom/libzmq contain the main functions.
package nom

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"github.com/zcurve/zcurve/curve"
)

// Conn is a connection to one peer. A *zmtp.Conn is one.
type Conn interface {
	Send(ctx context.Context, message ...[]byte) error
	Recv(ctx context.Context) (message [][]byte, err error)
	Close() error
}

// The largest message, in bytes of all frames together, and in frames. YARLY has the most bytes,
// and ORLY the most frames.
const (
	MaxMessage = 16 << 10
	MaxFrames  = 64
)

// layered is a connection that has the security layer of the mechanism CURVE once sealer and
// opener are set. A message travels as one MESSAGE command in one frame. Its payload contains all
// frames, each after its length in four bytes. If frames were sealed one by one, someone on the
// path could remove some of them.
type layered struct {
	Conn
	sealer *curve.Sealer
	opener *curve.Opener
}

var errSealed = errors.New("malformed sealed message")

// Send seals and sends a message.
func (l *layered) Send(ctx context.Context, message ...[]byte) error {
	if l.sealer == nil {
		return l.Conn.Send(ctx, message...)
	}
	box, err := l.seal(message)
	if err != nil {
		return err
	}
	return l.Conn.Send(ctx, box)
}

func (l *layered) seal(message [][]byte) (box []byte, err error) {
	var payload []byte
	for _, frame := range message {
		payload = binary.BigEndian.AppendUint32(payload, uint32(len(frame)))
		payload = append(payload, frame...)
	}
	return l.sealer.Seal(nil, 0, payload)
}

// Recv receives and opens a message. With the layer, it ignores messages that are not sealed,
// which anyone on the path could have sent.
func (l *layered) Recv(ctx context.Context) ([][]byte, error) {
	for {
		message, err := l.Conn.Recv(ctx)
		if err != nil || l.opener == nil {
			return message, err
		}
		if len(message) == 1 && bytes.HasPrefix(message[0], []byte("\x07MESSAGE")) {
			return l.open(message[0])
		}
	}
}

func (l *layered) open(box []byte) (message [][]byte, err error) {
	payload, flags, err := l.opener.Open(nil, box)
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

// Close closes the connection and wipes the keys.
func (l *layered) Close() error {
	if l.sealer != nil {
		l.sealer.Close()
		l.opener.Close()
	}
	return l.Conn.Close()
}
