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
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// root is the repository.
const root = "../.."

// copySource copies the source to a new directory, with different times and without .git.
func copySource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	entries, err := os.ReadDir(root)
	must(t, err)
	for _, e := range entries {
		from, to := filepath.Join(root, e.Name()), filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."), e.Name() == "bin":
		case e.IsDir():
			must(t, os.CopyFS(to, os.DirFS(from)))
		default:
			content, err := os.ReadFile(from)
			must(t, err, os.WriteFile(to, content, 0o600))
		}
	}
	return dir
}

// dist releases the source in a directory, and returns its output directory.
func dist(t *testing.T, source, version string, platforms ...string) string {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.CommandContext(t.Context(), program, append([]string{"-source", source, "-version", version, "-o", out}, platforms...)...)
	cmd.Env = append(os.Environ(), asDist+"=1", "SOURCE_DATE_EPOCH=1764000000")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return out
}

// TestRelease releases two copies of the repository, compares them, and looks at what is
// in them.
func TestRelease(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds programs for two platforms")
	}
	platforms := []string{"linux/amd64", "windows/amd64"}
	one, two := dist(t, copySource(t), "v1.2.3", platforms...), dist(t, copySource(t), "1.2.3", platforms...)
	t.Run("SameBytes", func(t *testing.T) {
		names := sums(t, one)
		want := []string{
			"zauth_1.2.3_amd64.deb", "zcert_1.2.3_amd64.deb",
			"zcurve-1.2.3-linux-amd64.cdx.json", "zcurve-1.2.3-linux-amd64.tar.gz",
			"zcurve-1.2.3-windows-amd64.cdx.json", "zcurve-1.2.3-windows-amd64.zip",
		}
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(names))); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		for _, name := range append(names, "SHA256SUMS") {
			if !bytes.Equal(read(t, one, name), read(t, two, name)) {
				t.Errorf("two directories gave different bytes of %s", name)
			}
		}
	})
	t.Run("Archives", func(t *testing.T) { testArchives(t, one) })
	t.Run("Packages", func(t *testing.T) { testPackages(t, one) })
	t.Run("SBOM", func(t *testing.T) { testSBOM(t, one) })
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	must(t, err)
	return content
}

// sums compares SHA256SUMS with the files, and returns their names.
func sums(t *testing.T, dir string) (names []string) {
	t.Helper()
	for line := range strings.Lines(string(read(t, dir, "SHA256SUMS"))) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if got := fmt.Sprintf("%x", sha256.Sum256(read(t, dir, name))); got != sum {
			t.Errorf("checksum of %s is %s, not %s", name, got, sum)
		}
		names = append(names, name)
	}
	return names
}

func testArchives(t *testing.T, dir string) {
	plain, err := gzip.NewReader(bytes.NewReader(read(t, dir, "zcurve-1.2.3-linux-amd64.tar.gz")))
	must(t, err)
	want := []string{
		"CHANGELOG.md 644", "LICENSE 644", "README.md 644", "THIRD-PARTY-LICENSES 644",
		"completion/zauth.bash 644", "completion/zauth.fish 644", "completion/zauth.zsh 644",
		"completion/zcert.bash 644", "completion/zcert.fish 644", "completion/zcert.zsh 644",
		"man/zauth.1 644", "man/zcert.1 644", "zauth 755", "zcert 755",
	}
	var got []string
	for _, f := range tarFiles(t, plain) {
		got = append(got, strings.TrimPrefix(f.name, "zcurve-1.2.3-linux-amd64/")+fmt.Sprintf(" %o", f.mode))
	}
	if diff := cmp.Diff(want, withoutSubcommands(got)); diff != "" {
		t.Errorf("tar.gz (-want +got):\n%s", diff)
	}
	for i := range want { // a zip has no modes
		want[i], _, _ = strings.Cut(want[i], " ")
	}
	want[12], want[13] = "zauth.exe", "zcert.exe"
	if diff := cmp.Diff(want, withoutSubcommands(zipNames(t, read(t, dir, "zcurve-1.2.3-windows-amd64.zip")))); diff != "" {
		t.Errorf("zip (-want +got):\n%s", diff)
	}
}

// withoutSubcommands removes the manual pages of subcommands and of file formats, and
// sorts the rest.
func withoutSubcommands(names []string) []string {
	names = slices.DeleteFunc(names, func(name string) bool {
		_, page, isPage := strings.Cut(name, "man/")
		page, _, _ = strings.Cut(path.Base(page), ".")
		return isPage && page != "zcert" && page != "zauth"
	})
	slices.Sort(names)
	return names
}

// tarFiles returns the files of a tar, with the mode fs.ModeDir for directories. All
// must belong to root, and have the time of the release.
func tarFiles(t *testing.T, archive io.Reader) (files []file) {
	t.Helper()
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		must(t, err)
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" && h.Uname != "root" || h.Gname != "" && h.Gname != "root" || h.ModTime.Unix() != 1764000000 {
			t.Errorf("%s belongs to %d %s and %d %s, and is of %v", h.Name, h.Uid, h.Uname, h.Gid, h.Gname, h.ModTime)
		}
		content, err := io.ReadAll(r)
		must(t, err)
		files = append(files, file{h.Name, content, h.Mode})
	}
}

// zipNames lists the files of a zip below its folder.
func zipNames(t *testing.T, archive []byte) (names []string) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	must(t, err)
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
