package main

import (
	"path/filepath"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
)

// The tests below write the audit log to /dev/full, a device of Linux that is always full.

// TestAuditRequired: a decision that cannot be recorded takes effect, or with
// --audit-required becomes a refusal. The log says this once.
func TestAuditRequired(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	for _, tt := range []struct {
		flags []string
		want  zap.Status
		log   string
	}{
		{nil, zap.StatusOK, "decisions are not recorded"},
		{[]string{"--audit-required"}, zap.StatusError, "clients are refused"},
	} {
		z := startZauth(t, append([]string{"--listen", "tcp://127.0.0.1:*", "--keystore", "dir:" + dir, "--audit", "/dev/full"}, tt.flags...)...)
		client := remotetest.NewHandler(t, remote.Options{}, z.endpoint)
		for range 3 {
			if reply := client.Handle(t.Context(), byKey("192.0.2.1", keys[0].Public())); reply.Status != tt.want {
				t.Errorf("%v: %+v", tt.flags, reply)
			}
		}
		z.waitFor(t, "level=ERROR", "writing the audit log failed: "+tt.log, "no space left on device")
		if n := z.log.Count("writing the audit log failed"); n != 1 {
			t.Errorf("%v: told %d times", tt.flags, n)
		}
	}
}

// TestChangeNotAudited: zauth logs that a change of the operator could not be written to the
// audit log.
func TestChangeNotAudited(t *testing.T) {
	t.Parallel()
	dir, _ := keystoreOf(t, "alice")
	at := "ipc://" + filepath.Join(t.TempDir(), "control")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+dir, "--audit", "/dev/full", "--control", at, "--admit-to", "dir:"+dir)
	for i, args := range [][]string{{"deny", "alice"}, {"audit", "off"}} {
		if code, _, stderr := run(t, append(args, "--control", at)...); code != 0 {
			t.Errorf("%v: %d, %s", args, code, stderr)
		}
		ztest.Wait(t, "the log tells", func() bool {
			return z.log.Count("level=ERROR", "writing the audit log failed: the change is only in this log", "no space left on device") == i+1
		})
	}
}
