//go:build unix

package ztest_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestReservePort: a server can return to its port. A process that another test starts
// may hold the listener for a moment longer.
func TestReservePort(t *testing.T) {
	t.Parallel()
	address := ztest.ReservePort(t)
	for range 2 {
		var ln net.Listener
		ztest.Wait(t, "the port", func() (free bool) {
			var err error
			if ln, err = net.Listen("tcp", address); !errors.Is(err, syscall.EADDRINUSE) {
				ztest.Must(t, err)
				free = true
			}
			return free
		})
		conn, err := net.Dial("tcp", address)
		ztest.Must(t, err, conn.Close(), ln.Close())
	}
}
