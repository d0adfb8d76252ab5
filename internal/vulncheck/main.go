// Vulncheck looks for known vulnerabilities that affect this module's code, with the Go
// version that go.mod requires.
//
//	go run ./internal/vulncheck [packages]
//
// The database is the newest version of the module golang.org/x/vulndb, from a module
// proxy or, without one, from the module cache. It therefore works offline, and no one
// learns which modules it checks. It prints how old the database is. It exits with
// govulncheck's exit code, which is not 0 if there are findings.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// govulncheck is pinned, so that only the database and the code affect the findings. It
// is not a tool in go.mod, because there it would raise the versions of dependencies of
// zcurve and of programs that import it.
const govulncheck = "golang.org/x/vuln/cmd/govulncheck@v1.9.0"

// vulndb is the module with the database's source. The module proxy serves its newest
// version, whatever that is.
const vulndb = "golang.org/x/vulndb"

func main() {
	packages := os.Args[1:]
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	err := check(os.Stdout, packages)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		os.Exit(max(exit.ExitCode(), 1)) // it has printed why
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
}

// check prints the age of the database and the findings of govulncheck.
func check(w io.Writer, packages []string) error {
	dir, err := os.MkdirTemp("", "zcurve-vulncheck-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	g := goCommand{w: w}
	var env struct{ GOPROXY, GOMODCACHE string }
	var mod struct{ Go, Toolchain string }
	if err := errors.Join(g.read(&env, "env", "-json"), g.read(&mod, "mod", "edit", "-json")); err != nil {
		return err
	}
	if mod.Toolchain == "" {
		mod.Toolchain = "go" + mod.Go
	}

	// Outside this module, whose go.mod and go.sum must not change.
	g.dir = dir
	g.env = []string{"GOFLAGS=", "GOPROXY=" + strings.ReplaceAll(env.GOPROXY, ",", "|") + "|file://" + filepath.ToSlash(env.GOMODCACHE) + "/cache/download"}
	if err := g.run("mod", "download", vulndb+"@latest"); err != nil {
		return err
	}
	var db struct {
		Version, Dir string
		Time         time.Time
	}
	if err := g.read(&db, "list", "-m", "-json", vulndb+"@latest"); err != nil {
		return err
	}
	fmt.Fprintf(w, "database %s of %s, %s\n", db.Version, db.Time.Format(time.DateOnly), age(time.Since(db.Time)))
	out := filepath.Join(dir, "db")
	if err := g.run("run", vulndb+"/cmd/indexdb@"+db.Version, "-vulns", filepath.Join(db.Dir, "data", "osv"), "-out", out); err != nil {
		return err
	}

	fmt.Fprintf(w, "checking with %s\n", mod.Toolchain)
	g.dir = ""
	g.env = append(g.env, "GOTOOLCHAIN="+mod.Toolchain)
	return g.run(slices.Concat([]string{"run", govulncheck, "-db", "file://" + filepath.ToSlash(out)}, packages)...)
}

// age returns the age of a database, as text.
func age(d time.Duration) string {
	if days := int(d / (24 * time.Hour)); days != 1 {
		return fmt.Sprintf("%d days old", days)
	}
	return "1 day old"
}

// goCommand runs the go command.
type goCommand struct {
	w   io.Writer // what it prints
	dir string
	env []string // in addition to this process's
}

func (g goCommand) command(args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Dir = g.dir
	cmd.Env = append(os.Environ(), g.env...)
	cmd.Stderr = os.Stderr
	return cmd
}

func (g goCommand) run(args ...string) error {
	cmd := g.command(args...)
	cmd.Stdout = g.w
	return cmd.Run()
}

// read decodes its output, which is JSON.
func (g goCommand) read(into any, args ...string) error {
	text, err := g.command(args...).Output()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
