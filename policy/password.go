package policy

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

var (
	errPassword = errors.New(`unknown password hash: must begin with $argon2id$ or $2b$; "zauth hash" makes one`)
	errWork     = fmt.Errorf("%w: hash parameters exceed the limit", errValue)
)

// Limits of the work that one comparison with a hash may take.
const (
	maxPasswordMemory = 1 << 20 // KiB
	maxPasswordPasses = 16
	maxPasswordLanes  = 16
	maxBcryptCost     = 16
)

// maxBcrypt is the number of bytes of a password that bcrypt compares.
const maxBcrypt = 72

// password is the hash of an account's password: one of these.
type password struct {
	argon2 *argon2Hash
	bcrypt []byte
}

// argon2Hash is an Argon2id hash (RFC 9106).
type argon2Hash struct {
	memory, passes uint32 // memory in KiB
	lanes          uint8
	salt, hash     []byte
}

// encoding encodes salts and hashes.
var encoding = base64.RawStdEncoding.Strict()

// HashPassword returns the Argon2id hash of a password, as a policy has it: with the second
// recommended parameters of RFC 9106 (64 MiB of memory, 3 passes) and a random salt.
func HashPassword(text []byte) string {
	h := argon2Hash{memory: 64 << 10, passes: 3, lanes: 4, salt: make([]byte, 16)}
	rand.Read(h.salt)
	h.hash = h.of(text, 32)
	return h.String()
}

// String returns the hash in its standard text form.
func (h *argon2Hash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.lanes,
		encoding.EncodeToString(h.salt), encoding.EncodeToString(h.hash))
}

func (h *argon2Hash) of(text []byte, size uint32) []byte {
	return argon2.IDKey(text, h.salt, h.passes, h.memory, h.lanes, size)
}

// parsePassword parses the hash of a password.
func parsePassword(s string) (p password, err error) {
	switch {
	case strings.HasPrefix(s, "$argon2id$"):
		p.argon2, err = parseArgon2(s)
	case strings.HasPrefix(s, "$2a$"), strings.HasPrefix(s, "$2b$"), strings.HasPrefix(s, "$2y$"):
		cost, costErr := bcrypt.Cost([]byte(s))
		if costErr != nil || len(s) != 60 {
			return p, errPassword
		}
		if cost > maxBcryptCost {
			return p, errWork
		}
		p.bcrypt = []byte(s)
	case s == "":
		return p, emptyValue("password")
	default:
		return p, errPassword
	}
	return p, err
}

// parseArgon2 parses an Argon2id hash.
func parseArgon2(s string) (*argon2Hash, error) {
	fields := strings.Split(s, "$")
	h := new(argon2Hash)
	if len(fields) != 6 || fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return nil, errPassword
	}
	if n, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.lanes); n != 3 || err != nil ||
		fields[3] != fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.passes, h.lanes) {
		return nil, errPassword
	}
	if h.passes < 1 || h.lanes < 1 || h.memory < 8*uint32(h.lanes) {
		return nil, errPassword
	}
	if h.memory > maxPasswordMemory || h.passes > maxPasswordPasses || h.lanes > maxPasswordLanes {
		return nil, errWork
	}
	var err1, err2 error
	h.salt, err1 = encoding.DecodeString(fields[4])
	h.hash, err2 = encoding.DecodeString(fields[5])
	if err1 != nil || err2 != nil || len(h.salt) < 8 || len(h.salt) > 64 || len(h.hash) < 16 || len(h.hash) > 64 {
		return nil, errPassword
	}
	return h, nil
}

// matches reports whether a password has this hash, in constant time.
func (p *password) matches(text []byte) bool {
	switch {
	case p.argon2 != nil:
		return subtle.ConstantTimeCompare(p.argon2.of(text, uint32(len(p.argon2.hash))), p.argon2.hash) == 1
	case p.bcrypt != nil:
		// bcrypt repeats a password, each time with a zero byte after it, up to 72 bytes.
		fits := len(text) <= maxBcrypt && bytes.IndexByte(text, 0) < 0
		return bcrypt.CompareHashAndPassword(p.bcrypt, text[:min(len(text), maxBcrypt)]) == nil && fits
	}
	return false
}

// kind has the parameters on which the work of a comparison depends.
type kind struct {
	memory, passes uint32
	lanes          uint8
	size           int // of the hash
	cost           int // of bcrypt
}

func (p *password) kind() (k kind) {
	switch {
	case p.argon2 != nil:
		k = kind{p.argon2.memory, p.argon2.passes, p.argon2.lanes, len(p.argon2.hash), 0}
	case p.bcrypt != nil:
		k.cost, _ = bcrypt.Cost(p.bcrypt)
	}
	return k
}
