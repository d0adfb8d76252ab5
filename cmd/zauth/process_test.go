//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/script"
)

// zauth is a running process.
type zauth struct {
	cmd      *exec.Cmd
	endpoint string
	log      ztest.Log
	ended    chan struct{} // closed when the process and its log have ended
	err      error         // set when the process has ended
}

// startZauth runs zauth serve until the test ends. The process also ends when this one
// does: its stdin is a pipe from here.
func startZauth(t testing.TB, args ...string) *zauth {
	t.Helper()
	return startZauthWith(t, func(*exec.Cmd) {}, args...)
}

// startZauthWith is startZauth with a change to the command.
func startZauthWith(t testing.TB, change func(*exec.Cmd), args ...string) *zauth {
	t.Helper()
	exe, err := os.Executable()
	ztest.Must(t, err)
	z := &zauth{cmd: exec.Command(exe, append([]string{"serve", "--log-format", "text"}, args...)...), ended: make(chan struct{})}
	z.cmd.Env = append(os.Environ(), asZauth+"=1", "GORACE="+script.WithoutSleep)
	z.cmd.Stderr = &z.log
	change(z.cmd)
	stdin, err := z.cmd.StdinPipe()
	ztest.Must(t, err, z.cmd.Start())
	go func() {
		defer close(z.ended)
		z.err = z.cmd.Wait()
	}()
	t.Cleanup(func() {
		z.kill()
		stdin.Close()
		if t.Failed() {
			t.Logf("zauth:\n%s", &z.log)
		}
	})
	ztest.Wait(t, "zauth listens", func() bool {
		select {
		case <-z.ended:
			t.Fatalf("zauth ended: %v", z.err)
		default:
		}
		_, rest, found := strings.Cut("\n"+z.log.String(), "\nlistening on ")
		line, _, whole := strings.Cut(rest, "\n")
		z.endpoint = line
		return found && whole
	})
	return z
}

// kill kills the process.
func (z *zauth) kill() {
	z.cmd.Process.Kill()
	<-z.ended
}

// waitFor waits until a line of the log contains all words.
func (z *zauth) waitFor(t *testing.T, words ...string) {
	t.Helper()
	ztest.Wait(t, fmt.Sprintf("a line with %q", words), func() bool { return z.log.Count(words...) > 0 })
}

// end waits until the process exits on its own, with status 0.
func (z *zauth) end(t *testing.T) {
	t.Helper()
	ztest.Receive(t, "zauth ends", z.ended)
	ztest.Must(t, z.err)
}

// keystoreOf creates a directory with certificates of these names, and returns their
// keys.
func keystoreOf(t *testing.T, names ...string) (dir string, keys []curve.SecretKey) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range names {
		keys = append(keys, addTo(t, dir, name))
	}
	return dir, keys
}

// addTo adds a new certificate to a keystore.
func addTo(t *testing.T, dir, name string) curve.SecretKey {
	t.Helper()
	c := cert.Generate(name)
	ztest.Must(t, c.SavePublic(filepath.Join(dir, name+".key")))
	return c.Secret
}
