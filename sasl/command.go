package sasl

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zcurve/zcurve/zap"
)

// The mechanisms of this package.
const (
	Anonymous       = "ANONYMOUS"         // no credentials (RFC 4505)
	Plain           = "PLAIN"             // a user name and a password, unencrypted (RFC 4616)
	ScramSHA256     = zap.ScramSHA256     // mutual proof of a password (RFC 5802, RFC 7677)
	ScramSHA256Plus = zap.ScramSHA256Plus // the same, bound to the CURVE connection
	External        = "EXTERNAL"          // what the connection has proved (RFC 4422, appendix A)
	Curve           = "CURVE"             // mutual proof of keys, and encryption (ZeroMQ RFC 26)
)

// Kind is the kind of a [Command].
type Kind byte

// The commands of the exchange:
//
//	open-peering = C:OHAI *( S:ORLY C:YARLY ) ( S:OHAI-OK / S:SRSLY / S:RTFM )
const (
	OHAI   Kind = iota + 1 // the client begins
	ORLY                   // the server offers mechanisms, or continues with a challenge
	YARLY                  // the client chooses a mechanism, or continues, with a response
	OHAIOK                 // the server admits the client
	SRSLY                  // the server refuses the client
	RTFM                   // the peer broke the protocol
)

// String returns the name of the command in the protocols.
func (k Kind) String() string {
	switch k {
	case OHAI:
		return "OHAI"
	case ORLY:
		return "ORLY"
	case YARLY:
		return "YARLY"
	case OHAIOK:
		return "OHAI-OK"
	case SRSLY:
		return "SRSLY"
	case RTFM:
		return "RTFM"
	}
	return fmt.Sprintf("command %d", byte(k))
}

// A Command is a command of the exchange. Plain data: don't change it while it is in use.
type Command struct {
	Kind       Kind
	Mechanisms []string // ORLY: those offered, at most 32; YARLY: the one chosen
	Data       []byte   // ORLY: the challenge; YARLY: the response; at most 8,192 bytes
	Reason     string   // SRSLY and RTFM: printable ASCII, at most 255 bytes
}

// Format writes the command without its data, for each verb: the data can be a password.
func (c Command) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%s %v %q, %d bytes", c.Kind, c.Mechanisms, c.Reason, len(c.Data))
}

// A Codec converts commands to the messages of a protocol and back. Messages don't include
// the routing id that a ROUTER puts in front. It must be safe for concurrent use.
type Codec interface {
	// Message returns the message of a valid command: at least one frame.
	Message(c Command) ([][]byte, error)
	// Parse returns the command in a message. Command.Data may refer to the message. It
	// returns ErrForeign for a message that does not belong to the protocol, and another error
	// for a malformed command or one outside the exchange. It keeps the order and the spelling
	// of mechanisms.
	Parse(message [][]byte) (Command, error)
}

// messageOf returns the message of a command.
func messageOf(codec Codec, c Command) ([][]byte, error) {
	message, err := codec.Message(c)
	if err == nil && len(message) == 0 {
		err = errEmpty
	}
	if err != nil {
		return nil, fmt.Errorf("sasl: %s: %w", c.Kind, err)
	}
	return message, nil
}

// parse returns the command in a message. Its error is ErrForeign, or ErrProtocol for a
// malformed command.
func parse(codec Codec, message [][]byte) (Command, error) {
	c, err := codec.Parse(message)
	if errors.Is(err, ErrForeign) {
		return Command{}, ErrForeign
	}
	if c, err = checked(c, err); err != nil {
		return c, fmt.Errorf("%w: malformed command: %w", ErrProtocol, err)
	}
	return c, nil
}

// checked returns a command that was parsed if it is valid, and otherwise why it is not.
func checked(c Command, err error) (Command, error) {
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return Command{}, err
	}
	return c, nil
}

const (
	maxMechanisms = 32   // in an ORLY
	maxName       = 20   // bytes of a mechanism name (RFC 4422, section 3.1)
	maxData       = 8192 // bytes of a challenge or a response
	maxReason     = 255  // bytes of a reason
)

var (
	errKind       = errors.New("not a command of the exchange")
	errMechanisms = errors.New("wrong number of mechanisms")
	errName       = errors.New("invalid mechanism name")
	errDuplicate  = errors.New("duplicate mechanism")
	errData       = errors.New("challenge or response is too long")
	errReason     = errors.New("reason is not printable ASCII of at most 255 bytes")
	errField      = errors.New("the command has no such field")
	errEmpty      = errors.New("the codec returns no message")
)

// check returns an error if a command is invalid.
func (c *Command) check() error {
	least, most := 0, 0
	switch c.Kind {
	case ORLY:
		least, most = 1, maxMechanisms
	case YARLY:
		least, most = 1, 1
	case OHAI, OHAIOK, SRSLY, RTFM:
	default:
		return errKind
	}
	if n := len(c.Mechanisms); n < least || n > most {
		return fmt.Errorf("%w: %d", errMechanisms, n)
	}
	for i, name := range c.Mechanisms {
		if !isName(name) {
			return errName
		}
		if slices.Contains(c.Mechanisms[:i], name) {
			return fmt.Errorf("%w: %s", errDuplicate, name)
		}
	}
	if len(c.Data) > maxData {
		return fmt.Errorf("%w: %d bytes", errData, len(c.Data))
	}
	if !isReason(c.Reason) {
		return errReason
	}
	if most == 0 && len(c.Data) > 0 || c.Kind != SRSLY && c.Kind != RTFM && c.Reason != "" {
		return errField
	}
	return nil
}

// isName reports whether s is a valid mechanism name (RFC 4422, section 3.1).
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// isReason reports whether s is printable ASCII of at most 255 bytes.
func isReason(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= maxReason
}
