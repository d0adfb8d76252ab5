package cert

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/z85"
)

// ErrPublishedKey means that the secret key of a public key is printed in manuals or
// in test vectors, where anybody can read it.
var ErrPublishedKey = errors.New("a test key, whose secret key is published")

// publishedText has a key of an identity or an authority on each line, and behind it
// where its secret key is published.
//
//go:embed published.txt
var publishedText string

// published is where the secret keys of some public keys are published.
var published = sync.OnceValue(func() map[[curve.KeySize]byte]string {
	keys := map[[curve.KeySize]byte]string{}
	for line := range strings.Lines(publishedText) {
		text, where, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		var key [curve.KeySize]byte
		if octets, ok := strings.CutPrefix(text, authorityPrefix); ok {
			form.Decode(key[:], octets)
		} else {
			z85.AppendDecoded(key[:0], text)
		}
		keys[key] = where
	}
	return keys
})

// CheckKey refuses the key of an identity that anybody can be: curve.ErrPublicKey for
// one that isn't sound, ErrPublishedKey for one whose secret key is published. Parse
// and Load don't refuse the latter, so that a tool can show it: ask it before you admit
// an identity.
func CheckKey(k curve.PublicKey) error {
	if err := k.Check(); err != nil {
		return fmt.Errorf("cert: %w", err)
	}
	return checkPublished(k)
}

func checkPublished(k [curve.KeySize]byte) error {
	if _, ok := published()[k]; ok {
		return fmt.Errorf("cert: %w", ErrPublishedKey)
	}
	return nil
}

// Check refuses a certificate that can't be trusted by anybody at any time. The error
// is that of CheckKey, that of AuthorityKey.Check if it is signed, ErrSignature if it
// isn't what was signed, or that of AppendCanonical. Whether its authority is
// trusted, the time, and revocations are for a Checker.
func (c *Certificate) Check() error {
	if err := CheckKey(c.Public); err != nil || c.Authority.IsZero() {
		return err
	}
	if err := c.Authority.Check(); err != nil {
		return err
	}
	return c.VerifySignature()
}
