package follow

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestBusy: a file is busy while a process has it open for writing, even if the process
// writes nothing for a long time.
func TestBusy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a")
	f, err := os.Create(path)
	ztest.Must(t, err)
	defer f.Close()
	_, err = f.WriteString("complete by chance")
	ztest.Must(t, err)
	if _, _, err := Read(path, 100); !errors.Is(err, ErrBusy) || !IsBusy(path) {
		t.Errorf("being written: %v", err)
	}
	if text, _, err := ReadOwn(path, 100); err != nil || string(text) != "complete by chance" {
		t.Errorf("our own: %q, %v", text, err)
	}
	ztest.Must(t, f.Close())
	if text, _, err := Read(path, 100); err != nil || string(text) != "complete by chance" || IsBusy(path) {
		t.Errorf("written: %q, %v", text, err)
	}
	reader, err := os.Open(path)
	ztest.Must(t, err)
	defer reader.Close()
	if IsBusy(path) {
		t.Error("a reader makes it busy")
	}
}

// TestNeverWaits: Read doesn't wait for a pipe or a device.
func TestNeverWaits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe")
	ztest.Must(t, syscall.Mkfifo(path, 0o644))
	for _, path := range []string{path, "/dev/zero"} {
		if _, _, err := ReadStill(path, 100); !errors.Is(err, ErrNotRegular) || IsBusy(path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
