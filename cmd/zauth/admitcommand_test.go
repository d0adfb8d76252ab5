//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// TestAdmitCommands: the command that zauth prints for a pending key runs in a shell as printed,
// and admits the key, whatever characters the key has.
func TestAdmitCommands(t *testing.T) {
	t.Parallel()
	dir, _ := keystoreOf(t, "alice")
	run := t.TempDir()
	exe, err := os.Executable()
	ztest.Must(t, err, os.Symlink(exe, filepath.Join(run, "zauth")))
	door := "ipc://" + filepath.Join(run, "c")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+dir, "--admit-to", "dir:"+dir, "--control", door, "--publish", "none")
	service, err := remote.NewHandler(remote.Options{Wait: ztest.Patience}, z.endpoint)
	ztest.Must(t, err)
	defer service.Close()
	status := func(key curve.PublicKey) zap.Status {
		return service.Handle(t.Context(), &zap.Request{Domain: "payments", Address: "192.0.2.1", Mechanism: zap.Curve, Credentials: [][]byte{key[:]}}).Status
	}
	keys := map[string]curve.PublicKey{}
	for _, is := range []func(text string) bool{
		func(text string) bool { return strings.HasPrefix(text, "-") },
		func(text string) bool { return strings.HasPrefix(text, "*") && strings.Contains(text, "$") },
		func(text string) bool { return strings.HasPrefix(text, "!") && strings.Contains(text, "#") },
		func(text string) bool { return strings.ContainsAny(text, "&<>(;") },
	} {
		key := curve.GenerateKey().Public()
		for !is(key.String()) {
			key = curve.GenerateKey().Public()
		}
		keys[key.String()] = key
		if got := status(key); got != zap.StatusRefused {
			t.Errorf("%s: status %d", key, got)
		}
	}
	operator, err := control.Dial(t.Context(), door, zmtp.Config{Mechanism: zap.Null})
	ztest.Must(t, err)
	defer operator.Close()
	text, err := operator.Ask(t.Context(), control.Request{Command: control.CommandPending})
	ztest.Must(t, err)
	var pending control.Clients
	ztest.Must(t, json.Unmarshal(text, &pending))
	if len(pending.Clients) != len(keys) {
		t.Errorf("pending: %s", text)
	}
	for n, c := range pending.Clients {
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.Replace(c.Admit, "--name NAME", fmt.Sprint("--name client-", n), 1))
		cmd.Env = append(os.Environ(), "ZAUTH_CONTROL="+door, "PATH="+run+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", c.Admit, err, out)
		}
		if got := status(keys[c.Key]); got != zap.StatusOK {
			t.Errorf("%s: status %d", c.Admit, got)
		}
	}
}
