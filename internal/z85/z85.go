// Package z85 encodes and decodes Z85 (RFC 32), the text form of CURVE keys. It has
// two implementations. Append and AppendDecoded are for secrets: their time and the
// memory that they read do not depend on the bytes. AppendPublic and
// AppendPublicDecoded look characters up in tables, which is faster.
package z85

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// alphabet holds the 85 characters by value. Z85 writes four bytes, the most
// significant first, as five characters. A 32-byte key is 40 characters.
const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// The reasons in an [Error].
var (
	ErrLength    = errors.New("length does not fit Z85") // bytes: not a multiple of four; characters: of five
	ErrCharacter = errors.New("character is not in the Z85 alphabet")
	ErrOverflow  = errors.New("five characters encode more than 32 bits")
)

// Error says where a text is not Z85. It never quotes the text, which may be a
// secret.
type Error struct {
	Offset int   // where the fault begins, in bytes; for ErrLength, the whole length
	Err    error // ErrLength, ErrCharacter or ErrOverflow
}

func (e *Error) Error() string {
	if e.Err == ErrLength {
		return fmt.Sprintf("%v: %d", e.Err, e.Offset)
	}
	return fmt.Sprintf("%v: at offset %d", e.Err, e.Offset)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Append appends the Z85 form of src to dst. If the length of src is not a multiple of
// four, it returns dst unchanged and an *Error.
func Append(dst, src []byte) ([]byte, error) { return encode(dst, src, secretCharacter) }

// AppendPublic is like Append, for bytes that are not secret.
func AppendPublic(dst, src []byte) ([]byte, error) { return encode(dst, src, publicCharacter) }

// AppendDecoded appends to dst the bytes that the Z85 text src encodes. If src is not
// Z85, it returns dst unchanged and an *Error, and wipes the bytes decoded so far.
func AppendDecoded[T string | []byte](dst []byte, src T) ([]byte, error) {
	return decode(dst, src, secretValue)
}

// AppendPublicDecoded is like AppendDecoded, for a text that is not secret.
func AppendPublicDecoded[T string | []byte](dst []byte, src T) ([]byte, error) {
	return decode(dst, src, publicValue)
}

func encode(dst, src []byte, character func(uint32) byte) ([]byte, error) {
	if len(src)%4 != 0 {
		return dst, &Error{Offset: len(src), Err: ErrLength}
	}
	dst = slices.Grow(dst, len(src)/4*5) // growing later would leave a copy of a secret in the old buffer
	for ; len(src) > 0; src = src[4:] {
		v := binary.BigEndian.Uint32(src)
		dst = append(dst,
			character(v/(85*85*85*85)),
			character(v/(85*85*85)%85),
			character(v/(85*85)%85),
			character(v/85%85),
			character(v%85))
	}
	return dst, nil
}

func decode[T string | []byte](dst []byte, src T, value func(byte) uint32) ([]byte, error) {
	if len(src)%5 != 0 {
		return dst, &Error{Offset: len(src), Err: ErrLength}
	}
	out := slices.Grow(dst, len(src)/5*4) // as in encode
	for i := 0; i < len(src); i += 5 {
		var v uint64
		for j := i; j < i+5; j++ {
			d := value(src[j])
			if d == noValue {
				clear(out[len(dst):])
				return dst, &Error{Offset: j, Err: ErrCharacter}
			}
			v = v*85 + uint64(d)
		}
		if v > 0xFFFFFFFF {
			clear(out[len(dst):])
			return dst, &Error{Offset: i, Err: ErrOverflow}
		}
		out = binary.BigEndian.AppendUint32(out, uint32(v))
	}
	return out, nil
}

// noValue is the value of a character outside the alphabet.
const noValue = 0xFF

// publicCharacter returns the character for a value below 85.
func publicCharacter(v uint32) byte { return alphabet[v] }

// publicValue returns the value of a character, or noValue.
func publicValue(c byte) uint32 { return uint32(values[c]) }

// values is the inverse of alphabet.
var values = func() (v [256]byte) {
	for i := range v {
		v[i] = noValue
	}
	for i := range len(alphabet) {
		v[alphabet[i]] = byte(i)
	}
	return v
}()

// A table indexed by a secret would leave a trace of it in the processor's cache.
// secretCharacter and secretValue therefore compute letters and digits, and compare with
// every other character.
const (
	letters = 10 // the value of "a"; that of "A" is 26 more
	capital = letters + 26
	signs   = capital + 26 // the value of "."
)

// secretCharacter is publicCharacter for a secret.
func secretCharacter(v uint32) byte {
	c := within(v, 0, letters-1) & ('0' + v)
	c |= within(v, letters, capital-1) & ('a' + v - letters)
	c |= within(v, capital, signs-1) & ('A' + v - capital)
	for i := uint32(signs); i < uint32(len(alphabet)); i++ {
		c |= equal(v, i) & uint32(alphabet[i])
	}
	return byte(c)
}

// secretValue is publicValue for a secret. It does not hide that a character is outside
// the alphabet.
func secretValue(character byte) uint32 {
	c := uint32(character)
	v := within(c, '0', '9') & (c - '0' + 1)
	v |= within(c, 'a', 'z') & (c - 'a' + letters + 1)
	v |= within(c, 'A', 'Z') & (c - 'A' + capital + 1)
	for i := uint32(signs); i < uint32(len(alphabet)); i++ {
		v |= equal(c, uint32(alphabet[i])) & (i + 1)
	}
	return (v - 1) & noValue // v is the value plus 1, or still 0
}

// below, within and equal return all ones if the condition holds, and 0 otherwise,
// without a branch. Their arguments are below 2^31.
func below(v, n uint32) uint32          { return uint32(int32(v-n) >> 31) }
func within(v, low, high uint32) uint32 { return ^below(v, low) & below(v, high+1) }
func equal(v, n uint32) uint32          { return below(v^n, 1) }
