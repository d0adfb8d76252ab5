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

// layer is the security layer of the mechanism CURVE. Each frame of a message travels as a
// MESSAGE command in a frame of its own, with the flag MORE in all but the last, as in ZMTP.
type layer struct {
	sealer *curve.Sealer
	opener *curve.Opener
}

var errFlags = errors.New("message with a frame too few or too many")

// isSealed reports whether a message is of a security layer.
func isSealed(message [][]byte) bool {
	return len(message) > 0 && bytes.HasPrefix(message[0], []byte("\x07MESSAGE"))
}

func (l layer) seal(message [][]byte) (sealed [][]byte, err error) {
	for i, frame := range message {
		flags := curve.FlagMore
		if i == len(message)-1 {
			flags = 0
		}
		box, err := l.sealer.Seal(nil, flags, frame)
		if err != nil {
			return nil, err
		}
		sealed = append(sealed, box)
	}
	return sealed, nil
}

func (l layer) open(sealed [][]byte) (message [][]byte, err error) {
	for i, box := range sealed {
		frame, flags, err := l.opener.Open(nil, box)
		if err != nil {
			return nil, err
		}
		if more := flags == curve.FlagMore; flags > curve.FlagMore || more == (i == len(sealed)-1) {
			return nil, errFlags
		}
		message = append(message, frame)
	}
	return message, nil
}

func (l layer) close() {
	if l.sealer != nil {
		l.sealer.Close()
		l.opener.Close()
	}
}
