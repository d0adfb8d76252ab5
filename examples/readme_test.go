package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// documents are the README and the pages of the guide.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../docs/*.md")
	ztest.Must(t, err)
	return append(files, "../README.md")
}

// snippets are the fenced blocks of a Markdown file, by language.
func snippets(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	ztest.Must(t, err)
	found := map[string][]string{}
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		found[m[1]] = append(found[m[1]], m[2])
	}
	return found
}

// TestDocumentedCode: the code in the README and in the guide stands in the
// examples.
func TestDocumentedCode(t *testing.T) {
	t.Parallel()
	for language, pattern := range map[string]string{"go": "go/*/*.go", "python": "python/*.py", "c": "c/*.c"} {
		var code []string
		files, err := filepath.Glob(pattern)
		ztest.Must(t, err)
		for _, f := range files {
			text, err := os.ReadFile(f)
			ztest.Must(t, err)
			code = append(code, string(text))
		}
		if len(snippets(t, "../README.md")[language]) == 0 {
			t.Errorf("the README has no %s", language)
		}
		for _, file := range documents(t) {
			for _, block := range snippets(t, file)[language] {
				if !strings.Contains(strings.Join(code, "\n"), block) {
					t.Errorf("%s: not in %s:\n%s", file, pattern, block)
				}
			}
		}
	}
}
