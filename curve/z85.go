package curve

import (
	"encoding/binary"
	"errors"
	"fmt"
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

// z85Values maps a character to its value, 0xFF where there is none.
var z85Values = func() (v [256]byte) {
	for i := range v {
		v[i] = 0xFF
	}
	for i := range len(z85Alphabet) {
		v[z85Alphabet[i]] = byte(i)
	}
	return v
}()

// AppendZ85 appends the Z85 form of src to dst (RFC 32). The length of src
// must be a multiple of four; if it isn't, dst comes back unchanged with a
// *Z85Error of ErrZ85Length.
func AppendZ85(dst, src []byte) ([]byte, error) {
	if len(src)%4 != 0 {
		return dst, &Z85Error{Offset: len(src), Err: ErrZ85Length}
	}
	for ; len(src) > 0; src = src[4:] {
		v := binary.BigEndian.Uint32(src)
		dst = append(dst,
			z85Alphabet[v/(85*85*85*85)],
			z85Alphabet[v/(85*85*85)%85],
			z85Alphabet[v/(85*85)%85],
			z85Alphabet[v/85%85],
			z85Alphabet[v%85])
	}
	return dst, nil
}

// AppendZ85Decoded appends to dst the octets that the Z85 text src stands for
// (RFC 32). The length of src must be a multiple of five. On a *Z85Error dst
// comes back unchanged.
func AppendZ85Decoded[T string | []byte](dst []byte, src T) ([]byte, error) {
	if len(src)%5 != 0 {
		return dst, &Z85Error{Offset: len(src), Err: ErrZ85Length}
	}
	out := dst
	for i := 0; i < len(src); i += 5 {
		var v uint64
		for j := i; j < i+5; j++ {
			d := z85Values[src[j]]
			if d == 0xFF {
				return dst, &Z85Error{Offset: j, Err: ErrZ85Character}
			}
			v = v*85 + uint64(d)
		}
		if v > 0xFFFFFFFF {
			return dst, &Z85Error{Offset: i, Err: ErrZ85Overflow}
		}
		out = binary.BigEndian.AppendUint32(out, uint32(v))
	}
	return out, nil
}
