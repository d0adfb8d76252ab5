package cert

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/z85"
)

// publishedText has a key of an identity or an authority in each line, and after it where
// its secret key is published.
//
//go:embed published.txt
var publishedText string

// published says where the secret keys of some public keys are published.
var published = sync.OnceValue(func() map[[curve.KeySize]byte]string {
	keys := map[[curve.KeySize]byte]string{}
	for line := range strings.Lines(publishedText) {
		text, where, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		var key [curve.KeySize]byte
		if encoded, ok := strings.CutPrefix(text, authorityPrefix); ok {
			form.Decode(key[:], encoded)
		} else {
			z85.AppendDecoded(key[:0], text)
		}
		keys[key] = where
	}
	return keys
})

// checkPublished returns an error for a key whose secret key is published.
func checkPublished(k [curve.KeySize]byte) error {
	if _, ok := published()[k]; ok {
		return errPublishedKey
	}
	return nil
}
