// Dist makes what is released of zcert and zauth. For each platform, it packs both with
// manual pages, shell completion and licenses into an archive: tar.gz, or zip for Windows.
// For Linux, it also makes a Debian package of each tool. A software bill of materials
// (SBOM, in CycloneDX's JSON) lists the modules of each platform. The checksums of all
// go to SHA256SUMS.
//
//	go run -C internal/dist . -version 1.2.3 linux/amd64 windows/amd64
//
// The same source gives the same bytes, in every directory: nothing contains owners or
// paths, and all files have the time in SOURCE_DATE_EPOCH.
//
// Dist is a module of its own, so that the libraries that it packs with are no
// dependencies of zcurve.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// programs are released. Each is a folder of cmd.
var programs = []string{"zcert", "zauth"}

// texts are copied unchanged into each archive.
var texts = []string{"LICENSE", "README.md", "CHANGELOG.md"}

func main() {
	source := flag.String("source", "../..", "build the repository in `DIR`")
	out := flag.String("o", "bin/dist", "write to `DIR`, relative to the repository")
	version := flag.String("version", "dev", "release as `VERSION`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := os.Chdir(*source)
	if err == nil {
		err = run(ctx, *out, strings.TrimPrefix(*version, "v"), flag.Args())
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "dist: %v\n", err)
		os.Exit(1)
	}
}

// run releases the repository in the working directory.
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
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	r := &release{version: version, when: when, dir: dir, out: out}
	if err := r.describe(ctx); err != nil {
		return err
	}
	for _, platform := range platforms {
		if err := r.platform(ctx, platform); err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
	}
	slices.SortFunc(r.sums, func(a, b string) int { return strings.Compare(a[sha256.Size*2:], b[sha256.Size*2:]) })
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(strings.Join(r.sums, "")), 0o644)
}

// epoch returns the time of all files. A zip cannot hold a time before the default.
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

// release makes the files of one version.
type release struct {
	version  string    // such as 1.2.3
	when     time.Time // of all files
	dir      string    // for what is built on the way
	out      string
	tools    []tool // what is the same on all platforms
	licenses licenses
	sums     []string // lines of SHA256SUMS
}

// platform makes the archive, the SBOM and the Debian packages for a platform, OS/ARCH.
func (r *release) platform(ctx context.Context, platform string) error {
	goos, goarch, _ := strings.Cut(platform, "/")
	built := map[string]*program{}
	for _, t := range r.tools {
		p, err := r.build(ctx, t.name, goos, goarch)
		if err != nil {
			return err
		}
		built[t.name] = p
	}
	modules, err := r.licenses.modules(ctx, built)
	if err != nil {
		return err
	}
	files, err := r.files(built, modules)
	if err != nil {
		return err
	}
	folder := fmt.Sprintf("zcurve-%s-%s-%s", r.version, goos, goarch)
	name, pack := folder+".tar.gz", tarball
	if goos == "windows" {
		name, pack = folder+".zip", zipped
	}
	archive, err := pack(folder, files, r.when)
	if err != nil {
		return err
	}
	if err := r.write(name, archive); err != nil {
		return err
	}
	bill, err := r.sbom(platform, built, modules)
	if err != nil {
		return err
	}
	if err := r.write(folder+".cdx.json", bill); err != nil {
		return err
	}
	if goos != "linux" {
		return nil
	}
	for _, t := range r.tools {
		name, content, err := r.deb(ctx, t, built[t.name], goarch)
		if err != nil {
			return fmt.Errorf("package %s: %w", t.name, err)
		}
		if err := r.write(name, content); err != nil {
			return err
		}
	}
	return nil
}

// write writes a file of the release, and says so.
func (r *release) write(name string, content []byte) error {
	if err := os.WriteFile(filepath.Join(r.out, name), content, 0o644); err != nil {
		return err
	}
	r.sums = append(r.sums, fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name))
	fmt.Println(filepath.Join(r.out, name))
	return nil
}

// files are the files of an archive.
func (r *release) files(built map[string]*program, modules []*module) (files []file, err error) {
	for _, name := range texts {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name, content, 0o644})
	}
	var b bytes.Buffer
	writeLicenses(&b, modules)
	files = append(files, file{"THIRD-PARTY-LICENSES", b.Bytes(), 0o644})
	for _, t := range r.tools {
		files = append(files, file{filepath.Base(built[t.name].path), built[t.name].content, 0o755})
		for name, page := range t.pages {
			files = append(files, file{"man/" + name, page, 0o644})
		}
		for shell, script := range t.completion {
			files = append(files, file{"completion/" + t.name + "." + shell, script, 0o644})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files, nil
}
