//go:build !unix

package zmtp

import "net"

// checkDescriptors finds nothing: there, connections take none from files.
func checkDescriptors(net.Conn) (few bool, err error) { return false, nil }
