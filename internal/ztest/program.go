package ztest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofrs/flock"
)

// programs is the environment variable with the directory of the programs. make test and
// make stress set it, so that all packages share one directory.
const programs = "ZCURVE_TEST_PROGRAMS"

// M is a *testing.M whose tests may ask for programs.
type M struct{ tests interface{ Run() int } }

// WithPrograms wraps m for a package's TestMain if its tests call [GoProgram] or
// [CProgram]. testscript accepts the result, too.
func WithPrograms(m *testing.M) M { return M{m} }

// Run runs the tests, with the default sockets of zauth serve turned off. Afterwards, it removes the directory of the programs if it has created it.
func (m M) Run() int {
	// Each zauth would use the same sockets for its operator, and warn about them.
	os.Setenv("ZAUTH_CONTROL", "none")
	os.Setenv("ZAUTH_PUBLISH", "none")
	if os.Getenv(programs) == "" {
		dir, err := os.MkdirTemp("", "zcurve-programs-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		os.Setenv(programs, dir)
	}
	return m.tests.Run()
}

// GoProgram builds the command in a directory of this module, such as "cmd/zcert", with
// the variables added to the environment, and without the race detector. It returns the
// path of the executable, which is in its own directory and has the name of the command.
// Each program is built once, for the first caller.
func GoProgram(t testing.TB, folder string, env ...string) string {
	t.Helper()
	return program(t, filepath.Join(folder, filepath.Base(folder)), env, "go", "build", "-o", "OUT", "./"+folder)
}

// CProgram compiles a C source of this module, such as "examples/c/server.c", with flags
// after it, such as "-lzmq". It returns the path of the executable. Each program is built
// once, for the first caller.
func CProgram(t testing.TB, source string, flags ...string) string {
	t.Helper()
	NeedPeers(t)
	command := append([]string{"gcc", "-Wall", "-Wextra", "-Werror", "-o", "OUT", source}, flags...)
	return program(t, strings.TrimSuffix(source, ".c"), []string{"LC_ALL=C"}, command...)
}

// program runs a command in the module's root, unless the executable name exists in the
// directory of the programs. OUT in the command is replaced with the path of the
// executable.
func program(t testing.TB, name string, env []string, command ...string) string {
	t.Helper()
	dir := os.Getenv(programs)
	if dir == "" {
		t.Fatal("TestMain has to run ztest.WithPrograms")
	}
	// A program that is built in another way is a different program.
	way := sha256.Sum256(fmt.Appendf(nil, "%q %q", env, command))
	path := filepath.Join(dir, hex.EncodeToString(way[:4]), filepath.FromSlash(name))
	Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	lock := flock.New(path + ".lock")
	Must(t, lock.Lock())
	defer lock.Unlock()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		Must(t, err)
		return path
	}
	for i := range command {
		if command[i] == "OUT" {
			command[i] = path + ".new"
		}
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = Root(t)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", command, err, out)
	}
	Must(t, os.Rename(path+".new", path))
	return path
}

// Root returns the root directory of this module.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	Must(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod in any directory above")
		}
		dir = filepath.Dir(dir)
	}
}
