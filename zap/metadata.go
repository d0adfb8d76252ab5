package zap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Metadata is a list of names and values: the properties of a connection in ZMTP's
// READY and INITIATE commands (RFC 23, Connection Metadata), and what a ZAP reply says
// of the user. A list that can be sent has at most 64 of them, and no name twice.
//
// A name has 1 to 255 letters, digits, "-", "_", "." or "+", and is compared without
// regard to case. A value is any bytes, at most 2^31-1.
type Metadata []struct{ Name, Value string }

// MaxProperties is the most names that a list can have. The peer chooses how many it
// sends, and each takes far more memory here than on the wire.
const MaxProperties = 64

// ErrMetadata means that octets are no list of properties, or a property can't
// be written.
var ErrMetadata = errors.New("zap: malformed metadata")

// Get returns the value of a name, in any case, or "" if the list doesn't have it.
func (m Metadata) Get(name string) string {
	if i := m.index(name); i >= 0 {
		return m[i].Value
	}
	return ""
}

// index returns the index of a name, or -1.
func (m Metadata) index(name string) int {
	for i := range m {
		if strings.EqualFold(m[i].Name, name) {
			return i
		}
	}
	return -1
}

// reserved are the names under which a peer's own properties, or ZMTP's, reach a
// program that uses libzmq.
var reserved = [...]string{"User-Id", "Peer-Address", "Socket-Type", "Identity", "Routing-Id", "Resource"}

// IsReserved reports whether a reply's metadata can't have that name, in whatever
// case, because a program would take the value for something else: User-Id,
// Peer-Address, Socket-Type, Identity, Routing-Id and Resource.
func IsReserved(name string) bool {
	for _, r := range reserved {
		if strings.EqualFold(name, r) {
			return true
		}
	}
	return false
}

// Append appends the properties in wire form to dst: name length octet, name,
// value length in four octets (network order), value. On ErrMetadata dst comes
// back unchanged.
func (m Metadata) Append(dst []byte) ([]byte, error) {
	if err := m.check(); err != nil {
		return dst, err
	}
	return m.append(dst), nil
}

// append is Append for properties that have been checked.
func (m Metadata) append(dst []byte) []byte {
	size := 0
	for _, p := range m {
		size += 1 + len(p.Name) + 4 + len(p.Value)
	}
	dst = slices.Grow(dst, size)
	for _, p := range m {
		dst = append(dst, byte(len(p.Name)))
		dst = append(dst, p.Name...)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(p.Value)))
		dst = append(dst, p.Value...)
	}
	return dst
}

// check returns ErrMetadata for properties that can't be written.
func (m Metadata) check() error {
	for i, p := range m {
		if err := m[:i].checkNext(p.Name); err != nil {
			return err
		}
		if len(p.Value) > math.MaxInt32 {
			return fmt.Errorf("%w: value of %s has %d octets", ErrMetadata, p.Name, len(p.Value))
		}
	}
	return nil
}

// ParseMetadata parses what Append writes. It copies data once: names and values are
// parts of that copy.
func ParseMetadata(data []byte) (Metadata, error) {
	var m Metadata
	for rest := string(data); len(rest) > 0; {
		offset := len(data) - len(rest)
		n := int(rest[0])
		if len(rest) < 1+n+4 {
			return nil, fmt.Errorf("%w: cut off in the name at offset %d", ErrMetadata, offset)
		}
		name := rest[1 : 1+n]
		if err := m.checkNext(name); err != nil {
			return nil, fmt.Errorf("%w (at offset %d)", err, offset)
		}
		size := binary.BigEndian.Uint32([]byte(rest[1+n : 1+n+4]))
		rest = rest[1+n+4:]
		if size > math.MaxInt32 || int(size) > len(rest) {
			return nil, fmt.Errorf("%w: value of %s has %d octets, %d are left", ErrMetadata, name, size, len(rest))
		}
		m = append(m, Metadata{{name, rest[:size]}}...)
		rest = rest[size:]
	}
	return m, nil
}

// checkNext refuses a name that is wrong or in m already, or one too many. It compares
// each with each: there are few.
func (m Metadata) checkNext(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if len(m) == MaxProperties {
		return fmt.Errorf("%w: more than %d properties", ErrMetadata, MaxProperties)
	}
	if m.index(name) >= 0 {
		return fmt.Errorf("%w: %s appears twice", ErrMetadata, name)
	}
	return nil
}

// checkName refuses a name that is empty, too long or has another character
// than RFC 23 allows.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("%w: empty name", ErrMetadata)
	}
	if len(name) > math.MaxUint8 {
		return fmt.Errorf("%w: name of %d octets", ErrMetadata, len(name))
	}
	for i := range len(name) {
		c := name[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '+' {
			continue
		}
		return fmt.Errorf("%w: character %q in name %q", ErrMetadata, c, name)
	}
	return nil
}
