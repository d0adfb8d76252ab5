package curve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Z85 (RFC 32) writes four octets as five printable characters, the most
// significant first. A 32-octet key is 40 characters.
const z85Alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// The ways in which a text can fail to be Z85. They come wrapped in a
// [*Z85Error], which says where.
var (
	// ErrZ85Length means that the octets are no multiple of four, or the
	// characters no multiple of five.
	ErrZ85Length = errors.New("length does not fit Z85")
	// ErrZ85Character means that a character is not in the Z85 alphabet.
	ErrZ85Character = errors.New("character is not in the Z85 alphabet")
	// ErrZ85Overflow means that five characters stand for more than 32 bits.
	ErrZ85Overflow = errors.New("five characters stand for more than 32 bits")
)

// Z85Error says where a text fails to be Z85. It never quotes the text, which
// may be a secret.
type Z85Error struct {
	Offset int   // octet at which the fault begins; the whole length for ErrZ85Length
	Err    error // ErrZ85Length, ErrZ85Character or ErrZ85Overflow
}

func (e *Z85Error) Error() string {
	if e.Err == ErrZ85Length {
		return fmt.Sprintf("curve: z85: %v: %d", e.Err, e.Offset)
	}
	return fmt.Sprintf("curve: z85: %v: at offset %d", e.Err, e.Offset)
}

// Unwrap returns the kind of fault.
func (e *Z85Error) Unwrap() error { return e.Err }

// AppendZ85 appends the Z85 form of src to dst (RFC 32). The length of src
// must be a multiple of four; if it isn't, dst comes back unchanged with a
// *Z85Error of ErrZ85Length. It is for secrets too: neither its time nor the memory
// that it looks at depends on what is encoded.
func AppendZ85(dst, src []byte) ([]byte, error) {
	if len(src)%4 != 0 {
		return dst, &Z85Error{Offset: len(src), Err: ErrZ85Length}
	}
	return appendEncoded(dst, src, secretCharacter), nil
}

// AppendZ85Decoded appends to dst the octets that the Z85 text src stands for
// (RFC 32). The length of src must be a multiple of five. On a *Z85Error dst
// comes back unchanged, and nothing of what was decoded is left in memory. It is for
// secrets too, as AppendZ85 is.
func AppendZ85Decoded[T string | []byte](dst []byte, src T) ([]byte, error) {
	return appendDecoded(dst, src, secretValue)
}

// appendEncoded appends the Z85 form of src, whose length is a multiple of four.
func appendEncoded(dst, src []byte, character func(uint32) byte) []byte {
	dst = slices.Grow(dst, len(src)/4*5) // no copy is left behind
	for ; len(src) > 0; src = src[4:] {
		v := binary.BigEndian.Uint32(src)
		dst = append(dst,
			character(v/(85*85*85*85)),
			character(v/(85*85*85)%85),
			character(v/(85*85)%85),
			character(v/85%85),
			character(v%85))
	}
	return dst
}

// appendDecoded is AppendZ85Decoded by a function that gives a character's value.
func appendDecoded[T string | []byte](dst []byte, src T, value func(byte) uint32) ([]byte, error) {
	if len(src)%5 != 0 {
		return dst, &Z85Error{Offset: len(src), Err: ErrZ85Length}
	}
	out := slices.Grow(dst, len(src)/5*4) // no copy is left behind
	for i := 0; i < len(src); i += 5 {
		var v uint64
		for j := i; j < i+5; j++ {
			d := value(src[j])
			if d == noValue {
				clear(out[len(dst):])
				return dst, &Z85Error{Offset: j, Err: ErrZ85Character}
			}
			v = v*85 + uint64(d)
		}
		if v > 0xFFFFFFFF {
			clear(out[len(dst):])
			return dst, &Z85Error{Offset: i, Err: ErrZ85Overflow}
		}
		out = binary.BigEndian.AppendUint32(out, uint32(v))
	}
	return out, nil
}

// noValue is what a character that isn't in the alphabet has.
const noValue = 0xFF

// publicCharacter returns the character of a value below 85, by the table.
func publicCharacter(v uint32) byte { return z85Alphabet[v] }

// publicValue returns the value of a character, by a table.
func publicValue(c byte) uint32 { return uint32(z85Values[c]) }

// z85Values maps a character to its value, noValue where there is none.
var z85Values = func() (v [256]byte) {
	for i := range v {
		v[i] = noValue
	}
	for i := range len(z85Alphabet) {
		v[z85Alphabet[i]] = byte(i)
	}
	return v
}()

// The same for secrets: a table indexed by a secret would leave a trace of it in the
// processor's cache. Letters and digits are computed; the other characters are all
// looked at, and the right one is kept.
const (
	letters = 10 // the value of "a"; of "A" it is 26 more
	capital = letters + 26
	signs   = capital + 26 // the value of "."
)

// secretCharacter is publicCharacter for a secret.
func secretCharacter(v uint32) byte {
	c := within(v, 0, letters-1) & ('0' + v)
	c |= within(v, letters, capital-1) & ('a' + v - letters)
	c |= within(v, capital, signs-1) & ('A' + v - capital)
	for i := uint32(signs); i < uint32(len(z85Alphabet)); i++ {
		c |= equal(v, i) & uint32(z85Alphabet[i])
	}
	return byte(c)
}

// secretValue is publicValue for a secret. That a character isn't in the alphabet is
// no secret.
func secretValue(character byte) uint32 {
	c := uint32(character)
	v := within(c, '0', '9') & (c - '0' + 1)
	v |= within(c, 'a', 'z') & (c - 'a' + letters + 1)
	v |= within(c, 'A', 'Z') & (c - 'A' + capital + 1)
	for i := uint32(signs); i < uint32(len(z85Alphabet)); i++ {
		v |= equal(c, uint32(z85Alphabet[i])) & (i + 1)
	}
	return (v - 1) & noValue // none is 0 so far
}

// below, within and equal return all ones if it is so, and else 0. Their arguments are
// below 2^31.
func below(v, n uint32) uint32          { return uint32(int32(v-n) >> 31) }
func within(v, low, high uint32) uint32 { return ^below(v, low) & below(v, high+1) }
func equal(v, n uint32) uint32          { return below(v^n, 1) }
