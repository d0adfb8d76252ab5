// Peers builds public programs that use github.com/go-zeromq/zmq4, and go-zeromq's own
// tests, with sockets/zmq4 in its place, and runs their tests of sockets.
//
//	go run ./internal/peers [-go-zeromq] [-keep] [-run NAME]
//
// It fetches modules with the go command, and what no module proxy has with git. It
// needs the network, and up to ten minutes for each program the first time. It works in
// a folder of its own, and writes nothing into this repository.
//
// It prints a table in Markdown. It exits with 1 if a program does not build or a test
// fails, unless the list of known failures has a reason for it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	var r runner
	flag.BoolVar(&r.original, "go-zeromq", false, "use go-zeromq/zmq4 itself, for comparison")
	flag.BoolVar(&r.race, "race", false, "build the tests with the race detector")
	keep := flag.Bool("keep", false, "keep the folder with the changed sources")
	only := flag.String("run", "", "run only the program with this `NAME`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok, err := r.all(ctx, *only, *keep)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// runner tests programs, one after the other.
type runner struct {
	original, race bool
	root           string // of this repository
	dir            string // for the changed sources
}

// all tests the program with this name, or all if it is empty, and prints the results.
// It reports if there are only known failures.
func (r *runner) all(ctx context.Context, only string, keep bool) (bool, error) {
	chosen := choose(programs, only)
	if len(chosen) == 0 {
		return false, fmt.Errorf("unknown program %q: must be one of %s", only, strings.Join(names(programs), ", "))
	}
	mod, err := r.command(ctx, ".", "go", "env", "GOMOD").Output()
	if err != nil {
		return false, fmt.Errorf("looking for go.mod: %w", err)
	}
	r.root = filepath.Dir(strings.TrimSpace(string(mod)))
	if r.dir, err = os.MkdirTemp("", "zcurve-peers-"); err != nil {
		return false, err
	}
	if keep {
		fmt.Fprintln(os.Stderr, "sources:", r.dir)
	} else {
		defer os.RemoveAll(r.dir)
	}
	var results []result
	for _, p := range chosen {
		fmt.Fprintln(os.Stderr, "testing", p.name, p.version)
		began := time.Now()
		res := r.one(ctx, p)
		res.took = time.Since(began)
		if res.err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", p.name, res.err)
		}
		os.Stderr.Write(res.output)
		results = append(results, res)
	}
	os.Stdout.WriteString(table(results))
	for _, res := range results {
		if len(res.unexplained()) > 0 {
			return false, ctx.Err()
		}
	}
	return true, ctx.Err()
}

// patience bounds each command. The first build of the largest program takes ten
// minutes on two cores.
const patience = 30 * time.Minute

// one fetches, changes, builds and tests a program.
func (r *runner) one(ctx context.Context, p program) result {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	res := result{program: p}
	dir := filepath.Join(r.dir, p.name)
	if res.err = r.fetch(ctx, p, dir); res.err != nil {
		return res
	}
	dir = filepath.Join(dir, filepath.FromSlash(p.dir))
	if res.err = r.change(ctx, p, dir); res.err != nil {
		return res
	}
	if res.err = r.run(ctx, dir, "go", p.build...); res.err != nil {
		return res
	}
	res.built = true
	if p.test != nil {
		r.test(ctx, dir, &res)
	}
	if p.kernel != nil && res.err == nil {
		var driven tests
		driven, res.err = r.drive(ctx, p, dir)
		res.tests.add(driven)
	}
	return res
}

// test runs the tests of a program.
func (r *runner) test(ctx context.Context, dir string, res *result) {
	// go vet objects to older programs, whose go.mod now requires Go 1.26.
	args := []string{"test", "-json", "-count=1", "-vet=off"}
	if r.race {
		args = append(args, "-race")
	}
	c := r.command(ctx, dir, "go", append(args, res.program.test...)...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	res.tests, res.output = parse(out)
	if err != nil && !res.failed() {
		res.err = fmt.Errorf("go test: %w", err)
	}
}

// run runs a command. Its error has what the command printed.
func (r *runner) run(ctx context.Context, dir, name string, args ...string) error {
	out, err := r.command(ctx, dir, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// command returns a command that may change go.mod and go.sum in its folder. When ctx
// ends, it gets an interrupt, so that go test can end the programs that it has started.
func (r *runner) command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOFLAGS=-mod=mod -trimpath -buildvcs=false", "GOWORK=off")
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	return c
}
