package sasl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zcurve/zcurve/zap"
)

// Errors that a program can act on. Match them with errors.Is.
var (
	// ErrForeign means that a message does not belong to the protocol. Ignore the message.
	ErrForeign = errors.New("not a message of this protocol")
	// ErrProtocol means that the peer broke the rules of the exchange or of a mechanism.
	ErrProtocol = errors.New("protocol error")
	// ErrTampered means that someone on the path changed the offer or relayed the exchange
	// from another connection, or that the server did not prove itself.
	ErrTampered = errors.New("exchange was tampered with")
	// ErrTries means that a client has used up its tries. Close its connection.
	ErrTries = errors.New("too many tries")
)

// A RefusedError means that the client was refused.
type RefusedError struct {
	Mechanism string    // empty if the client has not chosen one
	Reply     zap.Reply // on a client, only the status and the text from the server

	err error // why the handler made no decision
}

func (e *RefusedError) Error() string {
	text := "sasl: "
	if e.Mechanism != "" {
		text += e.Mechanism + " "
	}
	text += strings.TrimSpace(fmt.Sprintf("refused: %d %s", e.Reply.Status, e.Reply.Text))
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

// Unwrap returns the reason why the handler made no decision, or nil.
func (e *RefusedError) Unwrap() error { return e.err }
