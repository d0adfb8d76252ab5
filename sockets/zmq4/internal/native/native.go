// Package native marks the security mechanisms that package zmtp performs. Other mechanisms
// perform their handshake on a zmq4.Conn.
package native

import "github.com/zcurve/zcurve/zmtp"

// Mechanism is a mechanism that package zmtp performs.
type Mechanism interface {
	// Native sets the mechanism of a connection, and returns the role of this side.
	Native(cfg *zmtp.Config) Role
}

// Role says which side of a connection is the server of the mechanism.
type Role int

// The roles of this side.
const (
	Listens Role = iota // the server if it listens, the client if it dials
	Server
	Client
)
