package curve

import (
	"errors"
	"strings"
)

// The reasons to refuse a command, or to make none. They come wrapped in a
// [*ProtocolError], which names the command. ErrPublicKey is one more, of a key
// met on the wire that fails [PublicKey.Check], and errNoSecretKey, of a Server
// without keys.
var (
	// ErrName means that the command is not the one that is due, or is cut
	// off within its name.
	ErrName = errors.New("not the command that is due")
	// ErrLength means that the command is too short or too long.
	ErrLength = errors.New("wrong length")
	// ErrVersion means that HELLO is not of version 1.0.
	ErrVersion = errors.New("version is not 1.0")
	// ErrPadding means that HELLO's padding, or the text in its box, is not
	// all zero.
	ErrPadding = errors.New("octets that must be zero are not")
	// ErrBox means that a box does not open: it was altered on the way, or
	// made with other keys. In HELLO or WELCOME it means most often that the
	// client has a wrong server key.
	ErrBox = errors.New("box does not open")
	// ErrCookie means that the cookie in INITIATE is not this server's, or is
	// older than its key.
	ErrCookie = errors.New("cookie is not ours or has expired")
	// ErrCookieUsed means that an INITIATE with this cookie was accepted
	// before: it is a replay.
	ErrCookieUsed = errors.New("cookie was used before")
	// ErrVouch means that the vouch in INITIATE does not prove that the owner
	// of the client's key wants this connection to this server.
	ErrVouch = errors.New("vouch does not hold")
	// ErrNonce means that the counter of a command is not greater than the one
	// before it in the same direction: it is a replay, or out of order.
	ErrNonce = errors.New("counter is not greater than the last")
	// ErrFlags means that a message has flags other than FlagMore and
	// FlagCommand.
	ErrFlags = errors.New("reserved flags")
	// ErrReason means that the reason of an ERROR is longer than 255 octets or
	// not printable ASCII.
	ErrReason = errors.New("reason is too long or not printable ASCII")
	// ErrOrder means that this step of the handshake is not due: it was taken
	// before, another must come first, or the handshake is over, done, failed
	// or closed.
	ErrOrder = errors.New("step out of order")
	// ErrExhausted means that a session has no counter left for another
	// message. A new connection has.
	ErrExhausted = errors.New("out of counters")
	// ErrBusy means that a Server has accepted so many clients, over a million within
	// 30 s, that it can't remember another cookie. It accepts clients again when its
	// cookie key is 30 s old.
	ErrBusy = errors.New("too many clients within 30 s")
	// ErrClosed means that a Session or Server has been closed, or that a
	// Session refused a message before and opens no more.
	ErrClosed = errors.New("closed")
)

// ProtocolError says which command was refused, or could not be made, and why.
type ProtocolError struct {
	Command string // name of the command that was due: HELLO, WELCOME, INITIATE, READY, MESSAGE or ERROR
	Reason  error  // ErrBox, ErrNonce and the like; ErrPublicKey comes wrapped
}

func (e *ProtocolError) Error() string {
	// ErrPublicKey is also returned alone and so names the package itself.
	return "curve: " + e.Command + ": " + strings.TrimPrefix(e.Reason.Error(), "curve: ")
}

// Unwrap returns the reason.
func (e *ProtocolError) Unwrap() error { return e.Reason }

// refuse makes a ProtocolError of one of the command names in command.go.
func refuse(name string, reason error) error {
	return &ProtocolError{Command: name[1:], Reason: reason}
}
