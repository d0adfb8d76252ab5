//go:build unix

package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/creack/pty"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
)

// TestSignal: the first signal ends zcert while it waits for input, with the exit code
// that shells expect, and without writing anything.
func TestSignal(t *testing.T) {
	t.Parallel()
	zcert := ztest.GoProgram(t, "cmd/zcert", "CGO_ENABLED=0")
	for _, tt := range []struct {
		name   string
		args   []string
		signal syscall.Signal
		code   int
	}{
		{"show, interrupted", []string{"show", "-"}, syscall.SIGINT, 130},
		{"show, ended", []string{"show", "-"}, syscall.SIGTERM, 143},
		{"extract", []string{"extract", "-", "--out", "."}, syscall.SIGTERM, 143},
		{"passphrase from a pipe", []string{"gen", "alice", "--passphrase-file", "pipe"}, syscall.SIGINT, 130},
		{"capture from a pipe", []string{"decode", "pipe"}, syscall.SIGTERM, 143},
		{"files from a pipe", []string{"verify", "--names-from", "pipe"}, syscall.SIGINT, 130},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			pipe := filepath.Join(dir, "pipe")
			ztest.Must(t, syscall.Mkfifo(pipe, 0o600))
			cmd := exec.CommandContext(ztest.Context(t), zcert, tt.args...)
			cmd.Dir = dir
			stdin, err := cmd.StdinPipe()
			ztest.Must(t, err, cmd.Start())
			defer stdin.Close()
			if tt.args[1] == "-" {
				// This is more than a pipe holds, so it returns after zcert has begun to read.
				_, err = stdin.Write(make([]byte, 1<<20))
				ztest.Must(t, err)
			} else {
				// This returns when zcert has opened the other end.
				f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
				ztest.Must(t, err)
				defer f.Close()
			}
			ztest.Must(t, cmd.Process.Signal(tt.signal))
			err = cmd.Wait()
			if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != tt.code {
				t.Errorf("got %v, want exit code %d", err, tt.code)
			}
			left, err := os.ReadDir(dir)
			ztest.Must(t, err)
			if len(left) != 1 {
				t.Errorf("zcert has written: %v", left)
			}
		})
	}
}

// TestSignalAtTerminal: the first signal ends zcert while it waits for a passphrase.
func TestSignalAtTerminal(t *testing.T) {
	t.Parallel()
	zcert := ztest.GoProgram(t, "cmd/zcert", "CGO_ENABLED=0")
	path := filepath.Join(t.TempDir(), "alice.key_secret")
	ztest.Must(t, cert.Generate("").SaveSecret(path))
	before, err := os.ReadFile(path)
	ztest.Must(t, err)
	cmd := exec.CommandContext(ztest.Context(t), zcert, "lock", path)
	terminal, err := pty.Start(cmd)
	ztest.Must(t, err)
	defer terminal.Close()
	if _, err := bufio.NewReader(terminal).ReadString(':'); err != nil {
		t.Fatalf("no question: %v", err)
	}
	ztest.Must(t, cmd.Process.Signal(os.Interrupt))
	err = cmd.Wait()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("got %v, want exit code 130", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed: %v", err)
	}
}
