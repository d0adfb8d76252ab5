package zap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Property is one name and value of a connection's metadata.
type Property struct {
	Name  string // 1 to 255 letters, digits, "-", "_", "." or "+"; compares case-insensitively
	Value []byte // any octets, at most 2^31-1
}

// Metadata is a list of properties, in ZMTP's form in a READY or INITIATE
// command (RFC 23, Connection Metadata) and in a ZAP reply. It has at most
// MaxProperties. No name appears twice, in whatever case: two readers could take
// different ones for the truth.
type Metadata []Property

// MaxProperties is how many properties a list can have. The other side chooses how
// many it sends, and each takes far more memory here than on the wire.
const MaxProperties = 64

// ErrMetadata means that octets are no list of properties, or a property can't
// be written.
var ErrMetadata = errors.New("zap: malformed metadata")

// Get returns the value of the first property of that name, whatever its case.
func (m Metadata) Get(name string) (value []byte, ok bool) {
	for _, p := range m {
		if strings.EqualFold(p.Name, name) {
			return p.Value, true
		}
	}
	return nil, false
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

// ParseMetadata reads what Append writes, or returns ErrMetadata. The values are
// parts of data, not copies.
func ParseMetadata(data []byte) (Metadata, error) {
	var m Metadata
	for rest := data; len(rest) > 0; {
		offset := len(data) - len(rest)
		n := int(rest[0])
		if len(rest) < 1+n+4 {
			return nil, fmt.Errorf("%w: cut off in the name at offset %d", ErrMetadata, offset)
		}
		name := string(rest[1 : 1+n])
		if err := m.checkNext(name); err != nil {
			return nil, fmt.Errorf("%w (at offset %d)", err, offset)
		}
		size := binary.BigEndian.Uint32(rest[1+n:])
		rest = rest[1+n+4:]
		if size > math.MaxInt32 || int(size) > len(rest) {
			return nil, fmt.Errorf("%w: value of %s has %d octets, %d are left", ErrMetadata, name, size, len(rest))
		}
		m = append(m, Property{Name: name, Value: rest[:size:size]})
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
	if _, ok := m.Get(name); ok {
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
