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
// READY and INITIATE commands (RFC 23, Connection Metadata), or those of the user in a
// ZAP reply. A list that can be sent has at most 64 names, without duplicates.
//
// A name has 1 to 255 letters, digits, "-", "_", "." or "+", and is compared without
// regard to case. A value is any bytes, at most 2^31-1. Plain data: don't change it
// while it is in use.
type Metadata []struct{ Name, Value string }

// MaxProperties is the largest number of names in a list. It bounds memory: the peer
// chooses how many names it sends, and each takes far more memory here than on the wire.
const MaxProperties = 64

// errMetadata means that bytes are not metadata, or that metadata can't be written.
var errMetadata = errors.New("malformed metadata")

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

// reserved are names that libzmq uses for properties of a connection, or that a peer
// sends about itself.
var reserved = [...]string{"User-Id", "Peer-Address", "Socket-Type", "Identity", "Routing-Id", "Resource"}

// IsReserved reports whether a name, in any case, is not allowed in the metadata of a
// reply: User-Id, Peer-Address, Socket-Type, Identity, Routing-Id and Resource have
// another meaning in programs that use libzmq.
func IsReserved(name string) bool {
	for _, r := range reserved {
		if strings.EqualFold(name, r) {
			return true
		}
	}
	return false
}

// Append appends the metadata in wire form to dst: for each name its length in one
// byte, the name, the length of the value in four bytes (network order), and the value.
// If the metadata is invalid, Append returns dst unchanged and an error.
func (m Metadata) Append(dst []byte) ([]byte, error) {
	if err := m.check(); err != nil {
		return dst, fmt.Errorf("zap: %w", err)
	}
	return m.append(dst), nil
}

// append is Append for metadata that is already checked.
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

// check returns errMetadata if the metadata can't be written.
func (m Metadata) check() error {
	for i, p := range m {
		if err := m[:i].checkNext(p.Name); err != nil {
			return err
		}
		if len(p.Value) > math.MaxInt32 {
			return fmt.Errorf("%w: value of %s has %d bytes", errMetadata, p.Name, len(p.Value))
		}
	}
	return nil
}

// ParseMetadata parses the output of Append. It copies data once; names and values refer
// to that copy.
func ParseMetadata(data []byte) (Metadata, error) {
	m, err := parseMetadata(data)
	if err != nil {
		return nil, fmt.Errorf("zap: %w", err)
	}
	return m, nil
}

func parseMetadata(data []byte) (Metadata, error) {
	var m Metadata
	for rest := string(data); len(rest) > 0; {
		offset := len(data) - len(rest)
		n := int(rest[0])
		if len(rest) < 1+n+4 {
			return nil, fmt.Errorf("%w: cut off in the name at offset %d", errMetadata, offset)
		}
		name := rest[1 : 1+n]
		if err := m.checkNext(name); err != nil {
			return nil, fmt.Errorf("%w (at offset %d)", err, offset)
		}
		size := binary.BigEndian.Uint32([]byte(rest[1+n : 1+n+4]))
		rest = rest[1+n+4:]
		if size > math.MaxInt32 || int(size) > len(rest) {
			return nil, fmt.Errorf("%w: value of %s has %d bytes, %d are left", errMetadata, name, size, len(rest))
		}
		m = append(m, Metadata{{name, rest[:size]}}...)
		rest = rest[size:]
	}
	return m, nil
}

// checkNext checks the name to be added to m. It compares it with all others, since there
// are few.
func (m Metadata) checkNext(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if len(m) == MaxProperties {
		return fmt.Errorf("%w: more than %d properties", errMetadata, MaxProperties)
	}
	if m.index(name) >= 0 {
		return fmt.Errorf("%w: %s appears twice", errMetadata, name)
	}
	return nil
}

// checkName returns errMetadata for a name that RFC 23 does not allow.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("%w: empty name", errMetadata)
	}
	if len(name) > math.MaxUint8 {
		return fmt.Errorf("%w: name of %d bytes", errMetadata, len(name))
	}
	for i := range len(name) {
		c := name[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '+' {
			continue
		}
		return fmt.Errorf("%w: character %q in name %q", errMetadata, c, name)
	}
	return nil
}
