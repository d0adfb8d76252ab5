// Package hidden keeps bytes that must not be printed.
package hidden

// Bytes are not printed by package fmt, even as an unexported field of another value,
// where fmt cannot call methods. fmt prints a pointer in such a field as an address, but
// follows it for a verb that does not fit (%s). A value that has a *Bytes therefore hides
// the bytes behind two pointers.
type Bytes struct{ bytes *[]byte }

// New hides bytes, which the caller must not use afterwards.
func New(bytes []byte) *Bytes { return &Bytes{&bytes} }

// Reveal returns the bytes, or nil if h is nil.
func (h *Bytes) Reveal() []byte {
	if h == nil {
		return nil
	}
	return *h.bytes
}
