package sasl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zcurve/zcurve/zap"
)

// The errors on which a program may act; match them with errors.Is.
var (
	// ErrForeign means that a message does not belong to the protocol. Drop it in silence.
	ErrForeign = errors.New("not a message of this protocol")
	// ErrProtocol means that the peer broke the rules of the exchange or of a mechanism.
	ErrProtocol = errors.New("protocol error")
	// ErrTampered means that someone between the peers changed what was offered, or relayed
	// the exchange from another connection.
	ErrTampered = errors.New("someone interferes with the exchange")
	// ErrTries means that a client has used up its tries. Close its connection.
	ErrTries = errors.New("too many tries")
)

// RefusedError means that the client was not admitted.
type RefusedError struct {
	Mechanism string    // empty if the client had chosen none
	Reply     zap.Reply // on a client only the status and the text that the server sent

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

// Unwrap returns the error of the handler that made no decision, or nil.
func (e *RefusedError) Unwrap() error { return e.err }
