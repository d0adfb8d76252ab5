//go:build !linux

package zmtp

import "net"

// unsent would return how many of the written bytes the peer's system does not have. This
// system does not tell.
func unsent(net.Conn) (bytes int, known bool) { return 0, false }

// hasUnread would report whether bytes have arrived that can be read.
func hasUnread(net.Conn) bool { return false }

// window would return how many more bytes the peer's system accepts.
func window(net.Conn) (bytes uint32) { return 0 }
