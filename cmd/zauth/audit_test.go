//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/remotetest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
)

// TestAudit: each decision is a line of JSON without a password. After SIGHUP, lines
// go to a new file. A refusal that repeats is logged once.
func TestAudit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.zpl")
	ztest.Must(t, os.WriteFile(file, []byte("security\n    failures = 1000\n    plain = 1\n        account\n            login = guest\n            password = hunter2\n"), 0o600))
	audit := filepath.Join(dir, "audit.json")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--policy", file, "--audit", audit)
	client := remotetest.NewHandler(t, remote.Options{}, z.endpoint)
	ask := func(password string) zap.Reply {
		return client.Handle(t.Context(), &zap.Request{Domain: "test", Address: "192.0.2.1", Mechanism: zap.Plain,
			Credentials: [][]byte{[]byte("guest"), []byte(password)}})
	}
	if reply := ask("hunter2"); reply.Status != zap.StatusOK || reply.UserID != "guest" {
		t.Fatalf("%+v\n%s", reply, z.log.String())
	}
	for range 20 {
		if reply := ask("s3cret"); reply.Status != zap.StatusRefused {
			t.Fatalf("%+v", reply)
		}
	}
	var lines []string
	ztest.Wait(t, "21 lines in the audit log", func() bool {
		text, err := os.ReadFile(audit)
		ztest.Must(t, err)
		lines = strings.SplitAfter(string(text), "\n")
		lines = lines[:len(lines)-1] // which is not complete yet
		return len(lines) >= 21
	})
	for i, line := range lines {
		var got map[string]any
		ztest.Must(t, json.Unmarshal([]byte(line), &got))
		status, rule := 400.0, fmt.Sprint(file, ":3")
		if i == 0 {
			status, rule = 200.0, fmt.Sprint(file, ":4")
		}
		if got["status"] != status || got["rule"] != rule || got["login"] != "guest" || got["asker"] != "127.0.0.1" || got["domain"] != "test" || got["address"] != "192.0.2.1" || got["mechanism"] != "PLAIN" {
			t.Errorf("line %d: %s", i, line)
		}
	}
	if len(lines) != 21 {
		t.Errorf("%d lines", len(lines))
	}
	if n := z.log.Count(`msg="client refused" `, "asker=127.0.0.1", "login=guest"); n != 1 {
		t.Errorf("%d refusals in the log:\n%s", n, z.log.String())
	}

	ztest.Must(t, os.Rename(audit, audit+".1"))
	ztest.Must(t, z.cmd.Process.Signal(syscall.SIGHUP))
	z.waitFor(t, "msg=reloaded")
	ztest.Wait(t, "a decision in the new file", func() bool {
		ask("hunter2")
		text, err := os.ReadFile(audit)
		return err == nil && strings.Contains(string(text), `"status":200`)
	})
	ztest.Must(t, z.cmd.Process.Signal(syscall.SIGTERM))
	z.end(t)
	if !strings.Contains(z.log.String(), `msg="client refused again" count=19`) {
		t.Errorf("log:\n%s", z.log.String())
	}
	old, err := os.ReadFile(audit + ".1")
	ztest.Must(t, err)
	for _, text := range []string{z.log.String(), string(old)} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "s3cret") {
			t.Errorf("a password in\n%s", text)
		}
	}
}

// TestTornAudit: after a line that a crash cut off, the next one begins on a new line.
func TestTornAudit(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	audit := filepath.Join(t.TempDir(), "audit.json")
	ztest.Must(t, os.WriteFile(audit, []byte(`{"time":"2026-`), 0o600))
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+dir, "--audit", audit)
	client := remotetest.NewHandler(t, remote.Options{}, z.endpoint)
	client.Handle(t.Context(), byKey("192.0.2.1", keys[0].Public()))
	text, err := os.ReadFile(audit)
	ztest.Must(t, err)
	lines := strings.Split(string(text), "\n")
	var record map[string]any
	if len(lines) != 3 || lines[0] != `{"time":"2026-` || json.Unmarshal([]byte(lines[1]), &record) != nil || record["user"] != "alice" || lines[2] != "" {
		t.Errorf("%q", text)
	}
}

// byKey returns a request about a CURVE client.
func byKey(address string, key curve.PublicKey) *zap.Request {
	return &zap.Request{Address: address, Mechanism: zap.Curve, Credentials: [][]byte{key[:]}}
}

// TestSignals: SIGHUP reloads everything, and SIGTERM stops zauth with exit code 0.
func TestSignals(t *testing.T) {
	t.Parallel()
	dir, _ := keystoreOf(t, "alice")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+dir)
	ztest.Must(t, z.cmd.Process.Signal(syscall.SIGHUP))
	z.waitFor(t, "keystore reloaded", "identities=1")
	ztest.Must(t, os.WriteFile(filepath.Join(dir, ".revoked"), nil, 0o600))
	ztest.Must(t, z.cmd.Process.Signal(syscall.SIGHUP))
	z.waitFor(t, "reload failed: keeping the previous configuration", `err="reading`) // without the name of the package
	ztest.Must(t, z.cmd.Process.Signal(syscall.SIGTERM))
	z.end(t)
}
