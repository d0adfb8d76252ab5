package armor

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/zcurve/zcurve/internal/form"
)

var errHeader = errors.New("invalid header")

// The known headers, in the order in which they are written. Extensions are
// written before the checksum.
const (
	versionHeader = iota
	mechanismHeader
	securityHeader
	passwordHeader
	byHeader
	toHeader
	commentHeader
	checksumHeader
	knownHeaders
)

var headerNames = [knownHeaders]string{"Version", "Mechanism", "Content-security", "Content-password",
	"Content-signed-by", "Content-signed-to", "Comment", "Checksum"}

const extensionPrefix = "x-" // in lower case

// header is one header. When it was read, it can have any name and value.
type header struct {
	name, value string
	line        int
}

// headers are the headers of a block.
type headers struct {
	known  [knownHeaders]header // without a value if missing
	others []header             // extensions, and unknown ones
}

// set sets a header. A later one overrides an earlier one.
func (h *headers) set(n header) {
	name := lowerName(n.name)
	for i, known := range headerNames {
		if lowerName(known) == name {
			h.known[i] = header{known, n.value, n.line}
			return
		}
	}
	for i, other := range h.others {
		if lowerName(other.name) == name {
			h.others[i] = n
			return
		}
	}
	h.others = append(h.others, n)
}

// value returns the value of a known header, or "" if it is missing.
func (h *headers) value(i int) string { return h.known[i].value }

// all yields all headers but the checksum, in the order in which they are written.
func (h *headers) all(yield func(header) bool) {
	for _, n := range h.known[:checksumHeader] {
		if n.value != "" && !yield(n) {
			return
		}
	}
	for _, n := range h.others {
		if !yield(n) {
			return
		}
	}
}

// canonical returns the one form of the headers, which checksum and seal cover.
func (h *headers) canonical() []byte {
	var text []byte
	for _, n := range h.known[:checksumHeader] {
		if n.value != "" {
			text = fmt.Appendf(text, "%s: %s\n", n.name, n.value)
		}
	}
	for _, n := range h.others {
		text = fmt.Appendf(text, "%s: %s\n", lowerName(n.name), n.value)
	}
	return text
}

// checksum returns the value of the header Checksum.
func (h *headers) checksum(content []byte) string {
	sum := sha256.New()
	sum.Write(h.canonical())
	sum.Write(content)
	return form.Encoding.EncodeToString(sum.Sum(nil))
}

// check returns an error for headers that cannot be written, and the line of the fault.
func (h *headers) check() (line int, err error) {
	for n := range h.all {
		if err := n.check(); err != nil {
			return n.line, err
		}
	}
	return 0, nil
}

// check returns an error for a header that cannot be written.
func (n header) check() error {
	if !isHeaderName(n.name) {
		return fmt.Errorf("%w: malformed name", errHeader)
	}
	known := false
	for _, name := range headerNames {
		known = known || name == n.name
	}
	if !known && !strings.HasPrefix(lowerName(n.name), extensionPrefix) {
		return fmt.Errorf("%w: unknown header %s (extensions begin with X-)", errHeader, n.name)
	}
	if err := checkHeaderValue(n.value); err != nil {
		return fmt.Errorf("%w: %s: %w", errHeader, n.name, err)
	}
	return nil
}

// isHeaderName reports whether a header can have this name.
func isHeaderName(name string) bool {
	if len(name) < 1 || len(name) > maxHeaderName || lowerName(name) == extensionPrefix {
		return false
	}
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// checkHeaderValue returns an error for a value that would be read as a different one, or
// as the end of the block.
func checkHeaderValue(value string) error {
	if len(value) < 1 || len(value) > maxHeaderValue {
		return fmt.Errorf("%d characters, expected 1 to %d", len(value), maxHeaderValue)
	}
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' {
			return errors.New("not printable ASCII")
		}
	}
	switch {
	case strings.HasPrefix(value, " ") || strings.HasSuffix(value, " ") || strings.Contains(value, "  "):
		return errors.New("leading, trailing or repeated spaces, which mail programs change")
	case strings.HasSuffix(value, `\`):
		return errors.New("a backslash at the end, which would continue the line")
	case strings.Contains(value, beginMarker) || strings.Contains(value, endMarker):
		return errors.New("a BEGIN or END line")
	}
	return nil
}

// lowerName changes ASCII letters of a name to lower case. Unlike strings.ToLower, it
// leaves letters alone whose lower case is ASCII.
func lowerName(name string) string {
	lower := []byte(name)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}

// appendHeader appends a header in lines of at most maxLine characters.
func appendHeader(dst []byte, n header) []byte {
	line := n.name + ": " + n.value
	for len(line) > maxLine {
		// A reader takes spaces at the beginning of a line for indentation.
		end := maxLine - len(`\`)
		for line[end] == ' ' {
			end--
		}
		dst = append(append(dst, line[:end]...), "\\\n"...)
		line = line[end:]
	}
	return append(append(dst, line...), '\n')
}
