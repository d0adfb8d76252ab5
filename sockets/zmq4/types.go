package zmq4

import "slices"

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

// peers lists the types that a type can be connected to (RFC 37, The Socket-Type Property).
var peers = map[SocketType][]SocketType{
	Pair: {Pair}, Pub: {Sub, XSub}, Sub: {Pub, XPub}, Req: {Rep, Router}, Rep: {Req, Dealer},
	Dealer: {Rep, Dealer, Router}, Router: {Req, Dealer, Router}, Pull: {Push}, Push: {Pull},
	XPub: {Sub, XSub}, XSub: {Pub, XPub},
}

// IsCompatible reports whether sockets of the two types can be connected.
func (t SocketType) IsCompatible(peer SocketType) bool { return slices.Contains(peers[t], peer) }

// SocketIdentity is the routing id of a socket, by which a ROUTER addresses it: at most 255
// bytes.
type SocketIdentity []byte

// String returns the identity as text, at most 255 bytes of it.
func (id SocketIdentity) String() string { return string(id[:min(len(id), 255)]) }
