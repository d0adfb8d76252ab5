package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/zcurve/zcurve/internal/z85"
)

// errKeyText means that a text is no key in a form that is known here.
var errKeyText = errors.New("not a key")

// keyForms are the forms of a key of 32 octets, and how they are written.
var keyForms = []struct {
	name   string
	encode func([]byte) string
}{
	{"z85", func(octets []byte) string {
		text, _ := z85.Append(nil, octets) // 32 octets always can be
		return string(text)
	}},
	{"hex", hex.EncodeToString},
	{"base64", base64.StdEncoding.EncodeToString},
	{"base64url", base64.RawURLEncoding.EncodeToString},
}

// Lengths in characters of the forms of a key.
const (
	z85Length    = 40
	base64Length = 43 // without padding
	hexLength    = 64
)

// byteOrderMark is what some editors put in front of UTF-8.
var byteOrderMark = []byte("\ufeff")

// parseKeyText reads a key in whatever form it is in. What is wrong is told by
// what it looks like; the text, which may be a secret, is never quoted.
func parseKeyText(text string) ([]byte, error) {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") || strings.Contains(text, "\x00") {
		return nil, fmt.Errorf("%w: UTF-16: save it as UTF-8", errKeyText)
	}
	unpadded := strings.TrimSuffix(text, "=")
	switch {
	case len(text) == z85Length:
		octets, err := z85.AppendDecoded(nil, text)
		if err != nil {
			return nil, fmt.Errorf("%w: 40 characters: Z85? %w", errKeyText, err)
		}
		return octets, nil
	case len(text) == hexLength:
		octets, err := hex.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("%w: 64 characters: hexadecimal? some are none of its digits", errKeyText)
		}
		return octets, nil
	case len(unpadded) == base64Length:
		encoding := base64.RawStdEncoding
		if strings.ContainsAny(unpadded, "-_") {
			encoding = base64.RawURLEncoding
		}
		if strings.ContainsAny(unpadded, "\r\n") { // which the decoder passes over
			return nil, fmt.Errorf("%w: more than one line", errKeyText)
		}
		octets, err := encoding.Strict().DecodeString(unpadded)
		if err != nil {
			return nil, fmt.Errorf("%w: %d characters: base64? some are none of its characters, or the last one is wrong", errKeyText, len(text))
		}
		return octets, nil
	}
	return nil, fmt.Errorf("%w: %s; expected 40 of Z85, 64 of hexadecimal, or 43 or 44 of base64", errKeyText, lookOf(text))
}

// lookOf says what a text of the wrong length looks like.
func lookOf(text string) string {
	is := func(alphabet string) bool { return text != "" && strings.Trim(text, alphabet) == "" }
	const digits = "0123456789"
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	switch n := len(text); {
	case n == 0:
		return "nothing"
	case strings.ContainsAny(text, " \t\r\n"):
		return fmt.Sprintf("%d characters, with blanks", n)
	case is(digits+"abcdefABCDEF") && n > 55:
		return fmt.Sprintf("%d characters: hexadecimal, %s?", n, missing(n, hexLength))
	case strings.HasSuffix(text, "=") || is(digits+letters+"+/-_") && n > z85Length:
		return fmt.Sprintf("%d characters: base64, %s?", n, missing(len(strings.TrimRight(text, "=")), base64Length))
	default:
		return fmt.Sprintf("%d characters: Z85, %s?", n, missing(n, z85Length))
	}
}

// missing says by how much a length is wrong.
func missing(n, want int) string {
	if n < want {
		return fmt.Sprintf("%d missing", want-n)
	}
	return fmt.Sprintf("%d too many", n-want)
}
