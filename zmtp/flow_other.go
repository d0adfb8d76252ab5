//go:build !linux

package zmtp

import "net"

// unsent would return how many octets of what was written the peer's system doesn't
// have. This system doesn't tell.
func unsent(net.Conn) (octets int, known bool) { return 0, false }

// hasUnread would report whether octets have arrived that can be read.
func hasUnread(net.Conn) bool { return false }

// window would return how many octets more the peer's system is ready to take.
func window(net.Conn) (octets uint32) { return 0 }
