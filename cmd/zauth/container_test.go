//go:build linux

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// image describes the last stage of a Containerfile.
type image struct {
	dirs   map[string]bool // the empty directories, and whether the user owns them
	health []string
	start  []string // ENTRYPOINT and CMD
	env    []string
	values map[string]string // of the other instructions
}

// readImage reads the Containerfile.
func readImage(t *testing.T) image {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(ztest.Root(t), "contrib", "container", "Containerfile"))
	ztest.Must(t, err)
	_, last, found := strings.Cut(string(text), "\nFROM scratch\n")
	if !found || !strings.Contains(string(text), "-o /out/zauth ./cmd/zauth\n") {
		t.Fatal("no last stage, or another program")
	}
	im := image{dirs: map[string]bool{}, values: map[string]string{}}
	list := func(text string) (words []string) {
		ztest.Must(t, json.Unmarshal([]byte(text), &words)) // without a shell
		return words
	}
	for line := range strings.Lines(last) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "COPY":
			words := strings.Fields(rest)
			from, to := words[len(words)-2], words[len(words)-1]
			if from == "/out/empty" {
				im.dirs[to] = slices.Contains(words, "--chown=65532:65532")
			} else if from != "/out/zauth" || to != "/usr/bin/zauth" {
				t.Errorf("COPY %s", rest)
			}
		case "HEALTHCHECK":
			im.health = list(regexp.MustCompile(`\[.*\]`).FindString(rest))
		case "ENTRYPOINT", "CMD":
			im.start = append(im.start, list(rest)...)
		case "ENV":
			im.env = strings.Fields(rest)
		default:
			im.values[name] = rest
		}
	}
	return im
}

// TestContainer: zauth runs in the image of the Containerfile, as a user that owns only the
// directories it writes to, without any other file, and the health check tells whether it runs.
func TestContainer(t *testing.T) {
	t.Parallel()
	im, root := readImage(t), t.TempDir()
	if im.values["USER"] != "65532:65532" {
		t.Fatalf("USER %q", im.values["USER"])
	}
	program := ztest.GoProgram(t, "cmd/zauth", "CGO_ENABLED=0")
	ztest.Must(t, os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755), os.Link(program, filepath.Join(root, "usr/bin/zauth")))
	attr := &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	if os.Geteuid() != 0 { // the user of the container is this one
		attr.Credential, attr.Cloneflags = nil, syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 65532, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 65532, HostID: os.Getgid(), Size: 1}}
	}
	for dir, owned := range im.dirs {
		ztest.Must(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
		if owned && os.Geteuid() == 0 {
			ztest.Must(t, os.Chown(filepath.Join(root, dir), 65532, 65532))
		}
	}
	// The directories of a test are for its user alone.
	ztest.Must(t, os.Chmod(root, 0o755), os.Chmod(filepath.Dir(root), 0o755))
	addTo(t, filepath.Join(root, "etc/zauth/clients"), "alice")
	command := func(words []string, more ...string) *exec.Cmd {
		cmd := exec.CommandContext(ztest.Context(t), words[0], append(words[1:], more...)...)
		cmd.SysProcAttr, cmd.Env, cmd.Dir = attr, im.env, im.values["WORKDIR"]
		return cmd
	}
	if err := command(im.health).Run(); err == nil {
		t.Error("healthy before it runs")
	}
	var log ztest.Log
	serve := command(im.start, "--listen", "tcp://127.0.0.1:*", "--log-format", "text")
	serve.Stderr = &log
	ztest.Must(t, serve.Start())
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	ztest.Wait(t, "zauth listens", func() bool {
		select {
		case err := <-ended:
			t.Fatalf("zauth ended: %v\n%s", err, &log)
		default:
		}
		return log.Count("listening on ") > 0
	})
	if log.Count("keystore loaded", "identities=1") != 1 || log.Count("level=WARN")+log.Count("level=ERROR") != 0 {
		t.Errorf("its log:\n%s", &log)
	}
	if out, err := command(im.health).CombinedOutput(); err != nil {
		t.Errorf("not healthy: %v\n%s", err, out)
	}

	// A restart would not help against a fault that its operator has to repair.
	ztest.Must(t, os.RemoveAll(filepath.Join(root, "etc/zauth/clients")))
	ztest.Wait(t, "the keystore is missing", func() bool { return log.Count("level=ERROR", "keystore missing") > 0 })
	if err := command([]string{im.start[0], "status"}).Run(); err == nil {
		t.Error("status tells of no fault")
	}
	if out, err := command(im.health).CombinedOutput(); err != nil {
		t.Errorf("not healthy without its keystore: %v\n%s", err, out)
	}
	ztest.Must(t, serve.Process.Signal(syscall.SIGTERM))
	ztest.Must(t, ztest.Receive(t, "zauth ends", ended))
}
