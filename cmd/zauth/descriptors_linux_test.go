package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestDescriptorsForRevocations: a peer that holds as many connections as zauth accepts
// cannot keep it from reading a revocation.
func TestDescriptorsForRevocations(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+dir)
	ztest.Must(t, unix.Prlimit(z.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 100, Max: 100}, nil))
	ztest.Background(t, func(ctx context.Context) error {
		for ctx.Err() == nil {
			conn, err := zmtp.Dial(ctx, z.endpoint, zmtp.Config{Mechanism: zap.Null, SocketType: "DEALER"})
			if err == nil {
				defer conn.Close()
			}
		}
		return nil
	})
	z.waitFor(t, "accepting a connection failed")
	store, err := keystore.Open(dir, nil)
	ztest.Must(t, err, store.Revoke(keys[0].Public(), time.Now(), "stolen"))
	z.waitFor(t, "key revoked", "alice")
	if z.log.Count("can't be read", filepath.Base(dir)) != 0 {
		t.Error("the keystore couldn't be read")
	}
}
