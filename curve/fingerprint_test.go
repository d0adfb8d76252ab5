package curve

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"
)

// TestFingerprint checks both forms against the SHA-256 of the key.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	for range 100 {
		key := GenerateKey().Public()
		sum := sha256.Sum256(key[:])
		if got, want := key.Fingerprint(), "SHA256:"+base64.RawStdEncoding.EncodeToString(sum[:]); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		for i, group := range key.FingerprintGroups() {
			if want := fmt.Sprintf("%05d", int(sum[2*i])*256+int(sum[2*i+1])); group != want {
				t.Fatalf("group %d: got %s, want %s", i+1, group, want)
			}
		}
	}
}
