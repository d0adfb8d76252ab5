package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	fence   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
)

// anchor returns the name that GitHub gives a heading.
func anchor(heading string) string {
	heading = strings.ToLower(strings.ReplaceAll(heading, " ", "-"))
	return regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(heading, "")
}

// TestLinks checks that links within the repository lead to a file, and to one of its
// headings.
func TestLinks(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../docs/spec/*.md", "../docs/spec/*/*.md", "*.md"} {
		found, err := filepath.Glob(pattern)
		ztest.Must(t, err)
		files = append(files, found...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		ztest.Must(t, err)
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, name, _ := strings.Cut(m[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: a link to %s, which does not exist", file, m[1])
				continue
			}
			if name == "" || filepath.Ext(target) != ".md" {
				continue
			}
			text, err := os.ReadFile(target)
			ztest.Must(t, err)
			var names []string
			for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
				names = append(names, anchor(h[1]))
			}
			if !slices.Contains(names, name) {
				t.Errorf("%s: a link to %s, but no heading of that name", file, m[1])
			}
		}
	}
}
