// Dist builds zcert and zauth for several platforms and packs each pair, with manual
// pages, shell completion and license, into an archive: tar.gz, or zip for Windows.
// Their checksums go to SHA256SUMS.
//
//	go run ./internal/dist -o bin/dist -version 1.2.3 linux/amd64 windows/amd64
//
// The same source gives the same bytes, in every directory: archives contain no owners,
// and all files have the time in SOURCE_DATE_EPOCH.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

var programs = []string{"zcert", "zauth"}

// texts are copied unchanged into each archive.
var texts = []string{"LICENSE", "README.md", "CHANGELOG.md"}

func main() {
	out := flag.String("o", "bin/dist", "write the archives to `DIR`")
	version := flag.String("version", "dev", "put `VERSION` in the names of the archives")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out, *version, flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "dist: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, version string, platforms []string) error {
	if len(platforms) == 0 {
		return errors.New("no platforms: expected OS/ARCH, such as linux/amd64")
	}
	for _, platform := range platforms {
		if !strings.Contains(platform, "/") {
			return fmt.Errorf("platform %q: expected OS/ARCH, such as linux/amd64", platform)
		}
	}
	when, err := epoch()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "dist-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	common, err := commonFiles(ctx, dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var sums bytes.Buffer
	for _, platform := range platforms {
		goos, goarch, _ := strings.Cut(platform, "/")
		files := append([]file{}, common...)
		for _, name := range programs {
			path, err := build(ctx, dir, name, goos, goarch)
			if err != nil {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files = append(files, file{filepath.Base(path), content, 0o755})
		}
		folder := fmt.Sprintf("zcurve-%s-%s-%s", version, goos, goarch)
		name, pack := folder+".tar.gz", tarball
		if goos == "windows" {
			name, pack = folder+".zip", zipped
		}
		archive, err := pack(folder, files, when)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, name), archive, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(archive), name)
		fmt.Println(filepath.Join(out, name))
	}
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), sums.Bytes(), 0o644)
}

// epoch returns the time of the files in the archives. A zip cannot hold a time before
// the default.
func epoch() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// build builds a program below dir, unless it has done so before, and returns the path of
// the executable.
func build(ctx context.Context, dir, name, goos, goarch string) (path string, err error) {
	path = filepath.Join(dir, goos+"-"+goarch, name)
	if goos == "windows" {
		path += ".exe"
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-w", "-o", path, "./cmd/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s for %s/%s: %w\n%s", name, goos, goarch, err, output)
	}
	return path, nil
}

// commonFiles returns the files that are the same on all platforms. It runs the programs,
// which it builds for this platform.
func commonFiles(ctx context.Context, dir string) (files []file, err error) {
	for _, name := range texts {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name, content, 0o644})
	}
	man := filepath.Join(dir, "man")
	for _, name := range programs {
		path, err := build(ctx, dir, name, runtime.GOOS, runtime.GOARCH)
		if err != nil {
			return nil, err
		}
		if output, err := exec.CommandContext(ctx, path, "man", man).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("manual pages of %s: %w\n%s", name, err, output)
		}
		for _, shell := range []string{"bash", "zsh", "fish"} {
			script, err := exec.CommandContext(ctx, path, "completion", shell).Output()
			if err != nil {
				return nil, fmt.Errorf("completion of %s for %s: %w", name, shell, err)
			}
			files = append(files, file{"completion/" + name + "." + shell, script, 0o644})
		}
	}
	err = fs.WalkDir(os.DirFS(man), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(man, path))
		files = append(files, file{"man/" + path, content, 0o644})
		return err
	})
	return files, err
}
