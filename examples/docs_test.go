//go:build unix

package examples_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/zcurve/zcurve/internal/ztest"
)

// elsewhere lists commands that run this test, or take a quarter of an hour. Other tests
// run parts of them.
var elsewhere = map[string]bool{"make test": true, "make bench": true}

// needPeers matches commands that need libzmq, pyzmq or a C compiler.
var needPeers = regexp.MustCompile(`make demo|python3|gcc`)

// asleep matches a command that only waits.
var asleep = regexp.MustCompile(`^sleep \d+$`)

// TestDocumentedCommands runs the console blocks of the README and the guide. All
// blocks of a file run in order, in one shell, in a copy of the repository. A command
// must print the lines shown below it, in that order; it may print other lines between
// them, and "…" matches any text within a line. A command must succeed unless it ends
// with a comment such as "# exits with 1".
//
// The test does not sleep where the text tells readers to. Lines below "sleep 1" are
// awaited from the last command in the background. If there are none, each command
// in the rest of the block is repeated until it prints what is shown, so it must be
// one that may run more than once.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	for _, file := range documents(t) {
		blocks := snippets(t, file)["console"]
		if len(blocks) == 0 {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			all := strings.Join(blocks, "")
			if needPeers.MatchString(all) {
				ztest.NeedPeers(t)
			}
			addresses := otherAddresses(t, all)
			sh := newShell(t, copyRepository(t))
			for _, block := range blocks {
				slept := false
				for _, s := range steps(t, addresses.Replace(block)) {
					switch {
					case elsewhere[s.command]:
					case asleep.MatchString(s.command) && len(s.want) == 0:
						slept = true
					case asleep.MatchString(s.command):
						sh.await(t, s)
					case strings.HasSuffix(s.command, "&"):
						sh.background(t, s)
					default:
						sh.run(t, s, slept)
					}
				}
			}
		})
	}
}

// TestDocumentedUnits checks that zauth accepts the flags of its systemd unit, and of the changes
// to it in the guide.
func TestDocumentedUnits(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("../contrib/systemd/zauth.service")
	ztest.Must(t, err)
	units := append(snippets(t, "../docs/zauth.md")["ini"], string(unit))
	lines := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/zauth (.*)$`).FindAllStringSubmatch(strings.Join(units, "\n"), -1)
	if len(units) == 0 || len(lines) != len(units) {
		t.Fatalf("%d units start zauth %d times", len(units), len(lines))
	}
	for _, line := range lines {
		words := slices.Concat([]string{tool(t, "zauth")}, strings.Fields(line[1]), []string{"--help"})
		if out, err := output(t, words...); err != nil {
			t.Errorf("%v: %v\n%s", words, err, out)
		}
	}
}

// TestDocumentedManifests parses the YAML of the guide and checks that zauth accepts the
// arguments in it.
func TestDocumentedManifests(t *testing.T) {
	t.Parallel()
	var commands [][]string
	var collect func(node *yaml.Node)
	collect = func(node *yaml.Node) {
		if node.Kind == yaml.SequenceNode && len(node.Content) > 0 && node.Content[0].Value == "serve" {
			var words []string
			ztest.Must(t, node.Decode(&words))
			commands = append(commands, words)
		}
		for _, child := range node.Content {
			collect(child)
		}
	}
	for _, block := range snippets(t, "../docs/containers.md")["yaml"] {
		for decoder := yaml.NewDecoder(strings.NewReader(block)); ; {
			var document yaml.Node
			if err := decoder.Decode(&document); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, block)
			}
			collect(&document)
		}
	}
	if len(commands) != 2 {
		t.Errorf("%d commands in the YAML, want 2", len(commands))
	}
	for _, words := range commands {
		words = slices.Concat([]string{tool(t, "zauth")}, words, []string{"--help"})
		if out, err := output(t, words...); err != nil {
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

// exitCode matches the comment of a command that fails.
var exitCode = regexp.MustCompile(`\s+# exits with (\d+)$`)

// steps reads a transcript.
func steps(t *testing.T, transcript string) (steps []step) {
	t.Helper()
	for line := range strings.Lines(transcript) {
		line = strings.TrimRight(line, "\n")
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case isCommand:
			s := step{command: command}
			if m := exitCode.FindStringSubmatch(command); m != nil {
				s.command = strings.TrimSuffix(command, m[0])
				s.code, _ = strconv.Atoi(m[1])
			}
			steps = append(steps, s)
		case strings.HasPrefix(line, "> ") && len(steps) > 0 && strings.Contains(steps[len(steps)-1].command, "<<"):
			steps[len(steps)-1].command += "\n" + strings.TrimPrefix(line, "> ")
		case len(steps) == 0:
			t.Fatalf("output without a command: %q", line)
		case strings.HasPrefix(line, "(exit code"):
			t.Fatalf("%s: a shell does not print this: put \"# exits with 1\" after the command", line)
		default:
			last := &steps[len(steps)-1]
			last.want = append(last.want, line)
		}
	}
	return steps
}

