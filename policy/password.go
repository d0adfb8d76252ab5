package policy

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/zcurve/zcurve/internal/argon"
	"github.com/zcurve/zcurve/sasl"
)

var (
	errPassword = errors.New(`unknown password hash: must begin with $argon2id$, $2b$ or SCRAM-SHA-256$; "zauth hash" makes one`)
	errUnhashed = fmt.Errorf(`%w: password: unhashed beside a hash: "zauth hash --plain --scram" makes both`, errValue)
	errTwoOfOne = fmt.Errorf("%w: password: expected one hash, one verifier, or one of each", errValue)
	errWork     = fmt.Errorf("%w: hash parameters exceed the limit", errValue)
)

// maxBcryptCost limits the work of one comparison with a bcrypt hash. Package argon has
// the limits for Argon2id.
const maxBcryptCost = 16

// maxBcrypt is the number of bytes of a password that bcrypt compares.
const maxBcrypt = 72

// verifierPrefix begins a SCRAM verifier.
const verifierPrefix = sasl.ScramSHA256 + "$"

// isUnhashed reports whether the password of an account in a file is not hashed. A text that
// looks like a hash counts as one, even if its kind is unknown.
func isUnhashed(s string) bool {
	return s != "" && !strings.HasPrefix(s, "$") && !strings.HasPrefix(strings.ToUpper(s), "SCRAM-SHA-")
}

// hasHash reports whether one of the words of an unhashed password is a hash or a verifier.
func hasHash(s string) bool {
	return slices.ContainsFunc(strings.Fields(s), func(word string) bool {
		_, err := parsePassword(word) // for those of bcrypt: "$2b$" can begin a word of a password
		return err == nil || strings.HasPrefix(word, "$argon2id$") || strings.HasPrefix(word, verifierPrefix)
	})
}

// parseHashes parses an account's hash for PLAIN and its verifier for SCRAM. One of them can
// be missing.
func parseHashes(s string) (p *password, v *sasl.Verifier, err error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return nil, nil, emptyValue("password")
	}
	for _, word := range words {
		switch isVerifier := strings.HasPrefix(word, verifierPrefix); {
		case isVerifier && v != nil, !isVerifier && p != nil:
			return nil, nil, errTwoOfOne
		case isVerifier:
			verifier, err := sasl.ParseVerifier(word)
			if err != nil {
				return nil, nil, fmt.Errorf("%w: password: %s", errValue, strings.TrimPrefix(err.Error(), "sasl: "))
			}
			v = &verifier
		default:
			hash, err := parsePassword(word)
			if err != nil {
				return nil, nil, err
			}
			p = &hash
		}
	}
	return p, v, nil
}

// password is the hash of an account's password; one of the fields is set.
type password struct {
	argon2 *argon2Hash
	bcrypt []byte
}

// argon2Hash is an Argon2id hash (RFC 9106).
type argon2Hash struct {
	argon.Parameters
	salt, hash []byte
}

// encoding encodes salts and hashes.
var encoding = base64.RawStdEncoding.Strict()

// HashPassword returns the Argon2id hash of a password, as a policy file holds it, with
// the second recommended parameters of RFC 9106 (64 MiB of memory, 3 passes) and a random
// salt.
func HashPassword(text []byte) string {
	h := argon2Hash{Parameters: argon.Recommended, salt: make([]byte, 16)}
	rand.Read(h.salt)
	h.hash = h.Key(text, h.salt, 32)
	return h.String()
}

// String returns the hash in its standard text form.
func (h *argon2Hash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$%s$%s$%s", argon.Version, h.Text(","),
		encoding.EncodeToString(h.salt), encoding.EncodeToString(h.hash))
}

// parsePassword parses the hash of a password.
func parsePassword(s string) (p password, err error) {
	switch {
	case strings.HasPrefix(s, "$argon2id$"):
		p.argon2, err = parseArgon2(s)
	case strings.HasPrefix(s, "$2a$"), strings.HasPrefix(s, "$2b$"), strings.HasPrefix(s, "$2y$"):
		cost, costErr := bcrypt.Cost([]byte(s))
		if costErr != nil || len(s) != 60 || strings.ContainsFunc(s[7:], isNoBcrypt) {
			return p, errPassword
		}
		if cost > maxBcryptCost {
			return p, errWork
		}
		p.bcrypt = []byte(s)
	default:
		return p, errPassword
	}
	return p, err
}

// isNoBcrypt reports whether a character is not in bcrypt's alphabet.
func isNoBcrypt(r rune) bool {
	return (r < '.' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') // . and / come before 0
}

// parseArgon2 parses an Argon2id hash.
func parseArgon2(s string) (*argon2Hash, error) {
	fields := strings.Split(s, "$")
	h := new(argon2Hash)
	if len(fields) != 6 || fields[2] != fmt.Sprintf("v=%d", argon.Version) {
		return nil, errPassword
	}
	var ok bool
	if h.Parameters, ok = argon.Parse(fields[3], ","); !ok || !h.IsSound() {
		return nil, errPassword
	}
	if !h.IsWithin(argon.Passwords) {
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
		return subtle.ConstantTimeCompare(p.argon2.Key(text, p.argon2.salt, uint32(len(p.argon2.hash))), p.argon2.hash) == 1
	case p.bcrypt != nil:
		// bcrypt repeats a password, each time with a zero byte after it, up to 72 bytes.
		fits := len(text) <= maxBcrypt && bytes.IndexByte(text, 0) < 0
		return bcrypt.CompareHashAndPassword(p.bcrypt, text[:min(len(text), maxBcrypt)]) == nil && fits
	}
	return false
}

// kind holds the parameters that determine the work of a comparison.
type kind struct {
	argon.Parameters
	size int // of the hash
	cost int // of bcrypt
}

func (p *password) kind() (k kind) {
	switch {
	case p.argon2 != nil:
		k = kind{p.argon2.Parameters, len(p.argon2.hash), 0}
	case p.bcrypt != nil:
		k.cost, _ = bcrypt.Cost(p.bcrypt)
	}
	return k
}
