package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A suite is the tests of a package, run in one way.
type suite struct {
	name string   // for people
	dir  string   // the package's directory
	argv []string // the test binary and its flags
	env  []string

	running bool
	spent   time.Duration
	runs    int
	failed  int
	tests   map[string]int // number of failures of each test
}

// unraced matches the tests that skip themselves under the race detector, because they
// count allocations or would be slow. See ztest.Unraced.
const unraced = "Alloc|Unraced"

// build compiles the tests of the packages into a directory.
func build(ctx context.Context, dir string, patterns []string) (suites []*suite, err error) {
	list, err := output(ctx, "", append([]string{"go", "list", "-f",
		"{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}\t{{.Dir}}{{end}}"}, patterns...)...)
	if err != nil {
		return nil, err
	}
	// Helper programs are built once, as under make test. The directory also receives the
	// files that killed tests leave behind. Its path is short, because the paths of
	// sockets must be.
	env := []string{"ZCURVE_TEST_PROGRAMS=" + filepath.Join(dir, "programs"), "TMPDIR=" + dir}
	for i, line := range strings.Split(strings.TrimSpace(list), "\n") {
		path, folder, ok := strings.Cut(line, "\t")
		if !ok {
			continue // has no tests
		}
		fmt.Println("building", path)
		raced, plain := filepath.Join(dir, fmt.Sprint(i, ".race.test")), filepath.Join(dir, fmt.Sprint(i, ".test"))
		if _, err := output(ctx, "", "go", "test", "-race", "-c", "-o", raced, path); err != nil {
			return nil, err
		}
		for _, processors := range []string{"1", "4"} {
			suites = append(suites, &suite{
				name: path + ", processors: " + processors,
				dir:  folder,
				argv: []string{raced, "-test.shuffle=on", "-test.timeout=20m"},
				env:  append(env, "GOMAXPROCS="+processors),
			})
		}
		names, err := output(ctx, folder, raced, "-test.list", unraced)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(names) == "" {
			continue
		}
		if _, err := output(ctx, "", "go", "test", "-c", "-o", plain, path); err != nil {
			return nil, err
		}
		suites = append(suites, &suite{
			name: path + ", without the race detector",
			dir:  folder,
			argv: []string{plain, "-test.shuffle=on", "-test.timeout=20m", "-test.run", unraced},
			env:  env,
		})
	}
	return suites, nil
}

// output runs a command and returns its output.
func output(ctx context.Context, dir string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return string(out), nil
}
