package zmtp

import "fmt"

// Names of the commands that ZMTP and its mechanisms use.
const (
	cmdReady     = "READY"
	cmdError     = "ERROR"
	cmdHello     = "HELLO"
	cmdWelcome   = "WELCOME"
	cmdInitiate  = "INITIATE"
	cmdPing      = "PING"
	cmdPong      = "PONG"
	cmdSubscribe = "SUBSCRIBE"
	cmdCancel    = "CANCEL"
)

// appendName appends the name of a command after its length byte.
func appendName(dst []byte, name string) []byte {
	return append(append(dst, byte(len(name))), name...)
}

// parseCommand splits the body of a command into name and data. The error does not quote
// it: during the handshake it could hold a password.
func parseCommand(body []byte) (name string, data []byte, err error) {
	if len(body) == 0 || body[0] == 0 || int(body[0]) > len(body)-1 {
		return "", nil, fmt.Errorf("%w: no command name", errCommand)
	}
	n := int(body[0])
	return string(body[1 : 1+n]), body[1+n:], nil
}

// nameOf returns the name of a command for an error. It quotes only known names, since a
// peer may send anything in its place, even a password.
func nameOf(name string) string {
	switch name {
	case cmdReady, cmdError, cmdHello, cmdWelcome, cmdInitiate, cmdPing, cmdPong, cmdSubscribe, cmdCancel:
		return name
	}
	return fmt.Sprintf("a command with an unknown name of %d bytes", len(name))
}

// isCommand reports whether body is the command name.
func isCommand(body []byte, name string) bool {
	got, _, err := parseCommand(body)
	return err == nil && got == name
}

// expect checks that body is the command name and returns its data.
func expect(body []byte, name string) ([]byte, error) {
	got, data, err := parseCommand(body)
	if err != nil {
		return nil, err
	}
	if got != name {
		return nil, fmt.Errorf("%w: got %s, expected %s", errCommand, nameOf(got), name)
	}
	return data, nil
}
