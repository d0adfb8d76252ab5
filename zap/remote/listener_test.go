package remote

import (
	"net"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestNewListener: a listener that other machines can reach must use CURVE, and stays open if it
// does not.
func TestNewListener(t *testing.T) {
	t.Parallel()
	nl, err := net.Listen("tcp", "0.0.0.0:0")
	ztest.Must(t, err)
	defer nl.Close()
	for _, mechanism := range []string{"", zap.Null, zap.Plain} {
		if _, err := NewListener(nl, zmtp.Config{Mechanism: mechanism}); err == nil || !strings.HasSuffix(err.Error(), "can be reached from other machines: set link to CURVE") {
			t.Errorf("%q: %v", mechanism, err)
		}
	}
	_, port, err := net.SplitHostPort(nl.Addr().String())
	ztest.Must(t, err)
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	ztest.Must(t, err)
	conn.Close()

	local, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(t, err)
	ln, err := NewListener(local, zmtp.Config{Mechanism: zap.Null})
	ztest.Must(t, err)
	if ln.Endpoint() != "tcp://"+local.Addr().String() {
		t.Errorf("it listens on %s", ln.Endpoint())
	}
	ztest.Must(t, ln.Close())
}
