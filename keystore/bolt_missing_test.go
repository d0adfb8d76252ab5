package keystore

import (
	"errors"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/keystore/internal/kv"
)

// TestBoltNotIncluded: the error for a bolt: URL names the package to import. The test
// isn't parallel, because other tests open such keystores.
func TestBoltNotIncluded(t *testing.T) {
	files := kv.Files
	kv.Files = nil
	defer func() { kv.Files = files }()
	_, err := Open("bolt:clients.db", nil)
	for _, err := range []error{err, Create("bolt:" + t.TempDir() + "/clients.db")} {
		if !errors.Is(err, errNoBolt) || !strings.HasPrefix(err.Error(), "keystore: ") || !strings.Contains(err.Error(), "keystore/boltstore") {
			t.Errorf("got %v", err)
		}
	}
}
