package cert

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
)

// TestFingerprint: both forms are those of the SHA-256 of the key's octets.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	for range 100 {
		key := curve.GenerateKey().Public()
		sum := sha256.Sum256(key[:])
		f := FingerprintOf(key)
		if AuthorityKey(key).Fingerprint() != f {
			t.Fatal("the fingerprint of an authority's key is another")
		}
		if want := "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]); f.String() != want {
			t.Fatalf("got %s, want %s", f, want)
		}
		if got, err := ParseFingerprint(f.String()); err != nil || got != f {
			t.Fatalf("read back: %v, %v", got, err)
		}
		for i, group := range f.Groups() {
			if want := fmt.Sprintf("%05d", int(sum[2*i])*256+int(sum[2*i+1])); group != want {
				t.Fatalf("group %d: got %s, want %s", i+1, group, want)
			}
		}
	}
	text := FingerprintOf(alice(t).Public).String()
	for _, wrong := range []string{"", "SHA256:", text[1:], text + "=", text + "A", text[:len(text)-1] + "B", strings.Replace(text, "SHA256", "MD5", 1), text + "\n"} {
		if _, err := ParseFingerprint(wrong); !errors.Is(err, ErrFingerprint) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