// otherAddresses replaces the addresses in a document with addresses that no other
// program on this machine uses.
func otherAddresses(t *testing.T, text string) *strings.Replacer {
	t.Helper()
	if runtime.GOOS != "linux" {
		return otherPorts(t, text)
	}
	// Linux has all of 127.0.0.0/8. Other programs listen on 127.0.0.1; other documents
	// and tests see that an address is taken.
	for {
		address := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
		ln, err := net.Listen("tcp", address+":1024")
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		ztest.Must(t, err)
		t.Cleanup(func() { ln.Close() })
		return strings.NewReplacer("127.0.0.1:", address+":")
	}
}

// otherPorts replaces the ports in a text with free ones. Another program may take one
// before it is used.
func otherPorts(t *testing.T, text string) *strings.Replacer {
	t.Helper()
	var pairs []string
	for _, address := range regexp.MustCompile(`127\.0\.0\.1:\d+`).FindAllString(text, -1) {
		if slices.Contains(pairs, address) {
			continue
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		ztest.Must(t, err)
		defer ln.Close() // keep it until all ports are chosen, so that they differ
		pairs = append(pairs, address, ln.Addr().String())
	}
	return strings.NewReplacer(pairs...)
}

// copyRepository copies the files of a clone to a new directory.
func copyRepository(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	entries, err := os.ReadDir("..")
	ztest.Must(t, err)
	for _, e := range entries {
		if e.Name() == ".git" || e.Name() == "bin" {
			continue
		}
		from, to := filepath.Join("..", e.Name()), filepath.Join(dir, e.Name())
		if e.IsDir() {
			ztest.Must(t, os.CopyFS(to, os.DirFS(from)))
			continue
		}
		text, err := os.ReadFile(from)
		ztest.Must(t, err, os.WriteFile(to, text, 0o644))
	}
	return dir
}

// shell is a bash that the test kills when it ends, with all processes it has started.
// The output of each command goes to its own file.
type shell struct {
	stdin   io.Writer
	status  *os.File // output of the shell itself
	lines   *bufio.Reader
	dir     string // directory of the output files
	files   int
	last    string // the file of the last command in the background
	awaited int    // bytes of it that earlier steps have matched
}

// patience is how long a command may take. Some compile the module, perhaps with an
// empty build cache.
func patience(command string) time.Duration {
	if strings.HasPrefix(command, "make ") || strings.HasPrefix(command, "go ") {
		return 8 * ztest.Patience
	}
	return ztest.Patience
}

// prologue kills the shell and all processes it has started when the other end of
// descriptor 3 is closed, by the test or by the end of its process. All processes
// inherit descriptor 4, so its end of file shows that none is left.
const prologue = `{ read -r line <&3; kill -KILL 0; } 2>/dev/null &
exec 3<&- 4>&1
`

// newShell starts a shell in dir, with zcert and zauth in its PATH.
func newShell(t *testing.T, dir string) *shell {
	t.Helper()
	alive, end, err1 := os.Pipe()
	status, statusW, err2 := os.Pipe()
	cmd := exec.Command("bash")
	stdin, err3 := cmd.StdinPipe()
	ztest.Must(t, err1, err2, err3)
	cmd.Dir = dir
	// A make in a document does not run below the make that runs the tests. Each document has
	// its own sockets of zauth.
	cmd.Env = append(os.Environ(), "PATH="+tools(t)+":"+os.Getenv("PATH"), "MAKEFLAGS=", "MFLAGS=", "MAKELEVEL=",
		"XDG_RUNTIME_DIR="+t.TempDir(), "ZAUTH_CONTROL=", "ZAUTH_PUBLISH=")
	cmd.Stdout, cmd.Stderr = statusW, statusW
	cmd.ExtraFiles = []*os.File{alive}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	sh := &shell{stdin: stdin, status: status, lines: bufio.NewReader(status), dir: t.TempDir()}
	ztest.Must(t, cmd.Start(), alive.Close(), statusW.Close())
	t.Cleanup(func() {
		end.Close()
		cmd.Wait()
		status.SetReadDeadline(time.Now().Add(ztest.Patience))
		if _, err := io.Copy(io.Discard, status); err != nil {
			t.Errorf("processes outlive the shell: %v", err)
		}
		status.Close()
	})
	_, err := io.WriteString(stdin, prologue)
	ztest.Must(t, err)
	return sh
}

// matches reports whether a line is the one shown.
func matches(line, shown string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(shown), "…", ".*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(line)
}

// inOrder reports whether a text contains all lines shown, in that order, and the
// length of the text up to the last of them.
func inOrder(text string, shown []string) (length int, ok bool) {
	if len(shown) == 0 {
		return 0, true
	}
	for line := range strings.Lines(text) {
		length += len(line)
		if matches(strings.TrimSuffix(line, "\n"), shown[0]) {
			if shown = shown[1:]; len(shown) == 0 {
				return length, true
			}
		}
	}
	return 0, false
}

// asOnTerminal makes zauth log as it does on a terminal.
var asOnTerminal = strings.NewReplacer("zauth serve ", "zauth serve --log-format text ")

// ended precedes a command's exit code in the output of the shell.
const ended = "--- ended: "

// execute runs a command, or starts it in the background. It returns the exit code and
// the file with the output.
func (sh *shell) execute(t *testing.T, command string) (code int, file string) {
	t.Helper()
	sh.files++
	file = filepath.Join(sh.dir, strconv.Itoa(sh.files))
	_, err := fmt.Fprintf(sh.stdin, "{ %s\n} </dev/null >'%s' 2>&1\necho '%s'$?\n", asOnTerminal.Replace(command), file, ended)
	ztest.Must(t, err, sh.status.SetReadDeadline(time.Now().Add(patience(command))))
	for complaints := ""; ; {
		line, err := sh.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("$ %s\n%s%sno end of the command: %v", command, complaints, contents(t, file), err)
		}
		if n, ok := strings.CutPrefix(line, ended); ok {
			code, err = strconv.Atoi(strings.TrimSuffix(n, "\n"))
			ztest.Must(t, err)
			return code, file
		}
		complaints += line
	}
}

