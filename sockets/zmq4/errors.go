package zmq4

import "errors"

// ErrBadProperty means that a socket has no such option, or that its value has a wrong type.
var ErrBadProperty = errors.New("zmq4: bad property")

// UnknownTransportError means that no transport has this name.
type UnknownTransportError struct{ Name string }

func (e UnknownTransportError) Error() string { return `zmq4: unknown transport "` + e.Name + `"` }
