package sasl

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxText is the maximum size, in bytes, of a decoded user name and of one side's nonce.
const maxText = 255

var (
	errAttribute = fmt.Errorf("%w: malformed or unexpected SCRAM attribute", ErrProtocol)
	errMandatory = fmt.Errorf("%w: unsupported mandatory SCRAM extension", ErrProtocol)
	errHeader    = fmt.Errorf("%w: malformed GS2 header", ErrProtocol)
	errEscape    = fmt.Errorf("%w: malformed user name", ErrProtocol)
	errNonce     = fmt.Errorf("%w: malformed or wrong nonce", ErrProtocol)
	errBase64    = fmt.Errorf("%w: malformed base64, or wrong length", ErrProtocol)
	errCount     = fmt.Errorf("%w: %w", ErrProtocol, errIterations)
	errSaltSize  = fmt.Errorf("%w: %w", ErrProtocol, errSalt)
	errReported  = fmt.Errorf("%w: server sent a SCRAM error", ErrProtocol)
)

// attributes is the unread rest of a SCRAM message (RFC 5802, section 7).
type attributes struct {
	rest string
	more bool
}

// next reads an attribute: a letter, "=" and a value that is not empty.
func (a *attributes) next() (name byte, value string, err error) {
	part, rest, more := strings.Cut(a.rest, ",")
	ok := a.more && len(part) >= 3 && part[1] == '=' && ('A' <= part[0] && part[0] <= 'Z' || 'a' <= part[0] && part[0] <= 'z')
	a.rest, a.more = rest, more
	if !ok || !utf8.ValidString(part) || strings.IndexByte(part, 0) >= 0 {
		return 0, "", errAttribute
	}
	return part[0], part[2:], nil
}

// take reads an attribute, which must have this name.
func (a *attributes) take(name byte) (string, error) {
	got, value, err := a.next()
	if err == nil && got == 'm' {
		err = errMandatory
	} else if err == nil && got != name {
		err = errAttribute
	}
	return value, err
}

// extension reads an attribute that RFC 5802 does not define. Receivers ignore those that
// they don't know.
func (a *attributes) extension() (name byte, value string, err error) {
	name, value, err = a.next()
	if err == nil && name == 'm' {
		err = errMandatory
	} else if err == nil && strings.IndexByte("anrcsipve", name) >= 0 {
		err = errAttribute
	}
	return name, value, err
}

// end reads the rest, which must consist of extensions.
func (a *attributes) end() error {
	for a.more {
		if _, _, err := a.extension(); err != nil {
			return err
		}
	}
	return nil
}

// clientFirst is the first message of a client.
type clientFirst struct {
	header  string // the GS2 header, with both commas
	flag    byte   // of the channel binding: n, y or p
	binding string // the type of the channel binding, if flag is p
	authzID string // the user to act as, or empty
	login   string
	nonce   string
	bare    string // the message without the header
}

func parseClientFirst(message string) (m clientFirst, err error) {
	flag, rest, ok1 := strings.Cut(message, ",")
	authz, bare, ok2 := strings.Cut(rest, ",")
	name, binding, typed := strings.Cut(flag, "=")
	if !ok1 || !ok2 || len(name) != 1 || strings.IndexByte("nyp", name[0]) < 0 || typed != (name == "p") || typed && !isBindingName(binding) {
		return m, errHeader
	}
	m.header, m.flag, m.binding, m.bare = message[:len(message)-len(bare)], name[0], binding, bare
	if authz != "" {
		a := attributes{authz, true}
		text, err := a.take('a')
		if err != nil {
			return m, errHeader
		}
		if m.authzID, err = parseName(text); err != nil {
			return m, err
		}
	}
	a := attributes{bare, true}
	text, err := a.take('n')
	if err != nil {
		return m, err
	}
	if m.login, err = parseName(text); err != nil {
		return m, err
	}
	if m.nonce, err = a.take('r'); err != nil {
		return m, err
	}
	if !isNonce(m.nonce, maxText) {
		return m, errNonce
	}
	return m, a.end()
}

