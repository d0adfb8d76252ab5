package keystore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// TestErr: a store says why it can't be read, from the failure of Reload or Watch until it is
// read again.
func TestErr(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"dir", "bolt", "file"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "clients")
			switch kind {
			case "dir":
				ztest.Must(t, os.Mkdir(path, 0o755))
			case "file":
				ztest.WriteFile(t, path, exportOf(t, generate(t, "alice")))
			case "bolt":
				ztest.Must(t, keystore.Create("bolt:"+path))
			}
			s, _ := open(t, kind+":"+path)
			defer s.Close()
			isGone := func() bool {
				err := s.Err()
				return err != nil && strings.HasPrefix(err.Error(), "keystore: ") && strings.Contains(err.Error(), path)
			}
			ztest.Must(t, s.Err(), s.Reload(), s.Err(), os.Rename(path, path+"-away"))
			if err := s.Reload(); err == nil || !isGone() {
				t.Errorf("Reload returned %v, and Err %v", err, s.Err())
			}
			ztest.Must(t, os.Rename(path+"-away", path), s.Reload(), s.Err())

			ztest.Background(t, s.Watch)
			ztest.Must(t, os.Rename(path, path+"-away"))
			ztest.Wait(t, "Watch notices that it is missing", isGone)
			ztest.Must(t, os.Rename(path+"-away", path))
			ztest.Wait(t, "Watch reads it again", func() bool { return s.Err() == nil })
		})
	}
	ztest.Must(t, keystore.NewMemory().Err())
}
