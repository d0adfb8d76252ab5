package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/z85"
)

// errKeyText means that a text is not a key in any known format.
var errKeyText = errors.New("not a key")

// keyForms are the formats of a bare key of 32 bytes.
var keyForms = []struct {
	name   string
	encode func([]byte) string
}{
	{"z85", func(raw []byte) string {
		text, _ := z85.Append(nil, raw) // 32 bytes always fit
		return string(text)
	}},
	{"hex", hex.EncodeToString},
	{"base64", base64.StdEncoding.EncodeToString},
	{"base64url", base64.RawURLEncoding.EncodeToString},
}

// Lengths of the formats in characters.
const (
	z85Length    = 40
	base64Length = 43 // without padding
	hexLength    = 64
)

// byteOrderMark is written by some editors in front of UTF-8.
var byteOrderMark = []byte("\ufeff")

// parseKeyText parses a key in any format. Errors describe what the text looks like,
// but never quote it, since it can be a secret.
func parseKeyText(text string) ([]byte, error) {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") || strings.Contains(text, "\x00") {
		return nil, fmt.Errorf("%w: UTF-16: save it as UTF-8", errKeyText)
	}
	unpadded := strings.TrimSuffix(text, "=")
	switch {
	case len(text) == z85Length:
		raw, err := z85.AppendDecoded(nil, text)
		if err != nil {
			return nil, fmt.Errorf("%w: 40 characters, but not valid Z85: %w", errKeyText, err)
		}
		return raw, nil
	case len(text) == hexLength:
		raw, err := hex.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("%w: 64 characters, but not all are hex digits", errKeyText)
		}
		return raw, nil
	case len(unpadded) == base64Length:
		encoding := base64.RawStdEncoding
		if strings.ContainsAny(unpadded, "-_") {
			encoding = base64.RawURLEncoding
		}
		if strings.ContainsAny(unpadded, "\r\n") { // the decoder ignores them
			return nil, fmt.Errorf("%w: more than one line", errKeyText)
		}
		raw, err := encoding.Strict().DecodeString(unpadded)
		if err != nil {
			return nil, fmt.Errorf("%w: %d characters, but not valid base64", errKeyText, len(text))
		}
		return raw, nil
	}
	return nil, fmt.Errorf("%w: %s; expected 40 characters of Z85, 64 of hex, or 43 or 44 of base64", errKeyText, form.LookOf(text))
}
