package main

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestDescriptorsForRevocations: who holds as many connections as zauth takes can't keep
// it from reading who was revoked.
func TestDescriptorsForRevocations(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+dir)
	ztest.Must(t, unix.Prlimit(z.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 100, Max: 100}, nil))
	ctx := ztest.Context(t)
	var mu sync.Mutex
	var held []*zmtp.Conn
	for range 150 {
		go func() {
			if conn, err := zmtp.Dial(ctx, z.endpoint, zmtp.Config{Mechanism: zap.MechanismNull, SocketType: "DEALER"}); err == nil {
				mu.Lock()
				defer mu.Unlock()
				held = append(held, conn)
			}
		}()
	}
	z.waitFor(t, "accepting a connection failed")
	store, err := keystore.Open(dir, nil)
	ztest.Must(t, err, store.Revoke(keys[0].Public, time.Now(), "stolen"))
	z.waitFor(t, "key revoked", "alice")
	if z.log.Count("can't be read", filepath.Base(dir)) != 0 {
		t.Error("the keystore couldn't be read")
	}
	mu.Lock()
	defer mu.Unlock()
	for _, conn := range held {
		conn.Close()
	}
}
