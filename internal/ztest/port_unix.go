//go:build unix

package ztest

import (
	"fmt"
	"syscall"
	"testing"
)

// ReservePort returns an address on loopback, "127.0.0.1:PORT", for a server that ends
// and is started again. Until the end of the test, the system does not give the port to
// programs that ask for any free port: a socket that doesn't listen is bound to it, in a
// way that lets Go's listeners bind this port explicitly.
func ReservePort(t testing.TB) string {
	t.Helper()
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	Must(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	Must(t,
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	address, err := syscall.Getsockname(fd)
	Must(t, err)
	return fmt.Sprintf("127.0.0.1:%d", address.(*syscall.SockaddrInet4).Port)
}
