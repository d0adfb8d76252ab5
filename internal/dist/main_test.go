package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/ztest"
)

// asDist is the environment variable that makes the tests' executable dist.
const asDist = "DIST_TEST_AS_DIST"

func TestMain(m *testing.M) {
	if os.Getenv(asDist) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// copySource copies the source to a new directory, with different times and without .git.
func copySource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range append([]string{"go.mod", "go.sum"}, texts...) {
		content, err := os.ReadFile(filepath.Join("..", "..", name))
		ztest.Must(t, err)
		ztest.WriteFile(t, filepath.Join(dir, name), string(content))
	}
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	ztest.Must(t, err)
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "bin" {
			ztest.Must(t, os.CopyFS(filepath.Join(dir, e.Name()), os.DirFS(filepath.Join("..", "..", e.Name()))))
		}
	}
	return dir
}

// dist runs dist on a copy of the source, and returns its output directory.
func dist(t *testing.T, platforms ...string) string {
	t.Helper()
	program, err := os.Executable()
	ztest.Must(t, err)
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.CommandContext(t.Context(), program, append([]string{"-version", "1.2.3", "-o", out}, platforms...)...)
	cmd.Dir = copySource(t)
	cmd.Env = append(os.Environ(), asDist+"=1", "SOURCE_DATE_EPOCH=1764000000")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return out
}

// TestSameBytesUnraced builds archives in two directories and compares them.
func TestSameBytesUnraced(t *testing.T) {
	ztest.Unraced(t) // compressing takes minutes with it
	t.Parallel()
	if testing.Short() {
		t.Skip("builds programs for two platforms")
	}
	one, two := dist(t, "linux/amd64", "windows/amd64"), dist(t, "linux/amd64", "windows/amd64")
	checkSums(t, one)
	archive := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(one, name))
		ztest.Must(t, err)
		again, err := os.ReadFile(filepath.Join(two, name))
		ztest.Must(t, err)
		if !bytes.Equal(content, again) {
			t.Errorf("two directories gave different archives %s", name)
		}
		return content
	}
	tarball, zipped := archive("zcurve-1.2.3-linux-amd64.tar.gz"), archive("zcurve-1.2.3-windows-amd64.zip")
	want := []string{
		"CHANGELOG.md 644", "LICENSE 644", "README.md 644",
		"completion/zauth.bash 644", "completion/zauth.fish 644", "completion/zauth.zsh 644",
		"completion/zcert.bash 644", "completion/zcert.fish 644", "completion/zcert.zsh 644",
		"man/zauth.1 644", "man/zcert.1 644", "zauth 755", "zcert 755",
	}
	if diff := cmp.Diff(want, withoutSubcommands(tarNames(t, tarball))); diff != "" {
		t.Errorf("tar.gz (-want +got):\n%s", diff)
	}
	for i := range want { // a zip has no modes
		want[i], _, _ = strings.Cut(want[i], " ")
	}
	want[11], want[12] = "zauth.exe", "zcert.exe"
	if diff := cmp.Diff(want, withoutSubcommands(zipNames(t, zipped))); diff != "" {
		t.Errorf("zip (-want +got):\n%s", diff)
	}
}

// checkSums compares SHA256SUMS with the files.
func checkSums(t *testing.T, dir string) {
	t.Helper()
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	ztest.Must(t, err)
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		content, err := os.ReadFile(filepath.Join(dir, name))
		ztest.Must(t, err)
		if got := fmt.Sprintf("%x", sha256.Sum256(content)); got != sum {
			t.Errorf("checksum of %s is %s, not %s", name, got, sum)
		}
	}
}

// withoutSubcommands removes the manual pages of subcommands and of file formats, and
// sorts the rest.
func withoutSubcommands(names []string) []string {
	names = slices.DeleteFunc(names, func(name string) bool {
		page, isPage := strings.CutPrefix(name, "man/")
		page, _, _ = strings.Cut(page, " ")
		return isPage && page != "zcert.1" && page != "zauth.1"
	})
	slices.Sort(names)
	return names
}

// tarNames lists the files of a tar.gz below its folder, with their modes.
func tarNames(t *testing.T, archive []byte) (names []string) {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(archive))
	ztest.Must(t, err)
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		ztest.Must(t, err)
		if h.Uid != 0 || h.Uname != "" || h.ModTime.Unix() != 1764000000 {
			t.Errorf("%s belongs to %d %s, and is of %v", h.Name, h.Uid, h.Uname, h.ModTime)
		}
		names = append(names, fmt.Sprintf("%s %o", strings.TrimPrefix(h.Name, "zcurve-1.2.3-linux-amd64/"), h.Mode))
	}
}

// zipNames lists the files of a zip below its folder.
func zipNames(t *testing.T, archive []byte) (names []string) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	ztest.Must(t, err)
	for _, f := range r.File {
		if f.Modified.Unix() != 1764000000 {
			t.Errorf("%s is of %v", f.Name, f.Modified)
		}
		names = append(names, strings.TrimPrefix(f.Name, "zcurve-1.2.3-windows-amd64/"))
	}
	return names
}

func TestWrongArguments(t *testing.T) {
	t.Parallel()
	for _, platforms := range [][]string{nil, {"linux"}} {
		if err := run(t.Context(), t.TempDir(), "1", platforms); err == nil {
			t.Errorf("platforms %q: no error", platforms)
		}
	}
}
