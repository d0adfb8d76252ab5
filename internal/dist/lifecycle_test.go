//go:build packages

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// suite is the oldest Debian that the packages support.
const suite = "bookworm"

// service runs lifecycle.sh when the system has started, and then stops the system.
const service = `[Unit]
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/bin/sh /packages/lifecycle.sh
StandardOutput=append:/packages/log
StandardError=append:/packages/log
TimeoutStartSec=300
[Install]
WantedBy=multi-user.target
`

// TestLifecycle installs, upgrades, removes and purges the packages in a clean Debian that
// it boots, and before in one that does not run. It needs root, mmdebstrap,
// systemd-nspawn and a mirror of Debian.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	linux := "linux/" + runtime.GOARCH
	clean := filepath.Join(t.TempDir(), "debian")
	command(t, "mmdebstrap", "--mode=root", "--variant=minbase", "--include=systemd,systemd-sysv", "--skip=output/dev", suite, clean)
	old := dist(t, copySource(t), "1.0.0", linux)
	source := copySource(t)
	for _, name := range []string{"zauth.conf", "policy.zpl"} {
		f, err := os.OpenFile(filepath.Join(source, "contrib/deb", name), os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = fmt.Fprintln(f, "# new in 1.1.0")
		must(t, err, f.Close())
	}
	upgraded := dist(t, source, "1.1.0", linux)
	must(t, os.CopyFS(filepath.Join(clean, "packages/1.0.0"), os.DirFS(old)), os.CopyFS(filepath.Join(clean, "packages/1.1.0"), os.DirFS(upgraded)))

	command(t, "chroot", clean, "sh", "-euc", `
		groupadd --system zauth
		dpkg --install /packages/1.0.0/*.deb
		dpkg --install /packages/1.1.0/*.deb
		getent passwd zauth
		zauth check /etc/zauth/policy.zpl
		dpkg --purge zauth zcert
		userdel zauth
		[ ! -e /etc/zauth ]`)

	script, err := os.ReadFile("testdata/lifecycle.sh")
	must(t, err,
		os.WriteFile(filepath.Join(clean, "packages/lifecycle.sh"), script, 0o755),
		os.WriteFile(filepath.Join(clean, "etc/systemd/system/lifecycle.service"), []byte(service), 0o644))
	command(t, "systemctl", "--root", clean, "enable", "lifecycle.service")
	command(t, "systemd-nspawn", "--directory", clean, "--boot", "--register=no", "--keep-unit", "--private-network", "--console=pipe", "--settings=no")
	log, err := os.ReadFile(filepath.Join(clean, "packages/log"))
	must(t, err)
	if !strings.HasSuffix(string(log), "lifecycle: done\n") {
		t.Errorf("%s", log)
	}
}

// command runs a command.
func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, output)
	}
}
