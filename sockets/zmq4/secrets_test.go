package zmq4_test

import (
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/sockets/zmq4/security/plain"
	"github.com/zcurve/zcurve/zap"
)

// TestSecretsAreHidden prints sockets and securities in all ways.
func TestSecretsAreHidden(t *testing.T) {
	t.Parallel()
	key := curve.GenerateKey()
	for _, sec := range []zmq4.Security{
		zmq4.CurveServer(key, "test", nil), zmq4.CurveClient(key, curve.GenerateKey().Public()),
		zmq4.PlainClient("alice", zap.NewPassword("the password")), plain.Security("alice", "the password"),
	} {
		ztest.CheckHidden(t, sec, string(key.AppendZ85(nil)), string(key.AppendBytes(nil)), "the password")
		ztest.CheckHidden(t, open(t, zmq4.NewPull, zmq4.WithSecurity(sec)), string(key.AppendZ85(nil)), string(key.AppendBytes(nil)), "the password")
	}
}
