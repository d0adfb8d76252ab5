package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// documents returns the paths of the README and of the pages of the guide.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../docs/*.md")
	ztest.Must(t, err)
	return append(files, "../README.md")
}

// snippets returns the fenced blocks of a Markdown file, by language.
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

// TestDocumentedCode checks that the code in the README and in the guide is part of the
// examples, which other tests run.
func TestDocumentedCode(t *testing.T) {
	t.Parallel()
	for language, patterns := range map[string][]string{
		"go":     {"go/*/*.go", "nom/*.go", "nom/*/*.go", "filemq/*.go", "../sasl/example_test.go"},
		"python": {"python/*.py"},
		"c":      {"c/*.c"},
	} {
		var code []string
		for _, pattern := range patterns {
			files, err := filepath.Glob(pattern)
			ztest.Must(t, err)
			for _, f := range files {
				text, err := os.ReadFile(f)
				ztest.Must(t, err)
				code = append(code, string(text))
			}
		}
		if len(snippets(t, "../README.md")[language]) == 0 {
			t.Errorf("the README has no %s", language)
		}
		for _, file := range documents(t) {
			for _, block := range snippets(t, file)[language] {
				if !strings.Contains(strings.Join(code, "\n"), block) {
					t.Errorf("%s: not in %s:\n%s", file, patterns, block)
				}
			}
		}
	}
}

// TestDocumentedReasons checks that the reasons in the guide are those in the source of
// package policy.
func TestDocumentedReasons(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	files, err := filepath.Glob("../policy/*.go")
	ztest.Must(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		ztest.Must(t, err)
		source.Write(text)
	}
	page, err := os.ReadFile("../docs/diagnosing.md")
	ztest.Must(t, err)
	_, table, _ := strings.Cut(string(page), "| reason | cause | what to do |\n| --- | --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	reasons := 0
	for row := range strings.Lines(table) {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.Split(row, "|")[1], -1) {
			reasons++
			if !strings.Contains(source.String(), `"`+m[1]) {
				t.Errorf("package policy gives no reason %q", m[1])
			}
		}
	}
	if reasons < 10 {
		t.Errorf("%d reasons in the table", reasons)
	}
}
