// Package argon holds the parameters of Argon2id (RFC 9106) and their bounds, for locked
// secret keys (package cert) and for the passwords of accounts (package policy).
package argon

import (
	"fmt"

	"golang.org/x/crypto/argon2"
)

// Version is the version of Argon2 in texts.
const Version = argon2.Version

// Parameters say how much memory and time a computation takes.
type Parameters struct {
	Memory uint32 // KiB
	Passes uint32
	Lanes  uint8
}

// Recommended is the second recommended option of RFC 9106, section 4.
var Recommended = Parameters{Memory: 64 << 10, Passes: 3, Lanes: 4}

// Bounds limit the parameters in a file. They apply before a passphrase or password has
// been checked.
type Bounds struct {
	Memory uint32 // KiB
	Passes uint32 // 0 means that only Work limits them
	Work   uint64 // KiB times passes
	Lanes  uint8
}

var (
	// Locks bounds the cost of unlocking: a few seconds at most.
	Locks = Bounds{Memory: 1 << 20, Work: 4 << 20, Lanes: 64}
	// Passwords bounds the comparison of a password with a hash.
	Passwords = Bounds{Memory: 1 << 20, Passes: 16, Work: 16 << 20, Lanes: 16}
)

// Text returns the parameters as "m=65536 t=3 p=4", with the separator between them.
func (p Parameters) Text(separator string) string {
	return fmt.Sprintf("m=%d%st=%d%sp=%d", p.Memory, separator, p.Passes, separator, p.Lanes)
}

// Parse parses the output of Text, and no other form.
func Parse(text, separator string) (p Parameters, ok bool) {
	n, err := fmt.Sscanf(text, "m=%d"+separator+"t=%d"+separator+"p=%d", &p.Memory, &p.Passes, &p.Lanes)
	return p, n == 3 && err == nil && p.Text(separator) == text
}

// IsSound reports whether Argon2 can compute with these parameters.
func (p Parameters) IsSound() bool {
	return p.Passes >= 1 && p.Lanes >= 1 && p.Memory >= 8*uint32(p.Lanes)
}

// IsWithin reports whether the parameters are within bounds.
func (p Parameters) IsWithin(b Bounds) bool {
	return p.Memory <= b.Memory && p.Lanes <= b.Lanes && (b.Passes == 0 || p.Passes <= b.Passes) &&
		uint64(p.Memory)*uint64(p.Passes) <= b.Work
}

// Key derives a key of size bytes from a passphrase or password.
func (p Parameters) Key(secret, salt []byte, size uint32) []byte {
	return argon2.IDKey(secret, salt, p.Passes, p.Memory, p.Lanes, size)
}
