package libzmq

const Endpoint = endpoint

var (
	ErrInUse  = errInUse
	ErrDomain = errDomain
	ErrBound  = errBound
	ErrNoKey  = errNoKey
)

// StartWithin is Start with a different bound for decisions.
var StartWithin = start
