package zmq4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/zap"
)

// The metadata of each socket.
const (
	nameType     = "Socket-Type"
	nameIdentity = "Identity"
)

var (
	errNoName    = errors.New("zmq4: metadata without a name")
	errDuplicate = errors.New("zmq4: duplicate name in metadata")
)

// Metadata describes one side of a connection, in its own words: nothing has checked it.
type Metadata map[string]string

// MarshalZMTP returns the metadata in wire form: Socket-Type and Identity with these names, and all
// others as names that begin with "X-". It returns an error if a name is invalid.
func (md Metadata) MarshalZMTP() ([]byte, error) {
	var list zap.Metadata
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(md)) {
		switch lower := strings.ToLower(name); {
		case name == "":
			return nil, errNoName
		case seen[lower]:
			return nil, fmt.Errorf("%w: %q", errDuplicate, name)
		default:
			seen[lower] = true
		}
		value := md[name]
		if name != nameType && name != nameIdentity {
			name = titled("x-" + strings.ToLower(name))
		}
		list = append(list, struct{ Name, Value string }{name, value})
	}
	wire, err := list.Append(nil)
	if err != nil {
		return nil, fmt.Errorf("zmq4: %w", err)
	}
	return wire, nil
}

// UnmarshalZMTP adds the metadata in p, in wire form, to md: at most zap.MaxProperties names
// with their first letters in upper case, such as Socket-Type, Identity and X-Name,
// however the peer writes them. If p is malformed, UnmarshalZMTP returns an error and adds
// nothing.
func (md *Metadata) UnmarshalZMTP(p []byte) error {
	list, err := zap.ParseMetadata(p)
	if err != nil {
		return fmt.Errorf("zmq4: %w", err)
	}
	if *md == nil {
		*md = Metadata{}
	}
	for _, property := range list {
		(*md)[titled(property.Name)] = property.Value
	}
	return nil
}

// list returns the metadata as package zmtp does.
func (md Metadata) list() zap.Metadata {
	var list zap.Metadata
	for _, name := range slices.Sorted(maps.Keys(md)) {
		list = append(list, struct{ Name, Value string }{name, md[name]})
	}
	return list
}

// titled returns a name with the first letter of each word in upper case.
func titled(name string) string {
	for _, known := range []string{nameType, nameIdentity} {
		if strings.EqualFold(name, known) {
			return known
		}
	}
	b := []byte(name)
	for i, c := range b {
		if c >= 'a' && c <= 'z' && (i == 0 || b[i-1] == '-' || b[i-1] == '+') {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// Property is one name of Metadata with its value. Plain data.
type Property struct {
	K string // the name: 1 to 255 letters, digits, "-", "_", "." or "+"
	V string
}

// Read writes the whole property to data, in wire form, and returns io.EOF. If data is too
// short, it returns io.ErrShortBuffer, and if the property is invalid, ErrBadProperty.
func (prop Property) Read(data []byte) (n int, err error) {
	wire, err := zap.Metadata{{Name: titled(prop.K), Value: prop.V}}.Append(nil)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %w", ErrBadProperty, err)
	case len(data) < len(wire):
		return 0, io.ErrShortBuffer
	}
	return copy(data, wire), io.EOF
}

// Write reads the property from the begin of data, in wire form, and returns its length. If
// data is too short, Write returns io.ErrUnexpectedEOF, and if the name is invalid, ErrBadProperty.
// The property doesn't change then.
func (prop *Property) Write(data []byte) (n int, err error) {
	if len(data) < 1 || len(data) < 1+int(data[0])+4 {
		return 0, io.ErrUnexpectedEOF
	}
	begin := 1 + int(data[0]) + 4
	length := binary.BigEndian.Uint32(data[begin-4:])
	if uint64(length) > uint64(len(data)-begin) {
		return 0, io.ErrUnexpectedEOF
	}
	n = begin + int(length)
	list, err := zap.ParseMetadata(data[:n])
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrBadProperty, err)
	}
	prop.K, prop.V = titled(list[0].Name), list[0].Value
	return n, nil
}
