package zpl

import (
	"strings"
	"unicode/utf8"
)

// Append appends comment lines and properties to dst, so that Parse reads the same
// properties. For a name or a value that ZPL can't represent, it returns dst unchanged,
// and an *Error with ErrName, ErrValue, ErrControl or ErrUTF8.
func Append(dst []byte, comments []string, nodes []*Node) ([]byte, error) {
	out := dst
	for _, c := range comments {
		out = append(out, "# "...)
		out = append(out, c...)
		out = append(out, '\n')
	}
	out, err := appendNodes(out, nodes, 0)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendNodes(out []byte, nodes []*Node, depth int) ([]byte, error) {
	for _, n := range nodes {
		if err := CheckName(n.Name); err != nil {
			return nil, n.Error(err)
		}
		out = append(out, strings.Repeat(" ", depth*indent)...)
		out = append(out, n.Name...)
		if n.HasValue {
			quote, err := quoteFor(n.Value)
			if err != nil {
				return nil, n.Error(err)
			}
			out = append(append(append(out, " = "...), quote), n.Value...)
			out = append(append(out, n.Hidden...), quote)
		}
		out = append(out, '\n')
		var err error
		if out, err = appendNodes(out, n.Children, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// CheckName returns ErrName for a name that ZPL can't represent.
func CheckName(name string) error {
	for i := range len(name) {
		if !isNameChar(name[i]) {
			return ErrName
		}
	}
	if name == "" {
		return ErrName
	}
	return nil
}

// CheckValue returns ErrValue, ErrControl or ErrUTF8 for a value that ZPL can't
// represent.
func CheckValue(value string) error {
	_, err := quoteFor(value)
	return err
}

// quoteFor returns the kind of quotes for a value.
func quoteFor(value string) (byte, error) {
	if !utf8.ValidString(value) {
		return 0, ErrUTF8
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] == 0x7F {
			return 0, ErrControl
		}
	}
	if !strings.Contains(value, `"`) {
		return '"', nil
	}
	if !strings.Contains(value, "'") {
		return '\'', nil
	}
	return 0, ErrValue
}
