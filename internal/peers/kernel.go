package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
)

// kernel is the Jupyter kernel of a program, which its own tests do not start.
type kernel struct {
	args []string
	cell string // to run, prints "hello"
	tool string // module with a program that the kernel starts
}

//go:embed kernel.py
var driver string

// python is Debian's, which has the modules of Debian's packages.
const python = "/usr/bin/python3"

// drive runs the Jupyter kernel in dir as a notebook does. The result is that of one test.
func (r *runner) drive(ctx context.Context, p program, dir string) (tests, error) {
	const name = "jupyter_client"
	if r.run(ctx, dir, python, "-c", "import "+name) != nil {
		fmt.Fprintln(os.Stderr, p.name+": not driven: needs Debian's package python3-jupyter-client")
		return tests{skipped: 1}, nil
	}
	bin := filepath.Join(r.dir, "bin")
	if p.kernel.tool != "" {
		c := r.command(ctx, r.dir, "go", "install", p.kernel.tool)
		c.Env = append(c.Env, "GOBIN="+bin)
		if out, err := c.CombinedOutput(); err != nil {
			return tests{}, fmt.Errorf("go install %s: %w\n%s", p.kernel.tool, err, out)
		}
	}
	args := append([]string{"-c", driver, p.kernel.cell, "hello", filepath.Join(dir, kernelFile)}, p.kernel.args...)
	c := r.command(ctx, r.dir, python, args...)
	c.Env = append(c.Env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"JUPYTER_RUNTIME_DIR="+filepath.Join(r.dir, "jupyter"))
	if out, err := c.CombinedOutput(); err != nil {
		os.Stderr.Write(out)
		return tests{failures: []string{name}}, ctx.Err()
	}
	return tests{passed: 1}, nil
}
