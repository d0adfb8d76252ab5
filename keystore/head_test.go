package keystore_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

// TestBoltHeadDamaged: a file with one damaged head is refused, or has the revocation;
// the other head may be older than the revocation.
func TestBoltHeadDamaged(t *testing.T) {
	t.Parallel()
	url := urlOf(t, "bolt")
	path := strings.TrimPrefix(url, "bolt:")
	s, _ := open(t, url)
	defer s.Close()
	alice := put(generate(t, "alice"))
	key := alice.Certificate.Public
	ztest.Must(t, s.Put(alice), s.Revoke(key, at, ""))
	text, err := os.ReadFile(path)
	ztest.Must(t, err)
	page := os.Getpagesize()
	for head := range 2 {
		damaged := bytes.Clone(text)
		damaged[head*page+40] ^= 1
		ztest.Must(t, os.WriteFile(path, damaged, 0o600))
		again, err := keystore.Open(url, nil)
		if err != nil {
			continue // refused
		}
		_, revoked := again.Revocation(key)
		if _, known := again.Lookup(key); known || !revoked {
			t.Errorf("head %d: known: %v, revoked: %v", head, known, revoked)
		}
		again.Close()
	}
}
