package good

import (
	"os"
	"testing"
)

func TestGood(t *testing.T) { t.Log("quiet") }

func TestParts(t *testing.T) {
	t.Run("one part", func(t *testing.T) { t.Parallel() })
	t.Run("other", func(t *testing.T) { t.Parallel() })
}

func TestSecondRun(t *testing.T) {
	if os.Getenv("RUN") != "2" {
		t.Skip("not in the first run")
	}
}

func TestSkipped(t *testing.T) { t.Skip("no reason") }

func TestPartSkipped(t *testing.T) {
	t.Run("one", func(t *testing.T) {})
	t.Run("other", func(t *testing.T) { t.Skip("no reason") })
}

func TestPeers(t *testing.T) {
	t.Skip("needs libzmq, czmq, pyzmq and gcc from Debian's packages")
}

func FuzzGood(f *testing.F) {
	f.Add(1)
	f.Fuzz(func(t *testing.T, n int) {})
}

func Example() {
	// Output:
}

func helper() {}
