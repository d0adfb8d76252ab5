package monitor

import (
	"strings"

	"github.com/zcurve/zcurve/curve"
)

// Find returns the remembered client with a key. text is the whole key in Z85, or its whole
// fingerprint in one of the forms that zcert fingerprint prints: SHA256 and base64, or 16
// groups of digits, with or without their numbers. A part of a fingerprint finds nothing,
// because somebody can make a key that has the same part.
func (m *Monitor) Find(text string) (found Client, ok bool) {
	is := KeyOf(text)
	if is == nil {
		return Client{}, false
	}
	return m.find(func(c *client) bool { return is(c.sum) })
}

// KeyOf returns a function that reports whether a key is the one that text names, in a form that
// [Monitor.Find] accepts. It returns nil if the text names no key.
func KeyOf(text string) func(curve.PublicKey) bool {
	if len(text) > maxFindText {
		return nil
	}
	text = strings.TrimSpace(text)
	if key, err := curve.ParsePublicKey(text); err == nil {
		return func(k curve.PublicKey) bool { return k == key }
	}
	if digits := withoutNumbers(text); digits != "" {
		return func(k curve.PublicKey) bool {
			groups := k.FingerprintGroups()
			return strings.Join(groups[:], " ") == digits
		}
	}
	if !strings.HasPrefix(text, "SHA256:") {
		return nil
	}
	return func(k curve.PublicKey) bool { return k.Fingerprint() == text }
}

// maxFindText is longer than any text that Find finds.
const maxFindText = 1000

// withoutNumbers returns the groups of digits of a fingerprint with one space between them, or
// "" if the text is something else.
func withoutNumbers(text string) string {
	var groups []string
	for _, field := range strings.Fields(text) {
		if strings.HasSuffix(field, ":") && len(field) <= len("16:") {
			continue // the number of a group
		}
		if len(field) != 5 || strings.Trim(field, "0123456789") != "" {
			return ""
		}
		groups = append(groups, field)
	}
	return strings.Join(groups, " ")
}

// find returns the first client with a key for which is returns true.
func (m *Monitor) find(is func(*client) bool) (Client, bool) {
	for _, c := range m.snapshot() {
		if c.kind == byKey && is(&c) {
			return m.describe(&c), true
		}
	}
	return Client{}, false
}
