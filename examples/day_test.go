//go:build unix

package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/script"
)

// TestDay runs an operator's day, testdata/day.txtar, with the real tools and a real service.
func TestDay(t *testing.T) {
	t.Parallel()
	dir := tools(t)
	for _, name := range []string{"server", "client", "bundle"} {
		ztest.Must(t, os.Symlink(ztest.GoProgram(t, "examples/go/"+name, "CGO_ENABLED=0"), filepath.Join(dir, name)))
	}
	script.Run(t, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// TestDayDocumented: the operator's day uses no command and no flag that docs/operating.md
// does not show.
func TestDayDocumented(t *testing.T) {
	t.Parallel()
	day, err := os.ReadFile("testdata/day.txtar")
	ztest.Must(t, err)
	page, err := os.ReadFile("../docs/operating.md")
	ztest.Must(t, err)
	command := regexp.MustCompile(`\bz(?:cert|auth) [a-z]+(?: [a-z]+)?\b`)
	flag := regexp.MustCompile(`--[a-z-]+`)
	var used []string
	for line := range strings.Lines(string(day)) {
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "await") || strings.HasPrefix(line, "stdout") {
			continue
		}
		for _, c := range command.FindAllString(line, -1) {
			if words := strings.Fields(c); words[1] != "store" {
				c = strings.Join(words[:2], " ")
			}
			used = append(used, c)
		}
		used = append(used, flag.FindAllString(line, -1)...)
	}
	slices.Sort(used)
	used = slices.Compact(used)
	if len(used) < 15 {
		t.Errorf("only %q are used", used)
	}
	for _, what := range used {
		if what != "--log-format" && !strings.Contains(string(page), what) {
			t.Errorf("docs/operating.md does not show %s", what)
		}
	}
}
