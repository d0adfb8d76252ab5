//go:build unix

package ztest_test

import (
	"net"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestReservePort: a server can come back to its port.
func TestReservePort(t *testing.T) {
	t.Parallel()
	address := ztest.ReservePort(t)
	for range 2 {
		ln, err := net.Listen("tcp", address)
		ztest.Must(t, err)
		conn, err := net.Dial("tcp", address)
		ztest.Must(t, err, conn.Close(), ln.Close())
	}
}
