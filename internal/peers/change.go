package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	theirs = "github.com/go-zeromq/zmq4"
	ours   = "github.com/zcurve/zcurve"
)

// fetch puts the sources of a program into dir.
func (r *runner) fetch(ctx context.Context, p program, dir string) error {
	if p.git != "" {
		return errors.Join(r.run(ctx, r.dir, "git", "clone", "-q", "--no-checkout", p.git, dir),
			r.run(ctx, r.dir, "git", "-C", dir, "checkout", "-q", p.version))
	}
	out, err := r.command(ctx, r.dir, "go", "mod", "download", "-json", p.module+"@"+p.version).Output()
	var mod struct{ Dir, Error string }
	if bad := json.Unmarshal(out, &mod); mod.Error != "" {
		return fmt.Errorf("go mod download: %s", mod.Error)
	} else if err = errors.Join(err, bad); err != nil {
		return fmt.Errorf("go mod download: %w", err)
	}
	return os.CopyFS(dir, os.DirFS(mod.Dir))
}

// change makes the module in dir import sockets/zmq4 of this repository.
func (r *runner) change(ctx context.Context, p program, dir string) error {
	if p.raise != "" {
		if err := r.run(ctx, dir, "go", "get", p.raise); err != nil {
			return err
		}
	}
	if p.external {
		if err := keepExternal(dir); err != nil {
			return err
		}
		edit := []string{"mod", "edit", "-module=example.com/" + p.name}
		if r.original {
			edit = append(edit, "-require="+p.module+"@"+p.version)
		}
		if err := r.run(ctx, dir, "go", edit...); err != nil {
			return err
		}
	}
	if r.original {
		return nil
	}
	err := eachGo(dir, func(name string, source []byte) error {
		changed := swap(string(source))
		if changed == string(source) {
			return nil
		}
		return os.WriteFile(name, []byte(changed), 0o666)
	})
	if err != nil {
		return err
	}
	return errors.Join(
		r.run(ctx, dir, "go", "mod", "edit", "-replace="+ours+"="+r.root, "-require="+ours+"@v0.0.0"),
		r.run(ctx, dir, "go", "get", ours+"@v0.0.0"), // raises go.mod's version of Go
	)
}

// swap changes imports of go-zeromq/zmq4 and its packages to those of sockets/zmq4.
func swap(source string) string {
	for _, end := range []string{`"`, "/security/", "/transport\""} {
		source = strings.ReplaceAll(source, `"`+theirs+end, `"`+ours+"/sockets/zmq4"+end)
	}
	return source
}

// logger is for external tests, which use one of the internal tests.
const logger = `package zmq4_test

import (
	"io"
	"log"
)

var devnull = log.New(io.Discard, "", 0)
`

// keepExternal removes the Go files from go-zeromq's module that are not external
// tests, and the packages that only its own module can import.
func keepExternal(dir string) error {
	if err := os.RemoveAll(filepath.Join(dir, "internal")); err != nil {
		return err
	}
	err := eachGo(dir, func(name string, source []byte) error {
		external, err := isExternal(name, source)
		switch {
		case err != nil:
			return err
		case !external:
			return os.Remove(name)
		}
		return os.WriteFile(name, []byte(strings.ReplaceAll(string(source), "zmq4.Devnull", "devnull")), 0o666)
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "devnull_test.go"), []byte(logger), 0o666)
}

// isExternal reports if a Go file tests a package from outside.
func isExternal(name string, source []byte) (bool, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.PackageClauseOnly)
	if err != nil {
		return false, err
	}
	return strings.HasSuffix(name, "_test.go") && strings.HasSuffix(file.Name.Name, "_test"), nil
}

// eachGo calls f for each Go file in dir, except in testdata.
func eachGo(dir string, f func(name string, source []byte) error) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git"):
			return filepath.SkipDir
		case !d.Type().IsRegular() || filepath.Ext(name) != ".go":
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return f(name, source)
	})
}
