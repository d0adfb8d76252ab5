package form

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// Lengths in characters of a key in its encodings.
const (
	z85Length    = 40
	hexLength    = 64
	base64Length = 43 // without padding
)

// LookOf describes a text that should be a key in Z85, without quoting it: its length, and
// the encoding that it seems to have. It returns "" for a text of the right length.
func LookOf(text string) string {
	is := func(alphabet string) bool { return text != "" && strings.Trim(text, alphabet) == "" }
	const digits = "0123456789"
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	unpadded := strings.TrimRight(text, "=")
	switch n := len(text); {
	case n == 0:
		return "empty"
	case n == z85Length:
		return ""
	case strings.ContainsAny(text, " \t\r\n"):
		return fmt.Sprintf("%d characters, including spaces", n)
	case isHex(text):
		return fmt.Sprintf("%d characters, looks like hexadecimal", n)
	case isBase64(unpadded):
		return fmt.Sprintf("%d characters, looks like base64", n)
	case is(digits+"abcdefABCDEF") && n > 55:
		return fmt.Sprintf("%d characters, %s hex", n, missing(n, hexLength))
	case strings.HasSuffix(text, "=") || is(digits+letters+"+/-_") && n > z85Length:
		return fmt.Sprintf("%d characters, %s base64", n, missing(len(unpadded), base64Length))
	default:
		return fmt.Sprintf("%d characters, %s Z85", n, missing(n, z85Length))
	}
}

// missing says how far a length is off.
func missing(n, expected int) string {
	if n < expected {
		return fmt.Sprintf("%d short of", expected-n)
	}
	return fmt.Sprintf("%d too many for", n-expected)
}

func isHex(text string) bool {
	decoded, err := hex.DecodeString(text)
	return err == nil && len(decoded) == 32
}

// isBase64 reports whether text is 32 bytes in base64 of either alphabet, without padding.
func isBase64(text string) bool {
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if decoded, err := encoding.DecodeString(text); err == nil && len(decoded) == 32 {
			return true
		}
	}
	return false
}
