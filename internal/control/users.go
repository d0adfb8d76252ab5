package control

import (
	"fmt"
	"net"
)

// userAddr is the address of a peer by ipc, which names the user that runs it.
type userAddr struct{ uid uint32 }

func (userAddr) Network() string  { return "unix" }
func (a userAddr) String() string { return fmt.Sprintf("ipc (uid %d)", a.uid) }

// userConn is a connection by ipc whose user is known.
type userConn struct {
	*net.UnixConn
	peer userAddr
}

func (c userConn) RemoteAddr() net.Addr { return c.peer }

// userListener asks the system which user runs each peer.
type userListener struct{ net.Listener }

// withUsers returns nl, or for ipc a listener whose connections name their users.
func withUsers(nl net.Listener) net.Listener {
	if nl.Addr().Network() != "unix" {
		return nl
	}
	return userListener{nl}
}

func (l userListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	conn, ok := nc.(*net.UnixConn)
	if err != nil || !ok {
		return nc, err
	}
	uid, ok := userOf(conn)
	if !ok {
		return nc, nil
	}
	return userConn{conn, userAddr{uid}}, nil
}
