//go:build unix

package examples_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// elsewhere are the commands that run this, or that a test runs a part of: a
// quarter of an hour is too long here.
var elsewhere = map[string]bool{"make test": true, "make bench": true}

// TestDocumentedCommands runs what the README and the guide show: the console
// blocks of a file, from the first to the last, in one shell in a copy of the
// repository. What they show of the output must come in that order; other lines
// may stand between, and "…" is any text in a line. A command succeeds unless
// "(exit code 1)" or the like follows.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	for _, file := range documents(t) {
		blocks := snippets(t, file)["console"]
		if len(blocks) == 0 {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			sh := newShell(t, copyRepository(t))
			for _, s := range steps(t, otherPorts(t, strings.Join(blocks, ""))) {
				if !elsewhere[s.command] {
					sh.run(t, s)
				}
			}
		})
	}
}

// TestDocumentedUnits: zauth takes the flags that the guide's systemd units give
// it.
func TestDocumentedUnits(t *testing.T) {
	t.Parallel()
	units := snippets(t, "../docs/zauth.md")["ini"]
	lines := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/zauth (.*)$`).FindAllStringSubmatch(strings.Join(units, ""), -1)
	if len(units) == 0 || len(lines) != len(units) {
		t.Fatalf("%d units start zauth %d times", len(units), len(lines))
	}
	for _, line := range lines {
		words := append(strings.Fields("zauth "+line[1]), "--help")
		if out, err := command(t.Context(), words...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", words, err, out)
		}
	}
}

// step is a command with lines of its output and its exit code.
type step struct {
	command string
	want    []string
	code    int
}

var exitCode = regexp.MustCompile(`^\(exit code (\d+)\)$`)

// steps reads a transcript.
func steps(t *testing.T, transcript string) (steps []step) {
	t.Helper()
	for line := range strings.Lines(transcript) {
		line = strings.TrimRight(line, "\n")
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case isCommand:
			steps = append(steps, step{command: command})
		case strings.HasPrefix(line, "> ") && len(steps) > 0 && strings.Contains(steps[len(steps)-1].command, "<<"):
			steps[len(steps)-1].command += "\n" + strings.TrimPrefix(line, "> ")
		case len(steps) == 0:
			t.Fatalf("output without a command: %q", line)
		case exitCode.MatchString(line):
			steps[len(steps)-1].code, _ = strconv.Atoi(exitCode.FindStringSubmatch(line)[1])
		default:
			last := &steps[len(steps)-1]
			last.want = append(last.want, line)
		}
	}
	return steps
}

// otherPorts replaces the ports in a text by some that are free here.
func otherPorts(t *testing.T, text string) string {
	t.Helper()
	var pairs []string
	for _, address := range regexp.MustCompile(`127\.0\.0\.1:\d+`).FindAllString(text, -1) {
		if slices.Contains(pairs, address) {
			continue
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close() // when all are chosen, lest one is chosen twice
		pairs = append(pairs, address, ln.Addr().String())
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// copyRepository copies what a clone holds, and returns where to.
func copyRepository(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == ".git" || e.Name() == "bin" {
			continue
		}
		from, to := filepath.Join("..", e.Name()), filepath.Join(dir, e.Name())
		if e.IsDir() {
			err = os.CopyFS(to, os.DirFS(from))
		} else {
			var text []byte
			if text, err = os.ReadFile(from); err == nil {
				err = os.WriteFile(to, text, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shell is a bash that runs until the test ends, with all that it has started.
type shell struct {
	stdin *os.File
	lines chan string // of stdout and stderr of everything
}

// newShell starts a shell in dir. It finds zcert and zauth.
func newShell(t *testing.T, dir string) *shell {
	t.Helper()
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash")
	cmd.Dir = dir
	// Unbuffered, Python would write its lines in pieces, with those of others
	// between.
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "PYTHONUNBUFFERED=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, outW
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inR.Close()
	outW.Close()
	sh := &shell{stdin: inW, lines: make(chan string, 1000)}
	go func() {
		defer close(sh.lines)
		for in := bufio.NewScanner(outR); in.Scan(); {
			sh.lines <- in.Text()
		}
	}()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		for range sh.lines { // until everything that could write is gone
		}
		inW.Close()
		outR.Close()
	})
	return sh
}

// matches reports whether a line is the one that is shown.
func matches(line, shown string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(shown), "…", ".*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(line)
}

// ended is what the shell says after a command, with its exit code.
const ended = "--- ended: "

// run runs a command and waits for its output, and for its end where it isn't
// in the background.
func (sh *shell) run(t *testing.T, s step) {
	t.Helper()
	if _, err := fmt.Fprintf(sh.stdin, "{ %s\n} </dev/null\necho '%s'$?\n", s.command, ended); err != nil {
		t.Fatal(err)
	}
	background := strings.HasSuffix(s.command, "&")
	want, code := s.want, -1
	var out strings.Builder
	timeout := time.After(2 * time.Minute)
	for code == -1 || len(want) > 0 && background {
		select {
		case line, ok := <-sh.lines:
			if !ok {
				t.Fatalf("$ %s\n%sand the shell ended", s.command, out.String())
			}
			if n, ok := strings.CutPrefix(line, ended); ok {
				code, _ = strconv.Atoi(n)
				continue
			}
			fmt.Fprintln(&out, line)
			if len(want) > 0 && matches(line, want[0]) {
				want = want[1:]
			}
		case <-timeout:
			t.Fatalf("$ %s\n%sand no more in two minutes; want %q", s.command, out.String(), want)
		}
	}
	if len(want) > 0 || code != s.code {
		t.Fatalf("$ %s\n%sexit code %d; want %d, and %q", s.command, out.String(), code, s.code, want)
	}
}
