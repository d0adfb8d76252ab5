package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExamples: each package that a program imports shows its use.
func TestExamples(t *testing.T) {
	t.Parallel()
	example := regexp.MustCompile(`(?m)^func Example`)
	for dir := range libraries(t) {
		tests, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range tests {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			// One that imports what it shows, as programs do.
			found = found || example.Match(text) && strings.Contains(string(text), `"`+module+dir+`"`)
		}
		if !found {
			t.Errorf("%s has no example", dir)
		}
	}
}
