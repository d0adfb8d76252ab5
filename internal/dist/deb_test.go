package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/blakesmith/ar"
	"github.com/google/go-cmp/cmp"
)

// readDeb returns the files of a Debian package, and those that control it.
func readDeb(t *testing.T, content []byte) (data, control map[string]file) {
	t.Helper()
	for r := ar.NewReader(bytes.NewReader(content)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return data, control
		}
		must(t, err)
		switch strings.TrimSuffix(h.Name, "/") {
		case "debian-binary":
		case "control.tar.gz":
			plain, err := gzip.NewReader(r)
			must(t, err)
			control = byName(tarFiles(t, plain))
		case "data.tar.gz":
			plain, err := gzip.NewReader(r)
			must(t, err)
			data = byName(tarFiles(t, plain))
		default:
			t.Errorf("part %s", h.Name)
		}
	}
}

// byName has the names of files without the "./" in front.
func byName(files []file) map[string]file {
	m := map[string]file{}
	for _, f := range files {
		m[strings.TrimPrefix(f.name, "./")] = f
	}
	return m
}

func testPackages(t *testing.T, dir string) {
	for _, tt := range []struct {
		tool      string
		files     []string // with their modes, besides directories that every system has
		conffiles string
		scripts   []string
		fields    []string // of control
	}{
		{
			tool:   "zcert",
			fields: []string{"Package: zcert", "Version: 1.2.3", "Architecture: amd64", "Section: utils"},
		},
		{
			tool: "zauth",
			files: []string{
				"etc/zauth/ 755", "etc/zauth/clients/ 755", "etc/zauth/policy.zpl 644", "etc/zauth/zauth.conf 644",
				"usr/lib/systemd/system/zauth.service 644", "usr/lib/systemd/system/zauth.socket 644",
			},
			conffiles: "/etc/zauth/policy.zpl\n/etc/zauth/zauth.conf\n",
			scripts:   []string{"postinst", "postrm", "prerm"},
			fields:    []string{"Package: zauth", "Version: 1.2.3", "Architecture: amd64", "Section: net", "Depends: passwd", "Suggests: zcert"},
		},
	} {
		data, control := readDeb(t, read(t, dir, tt.tool+"_1.2.3_amd64.deb"))
		want := append(tt.files,
			"usr/bin/"+tt.tool+" 755",
			"usr/share/bash-completion/completions/"+tt.tool+" 644",
			"usr/share/doc/"+tt.tool+"/changelog.gz 644",
			"usr/share/doc/"+tt.tool+"/copyright 644",
			"usr/share/fish/vendor_completions.d/"+tt.tool+".fish 644",
			"usr/share/lintian/overrides/"+tt.tool+" 644",
			"usr/share/man/man1/"+tt.tool+".1.gz 644",
			"usr/share/zsh/vendor-completions/_"+tt.tool+" 644",
		)
		slices.Sort(want)
		var got []string
		for name, f := range data {
			if !strings.HasSuffix(name, "/") || strings.HasPrefix(name, "etc/zauth") {
				got = append(got, fmt.Sprintf("%s %o", name, f.mode))
			}
		}
		if diff := cmp.Diff(want, withoutSubcommands(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.tool, diff)
		}
		if got := string(control["conffiles"].content); got != tt.conffiles {
			t.Errorf("%s has the conffiles %q", tt.tool, got)
		}
		wantControl := append([]string{"control", "md5sums"}, tt.scripts...)
		if tt.conffiles != "" {
			wantControl = append(wantControl, "conffiles")
		}
		slices.Sort(wantControl)
		if diff := cmp.Diff(wantControl, slices.Sorted(maps.Keys(control))); diff != "" {
			t.Errorf("%s, control (-want +got):\n%s", tt.tool, diff)
		}
		for _, name := range tt.scripts {
			if control[name].mode != 0o755 {
				t.Errorf("%s has mode %o", name, control[name].mode)
			}
			check := exec.CommandContext(t.Context(), "sh", "-n")
			check.Stdin = bytes.NewReader(control[name].content)
			if output, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, output)
			}
		}
		fields := strings.Split(string(control["control"].content), "\n")
		for _, field := range tt.fields {
			if !slices.Contains(fields, field) {
				t.Errorf("%s has no %q:\n%s", tt.tool, field, control["control"].content)
			}
		}
		if licenses := string(data["usr/share/doc/"+tt.tool+"/copyright"].content); !strings.Contains(licenses, "golang.org/x/crypto v") {
			t.Errorf("the licenses of %s lack golang.org/x/crypto's", tt.tool)
		}
		if runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
			testInstalled(t, tt.tool, data)
		}
	}
}

// testInstalled runs what a package installs, in a directory.
func testInstalled(t *testing.T, tool string, data map[string]file) {
	t.Helper()
	dir := t.TempDir()
	for name, f := range data {
		to := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(to, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, f.content, os.FileMode(f.mode)))
	}
	program := filepath.Join(dir, "usr/bin", tool)
	output, err := exec.CommandContext(t.Context(), program, "--version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(output), tool+" v1.2.3, ") {
		t.Errorf("%v: %s", err, output)
	}
	if tool != "zauth" {
		return
	}
	config := filepath.Join(dir, "etc/zauth/zauth.conf")
	output, err = exec.CommandContext(t.Context(), program, "config", "--config", config).CombinedOutput()
	if err != nil || !strings.Contains(string(output), "ipc:///run/zauth/socket") {
		t.Errorf("%v: %s", err, output)
	}
	if unit := string(data["usr/lib/systemd/system/zauth.service"].content); !strings.Contains(unit, "\nExecStart=/usr/bin/zauth serve --config /etc/zauth/zauth.conf\n") {
		t.Errorf("the service does not read the configuration:\n%s", unit)
	}
	policy := filepath.Join(dir, "etc/zauth/policy.zpl")
	output, err = exec.CommandContext(t.Context(), program, "check", "--strict", policy).CombinedOutput()
	if err != nil || !strings.Contains(string(output), "valid: domain *; mechanisms CURVE; 0 identities in 0 groups, 0 accounts") {
		t.Errorf("%v: %s", err, output)
	}
}

func TestDebVersion(t *testing.T) {
	t.Parallel()
	for _, tt := range [][2]string{
		{"1.2.3", "1.2.3"},
		{"1.2.3-rc.1", "1.2.3~rc.1"},
		{"1.2.3-4-gabc1234", "1.2.3+4.gabc1234"},
		{"1.2.3-rc.1-4-gabc1234", "1.2.3~rc.1+4.gabc1234"},
		{"1.2.3-dirty", "1.2.3+dirty"},
		{"1.2.3-4-gabc1234-dirty", "1.2.3+4.gabc1234+dirty"},
		{"abc1234", "0~abc1234"},
		{"1234567", "0~1234567"}, // a commit
		{"abc1234-dirty", "0~abc1234+dirty"},
		{"dev", "0~dev"},
		{"", "0~"},
		{"1.2.3_4:5", "1.2.3.4.5"},
	} {
		if got := debVersion(tt[0]); got != tt[1] {
			t.Errorf("%q is %q, not %q", tt[0], got, tt[1])
		}
	}
}
