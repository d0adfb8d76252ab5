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

// appendName appends the name of a command: length octet, name.
func appendName(dst []byte, name string) []byte {
	return append(append(dst, byte(len(name))), name...)
}

// parseCommand splits a command's body into name and data. The error quotes
// nothing of it: before the handshake is over it can be anything.
func parseCommand(body []byte) (name string, data []byte, err error) {
	if len(body) == 0 || body[0] == 0 || int(body[0]) > len(body)-1 {
		return "", nil, fmt.Errorf("%w: no command name", errCommand)
	}
	n := int(body[0])
	return string(body[1 : 1+n]), body[1+n:], nil
}

// nameOf is the name of a command for people: quoted only if it is one of ours, since
// what a peer sends in its place may be anything, a password too.
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
