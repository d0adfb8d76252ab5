package zap

import (
	"fmt"
	"io"
)

// Password is a password of the mechanism PLAIN (RFC 24). The zero value is an empty
// password. A Password prints as "[secret]" with every verb of fmt, in JSON and in
// slog, and as an address in an unexported field of another type. It cannot be compared
// with ==. Safe for concurrent use.
type Password struct {
	_    [0]func() // because == would compare addresses
	text *string   // fmt does not follow a pointer if it cannot call methods
}

// NewPassword returns a password with this text.
func NewPassword(text string) Password { return Password{text: &text} }

// Reveal returns the text of the password. No other method does.
func (p Password) Reveal() string {
	if p.text == nil {
		return ""
	}
	return *p.text
}

const redacted = "[secret]"

// Format writes "[secret]", whatever the verb.
func (Password) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText returns "[secret]". The error is always nil. There is no UnmarshalText,
// because that text is not the password.
func (Password) MarshalText() ([]byte, error) { return []byte(redacted), nil }
