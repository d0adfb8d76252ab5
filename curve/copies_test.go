package curve

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCopiesReported checks that go vet reports copies of every type that could seal
// or open twice with the same counters.
func TestCopiesReported(t *testing.T) {
	t.Parallel()
	path := filepath.Join("testdata", "copies", "copies.go")
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "vet", "-copylocks", "./"+filepath.Dir(path)).CombinedOutput()
	if err == nil {
		t.Fatal("go vet has nothing to report")
	}
	n := 0
	for line := range strings.Lines(string(source)) {
		n++
		reported := strings.Contains(string(out), fmt.Sprintf("copies.go:%d:", n))
		if reported != strings.HasSuffix(line, "// copy\n") {
			t.Errorf("reported: %v: %s", reported, line)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}
