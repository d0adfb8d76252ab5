package zmq4

import "github.com/zcurve/zcurve/internal/sockettype"

// SocketType is the type of a socket (RFC 28 to 31).
type SocketType string

// The types of sockets.
const (
	Pair   SocketType = "PAIR"
	Pub    SocketType = "PUB"
	Sub    SocketType = "SUB"
	Req    SocketType = "REQ"
	Rep    SocketType = "REP"
	Dealer SocketType = "DEALER"
	Router SocketType = "ROUTER"
	Pull   SocketType = "PULL"
	Push   SocketType = "PUSH"
	XPub   SocketType = "XPUB"
	XSub   SocketType = "XSUB"
)

// IsCompatible reports whether sockets of the two types can be connected.
func (t SocketType) IsCompatible(peer SocketType) bool {
	return sockettype.Compatible(string(t), string(peer))
}

// SocketIdentity is the routing id of a socket, by which a ROUTER addresses it: at most 255
// bytes.
type SocketIdentity []byte

// String returns the identity as text, at most 255 bytes of it.
func (id SocketIdentity) String() string { return string(id[:min(len(id), 255)]) }
