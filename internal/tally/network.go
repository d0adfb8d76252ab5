package tally

import (
	"net/netip"
	"strings"
)

// Network returns the source to which an address belongs: its /64 for IPv6, and the user
// for libzmq's form of ipc, localhost:UID:GID:PID. It ignores the port of an IP address,
// and returns any other text unchanged.
func Network(address string) string {
	a, err := netip.ParseAddr(host(address))
	if err != nil {
		if credentials, ok := strings.CutPrefix(address, "localhost:"); ok {
			uid, _, _ := strings.Cut(credentials, ":")
			return "localhost:" + uid
		}
		return address
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}

// host returns an IP address without its port, and any other text unchanged.
func host(address string) string {
	if strings.Count(address, ":") != 1 && !strings.HasPrefix(address, "[") {
		return address // it has no port
	}
	if ap, err := netip.ParseAddrPort(address); err == nil {
		return ap.Addr().String()
	}
	return address
}
