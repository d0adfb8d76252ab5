package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// snippets are the fenced blocks of a Markdown file, by language.
func snippets(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		found[m[1]] = append(found[m[1]], m[2])
	}
	return found
}

// TestReadmeCode: the code in the README stands in the examples.
func TestReadmeCode(t *testing.T) {
	t.Parallel()
	for language, pattern := range map[string]string{"go": "go/*/*.go", "python": "python/*.py", "c": "c/*.c"} {
		var code []string
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			code = append(code, string(text))
		}
		blocks := snippets(t, "../README.md")[language]
		if len(blocks) == 0 {
			t.Errorf("the README has no %s", language)
		}
		for _, block := range blocks {
			if !strings.Contains(strings.Join(code, "\n"), block) {
				t.Errorf("not in %s:\n%s", pattern, block)
			}
		}
	}
}

// TestReadmeCommands runs the five minutes of the README. make build is what
// TestMain has done.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	var script strings.Builder
	for line := range strings.Lines(snippets(t, "../README.md")["console"][0]) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		if !ok {
			t.Errorf("no command: %q", line)
		}
		switch {
		case command == "make build", strings.HasPrefix(command, "export PATH="):
		case strings.HasPrefix(command, "zauth serve"):
			// The port may be in use here; everything else is as it stands there.
			script.WriteString("exec " + command + " --listen 'tcp://127.0.0.1:*'\n")
		default:
			script.WriteString(command + "\n")
		}
	}
	cmd := exec.Command("sh", "-ec", script.String())
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	var out strings.Builder
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	buf := make([]byte, 4096)
	for !strings.Contains(out.String(), "listening on ") {
		n, err := r.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	if !strings.Contains(out.String(), "identities=1") {
		t.Errorf("zauth knows nobody:\n%s", out.String())
	}
}
