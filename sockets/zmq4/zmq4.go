package zmq4

import "net"

// Socket is a ZeroMQ socket. Safe for concurrent use.
type Socket interface {
	// Close ends all connections of the socket. Before that it sends what Send has accepted,
	// for as long as WithLinger allows. It returns nil.
	Close() error
	// Send accepts a message for sending, and copies it. What it does if no peer can take
	// the message depends on the type of the socket; see the package comment.
	Send(msg Msg) error
	// SendMulti is the same as Send.
	SendMulti(msg Msg) error
	// Recv returns the next message, which belongs to the caller.
	Recv() (Msg, error)
	// Listen accepts peers at an endpoint, such as tcp://*:5555. A socket can listen at
	// several.
	Listen(ep string) error
	// Dial connects to the peer at an endpoint. A socket can have several.
	Dial(ep string) error
	// Type returns the type of the socket.
	Type() SocketType
	// Addr returns the address of the last Listen, or nil.
	Addr() net.Addr
	// GetOption returns the value of an option, or ErrBadProperty if it was never set.
	GetOption(name string) (interface{}, error)
	// SetOption sets an option, such as OptionSubscribe.
	SetOption(name string, value interface{}) error
}

// Topics is implemented by the sockets that have subscriptions: PUB, XPUB and SUB.
type Topics interface {
	// Topics returns the subscriptions, sorted.
	Topics() []string
}

// The options of SetOption and GetOption.
const (
	OptionSubscribe   = "SUBSCRIBE"   // a string: a SUB receives the messages that begin with it
	OptionUnsubscribe = "UNSUBSCRIBE" // a string: undoes one OptionSubscribe
	OptionHWM         = "HWM"         // an int: both high-water marks
)
