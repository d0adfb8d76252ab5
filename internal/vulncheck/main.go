// Vulncheck looks for known vulnerabilities that reach this module's code, with the
// Go version that go.mod asks for.
//
//	go run ./internal/vulncheck [packages]
//
// The database is the newest version of the module golang.org/x/vulndb, from a module
// proxy or, without one, from the module cache: so it works offline, and no one learns
// what it looks for. It prints how old the database is. It exits with govulncheck's
// exit code, which is not 0 if there are findings.
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

// govulncheck is pinned, so that only the database and the code decide what it finds.
// It is no tool of go.mod: there it would raise the versions of what zcurve itself and
// programs that import it are built with.
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
		os.Exit(max(exit.ExitCode(), 1)) // it has said why
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
}

// check prints how old the database is, and what govulncheck finds.
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

	// Outside of this module, whose go.mod and go.sum stay as they are.
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

// age says how old a database is.
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
	env []string // besides this process's
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

// read decodes what it prints in JSON.
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