// contents returns the text of a file, or "" if it doesn't exist.
func contents(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		ztest.Must(t, err)
	}
	return string(text)
}

// run runs a command that must print the lines shown, at once or eventually.
func (sh *shell) run(t *testing.T, s step, eventually bool) {
	t.Helper()
	for deadline := time.Now().Add(ztest.Patience); ; {
		code, file := sh.execute(t, s.command)
		text := contents(t, file)
		_, ok := inOrder(text, s.want)
		if ok && code == s.code {
			return
		}
		if !eventually || time.Now().After(deadline) {
			t.Fatalf("$ %s\n%sexit code %d; want %d, and %q", s.command, text, code, s.code, s.want)
		}
	}
}

// background starts a command and waits for the output shown.
func (sh *shell) background(t *testing.T, s step) {
	t.Helper()
	code, file := sh.execute(t, s.command)
	if code != s.code {
		t.Fatalf("$ %s\nexit code %d; want %d", s.command, code, s.code)
	}
	sh.last, sh.awaited = file, 0
	sh.await(t, s)
}

// await waits for lines of the last command in the background, after those that were
// awaited before.
func (sh *shell) await(t *testing.T, s step) {
	t.Helper()
	for deadline := time.Now().Add(patience(s.command)); ; time.Sleep(2 * time.Millisecond) {
		text := contents(t, sh.last)
		whole := text[:strings.LastIndexByte(text, '\n')+1]
		if n, ok := inOrder(whole[sh.awaited:], s.want); ok {
			sh.awaited += n
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("$ %s\n%sand no more in %v; want %q", s.command, text, patience(s.command), s.want)
		}
	}
}
