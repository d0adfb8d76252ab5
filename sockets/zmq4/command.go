package zmq4

import "fmt"

// The names of ZMTP's commands (RFC 23, RFC 37).
const (
	CmdCancel      = "CANCEL"
	CmdError       = "ERROR"
	CmdHello       = "HELLO"
	CmdInitiate    = "INITIATE"
	CmdPing        = "PING"
	CmdPong        = "PONG"
	CmdReady       = "READY"
	CmdSubscribe   = "SUBSCRIBE"
	CmdUnsubscribe = "UNSUBSCRIBE"
	CmdWelcome     = "WELCOME"
)

// Cmd is a command of ZMTP. Plain data.
type Cmd struct {
	Name string // 1 to 255 bytes
	Body []byte
}

func (cmd Cmd) encode() ([]byte, error) {
	if n := len(cmd.Name); n == 0 || n > 255 {
		return nil, fmt.Errorf("%w: a name has 1 to 255 bytes, not %d", ErrBadCmd, n)
	}
	return append(append([]byte{byte(len(cmd.Name))}, cmd.Name...), cmd.Body...), nil
}

// parseCmd parses the body of a command frame, which the result refers to.
func parseCmd(b []byte) (Cmd, error) {
	if len(b) == 0 || b[0] == 0 || len(b)-1 < int(b[0]) {
		return Cmd{}, fmt.Errorf("%w: a command of %d bytes without its whole name", ErrBadCmd, len(b))
	}
	n := 1 + int(b[0])
	return Cmd{string(b[1:n]), b[n:]}, nil
}

// reason returns the reason of an ERROR command.
func (cmd Cmd) reason() string {
	if b := cmd.Body; len(b) > 0 && int(b[0]) == len(b)-1 {
		return string(b[1:])
	}
	return string(cmd.Body[:min(len(cmd.Body), 255)]) // go-zeromq sends no length
}
