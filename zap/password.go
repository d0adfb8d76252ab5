package zap

import (
	"fmt"
	"io"
)

// Password is a password of the mechanism PLAIN (RFC 24). The zero value is the empty
// one. It prints as "[secret]" under every verb, in JSON and in slog, and as an address
// where it is an unexported field of something else. == doesn't compile.
type Password struct {
	_    [0]func() // == would compare addresses
	text *string   // which fmt doesn't follow where it can't call methods
}

// NewPassword makes a password of its text.
func NewPassword(text string) Password { return Password{text: &text} }

// Reveal returns the text of the password. It is the only way to get it out.
func (p Password) Reveal() string {
	if p.text == nil {
		return ""
	}
	return *p.text
}

const redacted = "[secret]"

// Format writes "[secret]" whatever the verb.
func (Password) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText returns "[secret]"; the error is always nil. There is no
// UnmarshalText on purpose.
func (Password) MarshalText() ([]byte, error) { return []byte(redacted), nil }