// serverFirst is the first message of a server.
type serverFirst struct {
	nonce      string
	salt       []byte
	iterations int
	offer      string // hash of the offer in base64, or empty
}

func parseServerFirst(message string) (m serverFirst, err error) {
	a := attributes{message, true}
	if m.nonce, err = a.take('r'); err != nil {
		return m, err
	}
	if !isNonce(m.nonce, 2*maxText) {
		return m, errNonce
	}
	salt, err := a.take('s')
	if err != nil {
		return m, err
	}
	var ok bool
	if m.salt, ok = decode(salt); !ok {
		return m, errBase64
	}
	if len(m.salt) < minSalt || len(m.salt) > maxSalt {
		return m, errSaltSize
	}
	count, err := a.take('i')
	if err != nil {
		return m, err
	}
	if !isNumber(count) {
		return m, errAttribute
	}
	if m.iterations, ok = parseIterations(count); !ok {
		return m, errCount
	}
	for a.more {
		name, value, err := a.extension()
		if err != nil {
			return m, err
		}
		if name == 'h' {
			if m.offer != "" {
				return m, errAttribute
			}
			m.offer = value
		}
	}
	return m, nil
}

// clientFinal is the last message of a client.
type clientFinal struct {
	binding      []byte // the GS2 header and the channel binding
	nonce        string
	proof        [sha256.Size]byte
	withoutProof string // the message without its last attribute
}

func parseClientFinal(message string) (m clientFinal, err error) {
	a := attributes{message, true}
	binding, err := a.take('c')
	if err != nil {
		return m, err
	}
	var ok bool
	if m.binding, ok = decode(binding); !ok {
		return m, errBase64
	}
	if m.nonce, err = a.take('r'); err != nil {
		return m, err
	}
	for !strings.HasPrefix(a.rest, "p=") {
		if _, _, err := a.extension(); err != nil {
			return m, err
		}
	}
	m.withoutProof = message[:len(message)-len(a.rest)-len(",")]
	proof, err := a.take('p')
	if err != nil {
		return m, err
	}
	if a.more {
		return m, errAttribute
	}
	return m, decodeHash(&m.proof, proof)
}

// parseServerFinal returns the signature in the last message of a server.
func parseServerFinal(message string) (signature [sha256.Size]byte, err error) {
	a := attributes{message, true}
	name, value, err := a.next()
	switch {
	case err != nil:
		return signature, err
	case name == 'e':
		return signature, errReported
	case name != 'v':
		return signature, errAttribute
	}
	if err := decodeHash(&signature, value); err != nil {
		return signature, err
	}
	return signature, a.end()
}

// decodeHash decodes the base64 of 32 bytes.
func decodeHash(sum *[sha256.Size]byte, text string) error {
	b, ok := decode(text)
	if !ok || len(b) != len(sum) {
		return errBase64
	}
	copy(sum[:], b)
	return nil
}

var escapeName = strings.NewReplacer(",", "=2C", "=", "=3D")

// parseName returns a name whose "," and "=" are escaped in value.
func parseName(value string) (string, error) {
	var b strings.Builder
	for before, rest, found := strings.Cut(value, "="); ; before, rest, found = strings.Cut(rest, "=") {
		b.WriteString(before)
		switch {
		case !found:
			if b.Len() > maxText {
				return "", errEscape
			}
			return b.String(), nil
		case strings.HasPrefix(rest, "2C"):
			b.WriteByte(',')
		case strings.HasPrefix(rest, "3D"):
			b.WriteByte('=')
		default:
			return "", errEscape
		}
		rest = rest[2:]
	}
}

// isNonce reports whether s is printable ASCII without spaces and commas, and has at most this
// many bytes.
func isNonce(s string, most int) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ',' {
			return false
		}
	}
	return s != "" && len(s) <= most
}

// isBindingName reports whether s can be the name of a channel binding type.
func isBindingName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return s != ""
}
