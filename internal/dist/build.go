package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// module is the path of zcurve's module.
const modulePath = "github.com/zcurve/zcurve"

// tool is a program with what is the same on all platforms.
type tool struct {
	name       string
	pages      map[string][]byte // manual pages by file name, such as zauth-serve.1
	completion map[string][]byte // scripts by shell
}

// program is a tool built for a platform.
type program struct {
	path    string
	content []byte
	info    *buildinfo.BuildInfo
}

// describe runs the tools, built for this platform, for their manual pages and completion.
func (r *release) describe(ctx context.Context) error {
	for _, name := range programs {
		p, err := r.build(ctx, name, runtime.GOOS, runtime.GOARCH)
		if err != nil {
			return err
		}
		t := tool{name, map[string][]byte{}, map[string][]byte{}}
		man := filepath.Join(r.dir, "man", name)
		if output, err := exec.CommandContext(ctx, p.path, "man", man).CombinedOutput(); err != nil {
			return fmt.Errorf("manual pages of %s: %w\n%s", name, err, output)
		}
		pages, err := os.ReadDir(man)
		if err != nil {
			return err
		}
		for _, page := range pages {
			if t.pages[page.Name()], err = os.ReadFile(filepath.Join(man, page.Name())); err != nil {
				return err
			}
		}
		for _, shell := range []string{"bash", "zsh", "fish"} {
			if t.completion[shell], err = exec.CommandContext(ctx, p.path, "completion", shell).Output(); err != nil {
				return fmt.Errorf("completion of %s for %s: %w", name, shell, err)
			}
		}
		r.tools = append(r.tools, t)
	}
	return nil
}

// build builds a program, unless it has done so before. The program does not depend on
// git, so that an archive of the source gives the same bytes as a clone. Dist tells it
// the version instead.
func (r *release) build(ctx context.Context, name, goos, goarch string) (*program, error) {
	path := filepath.Join(r.dir, goos+"-"+goarch, name)
	if goos == "windows" {
		path += ".exe"
	}
	if _, err := os.Stat(path); err != nil {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
			"-ldflags=-w -X "+modulePath+"/internal/cli.released=v"+r.version, "-o", path, "./cmd/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
		if output, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building %s for %s/%s: %w\n%s", name, goos, goarch, err, output)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.ReadFile(path)
	return &program{path, content, info}, err
}
