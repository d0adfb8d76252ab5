package curve

import (
	"errors"
	"fmt"
)

// ErrPublicKey means that 32 bytes are not a valid public key: all zero, of low order
// (anyone would know the shared key), or not in the one form that key generation makes.
var ErrPublicKey = errors.New("invalid public key")

// ProtocolError means that the peer sent a command that breaks the rules, or that someone
// changed it on the way. Close the connection without an answer.
type ProtocolError struct {
	Command string // the command that was expected: HELLO, WELCOME, INITIATE, READY, MESSAGE or ERROR
	Err     error  // why the command was refused
}

func (e *ProtocolError) Error() string { return fmt.Sprintf("curve: %s: %v", e.Command, e.Err) }

// Unwrap returns Err.
func (e *ProtocolError) Unwrap() error { return e.Err }

// The reasons in a ProtocolError, besides ErrPublicKey.
var (
	errName    = errors.New("unexpected command") // or cut off within its name
	errLength  = errors.New("wrong length")
	errVersion = errors.New("version is not 1.0")
	errPadding = errors.New("nonzero padding")
	// errBox means that a box was changed on the way, or made with other keys. In HELLO
	// and WELCOME it usually means that the client has a wrong server key.
	errBox        = errors.New("box does not open")
	errCookie     = errors.New("unknown or expired cookie")
	errCookieUsed = errors.New("cookie was used before") // a replay
	// errVouch means that the vouch does not prove that the owner of the client's key
	// wants this connection to this server.
	errVouch = errors.New("invalid vouch")
	errNonce = errors.New("counter is not greater than the last") // a replay, or out of order
	// errFlags and errReason are also the caller's fault, in Seal and AppendError.
	errFlags  = errors.New("reserved flags")
	errReason = errors.New("reason is too long or not printable ASCII")
)

// The reasons that are not the peer's fault.
var (
	errOrder       = errors.New("step out of order") // or the handshake is over
	errClosed      = errors.New("closed")
	errNoSecretKey = errors.New("no secret key")
	errBusy        = errors.New("too many clients within 30 s") // see cookieKeyUses
	errExhausted   = errors.New("nonce counter exhausted")
)

// refuse returns the error for a command. name is one of the names in command.go.
func refuse(name string, reason error) error {
	switch reason {
	case errOrder, errClosed, errNoSecretKey, errBusy, errExhausted:
		return unable(name, reason)
	}
	return &ProtocolError{Command: name[1:], Err: reason}
}

// unable returns the error for a command that this side cannot make or take.
func unable(name string, reason error) error {
	return fmt.Errorf("curve: %s: %w", name[1:], reason)
}
