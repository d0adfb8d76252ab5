package zmq4

import "errors"

// ErrBadProperty means that a socket has no such option, or that its value has a wrong type.
var ErrBadProperty = errors.New("zmq4: bad property")

// The errors of a Conn.
var (
	// ErrBadCmd means that a command is malformed, or that the handshake expected another.
	ErrBadCmd = errors.New("zmq4: invalid command name")
	// ErrBadFrame means that the peer sent an invalid or too large frame, or a message
	// instead of a command.
	ErrBadFrame = errors.New("zmq4: invalid frame")
	// ErrClosedConn means that the Conn is closed.
	ErrClosedConn = errors.New("zmq4: read/write on closed connection")
)

// UnknownTransportError means that no transport has this name.
type UnknownTransportError struct{ Name string }

func (e UnknownTransportError) Error() string { return `zmq4: unknown transport "` + e.Name + `"` }
