package form

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/zcurve/zcurve/internal/zpl"
)

var (
	// ErrLine means that a line would be longer than MaxLine. Such a line is read, but
	// not written.
	ErrLine = errors.New("line longer than 1024 bytes, which czmq cannot read")
	// ErrTooLarge means that a text would be too large to be read again.
	ErrTooLarge = errors.New("too large")
)

// Append appends a text of at most limit bytes to dst, which can be read again. On an
// error, it returns dst unchanged.
func Append(dst []byte, comments []string, nodes []*zpl.Node, limit int) ([]byte, error) {
	out, err := zpl.Append(dst, comments, nodes)
	if err != nil { // its place is in a text that the user never sees
		return dst, fmt.Errorf("%w: %w", ErrMetadata, errors.Unwrap(err))
	}
	text := out[len(dst):]
	if len(text) > limit {
		return dst, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	if n := bytes.Count(text, []byte("\n")) - len(comments); n > zpl.MaxCount {
		return dst, fmt.Errorf("%w: more than %d properties", ErrTooLarge, zpl.MaxCount)
	}
	for line := range bytes.Lines(text) {
		if len(line)-len("\n") > MaxLine {
			name, _, _ := bytes.Cut(bytes.TrimLeft(line, " "), []byte(" "))
			return dst, fmt.Errorf("%s: %w", name, ErrLine)
		}
	}
	return out, nil
}
