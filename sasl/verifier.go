package sasl

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xdg-go/stringprep"
	"github.com/zcurve/zcurve/internal/hidden"
)

// Bounds of a verifier. A client has the same bounds: few iterations make its password easy
// to guess, and many keep it busy.
const (
	newIterations = 600_000 // of a new verifier
	minIterations = 4096    // RFC 7677, section 4
	maxIterations = 2_000_000
	newSalt       = 16 // bytes
	minSalt       = 8
	maxSalt       = 64
)

var (
	errVerifier   = errors.New("malformed SCRAM verifier: must be SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY")
	errIterations = fmt.Errorf("number of iterations of a SCRAM verifier must be %d to %d", minIterations, maxIterations)
	errSalt       = fmt.Errorf("salt of a SCRAM verifier must have %d to %d bytes", minSalt, maxSalt)
	errPassword   = errors.New("password is empty, not UTF-8, or has characters that SASLprep prohibits")
)

// A Verifier lets a server check a password by SCRAM-SHA-256: a salt, a number of iterations,
// and two keys derived from the password (RFC 5802, section 3; RFC 7677). Someone who steals
// it can guess passwords and impersonate the server. To log in, they must also record a login
// of the client (RFC 5802, section 9). It prints without its keys. Safe for concurrent use.
type Verifier struct {
	iterations int
	salt       []byte
	keys       *hidden.Bytes // StoredKey and ServerKey
}

// NewVerifier returns the verifier of a password in UTF-8, with 600,000 iterations and a
// random salt of 16 bytes. It returns an error if the password is empty, or has characters
// that SASLprep (RFC 4013) prohibits, such as control characters and everything newer than
// Unicode 3.2, for example emoji. It takes about 0.2 seconds.
func NewVerifier(password []byte) (Verifier, error) {
	prepared, ok := prepare(string(password))
	if !ok {
		return Verifier{}, fmt.Errorf("sasl: %w", errPassword)
	}
	salt := make([]byte, newSalt)
	rand.Read(salt)
	return derive(prepared, salt, newIterations)
}

// derive returns the verifier of a prepared password.
func derive(password string, salt []byte, iterations int) (Verifier, error) {
	salted, err := saltedPassword(password, salt, iterations)
	if err != nil {
		return Verifier{}, err
	}
	defer clear(salted[:])
	client, server := salted.clientKey(), salted.serverKey()
	defer clear(client[:])
	stored := sha256.Sum256(client[:])
	return Verifier{iterations, salt, hidden.New(append(stored[:], server[:]...))}, nil
}

// ParseVerifier parses a verifier as [Verifier.Encode] writes it. It returns an error for
// fewer than 4,096 or more than 2,000,000 iterations, and for a salt of fewer than 8 or more
// than 64 bytes. The error does not contain the text.
func ParseVerifier(text string) (Verifier, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 3 || parts[0] != ScramSHA256 {
		return Verifier{}, fmt.Errorf("sasl: %w", errVerifier)
	}
	count, saltText, ok1 := strings.Cut(parts[1], ":")
	storedText, serverText, ok2 := strings.Cut(parts[2], ":")
	salt, ok3 := decode(saltText)
	stored, ok4 := decode(storedText)
	server, ok5 := decode(serverText)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !isNumber(count) || len(stored) != sha256.Size || len(server) != sha256.Size {
		return Verifier{}, fmt.Errorf("sasl: %w", errVerifier)
	}
	n, ok := parseIterations(count)
	if !ok {
		return Verifier{}, fmt.Errorf("sasl: %w", errIterations)
	}
	if len(salt) < minSalt || len(salt) > maxSalt {
		return Verifier{}, fmt.Errorf("sasl: %w", errSalt)
	}
	return Verifier{n, salt, hidden.New(append(stored, server...))}, nil
}

// Encode returns the verifier as text, in the scheme of RFC 5803 as PostgreSQL writes it:
//
//	SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY
//
// The last three are in base64. Keep the text secret.
func (v Verifier) Encode() string {
	stored, server := v.reveal()
	return fmt.Sprintf("%s$%d:%s$%s:%s", ScramSHA256, v.iterations, encode(v.salt), encode(stored), encode(server))
}

// Iterations returns the number of iterations, or 0 for the zero Verifier.
func (v Verifier) Iterations() int { return v.iterations }

// Matches reports whether a ClientKey (RFC 5802, section 3) is derived from the password of
// this verifier, in constant time. The zero Verifier and decoys match none.
func (v Verifier) Matches(clientKey []byte) bool {
	stored, _ := v.reveal()
	sum := sha256.Sum256(clientKey)
	return subtle.ConstantTimeCompare(sum[:], stored) == 1
}

// Decoy returns a verifier for a login that does not exist. It matches no password. It has as
// many iterations and as large a salt as v, or as NewVerifier makes if v is the zero Verifier.
// The salt is always the same for the same key and login. So without the key, nobody can tell
// the decoy from the verifier of an account.
func (v Verifier) Decoy(key [32]byte, login string) Verifier {
	n, size := v.iterations, len(v.salt)
	if v.keys == nil {
		n, size = newIterations, newSalt
	}
	derived, err := hkdf.Expand(sha256.New, key[:], login, size+2*sha256.Size)
	if err != nil { // only for more bytes than 255 hashes have
		return Verifier{} // which a Server refuses
	}
	return Verifier{n, derived[:size:size], hidden.New(derived[size:])}
}

// reveal returns StoredKey and ServerKey, which are empty in the zero Verifier.
func (v Verifier) reveal() (stored, server []byte) {
	keys := v.keys.Reveal()
	return keys[:len(keys)/2], keys[len(keys)/2:]
}

// salted is SaltedPassword of RFC 5802, section 3.
type salted [sha256.Size]byte

// saltedPassword derives a key from a prepared password. This is the slow step.
func saltedPassword(password string, salt []byte, iterations int) (s salted, err error) {
	key, err := pbkdf2.Key(sha256.New, password, salt, iterations, len(s))
	copy(s[:], key)
	clear(key)
	return s, err
}

func (s *salted) clientKey() [sha256.Size]byte { return sign(s[:], "Client Key") }
func (s *salted) serverKey() [sha256.Size]byte { return sign(s[:], "Server Key") }

// sign returns HMAC-SHA-256.
func sign(key []byte, text string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	mac.Sum(sum[:0])
	return sum
}

// prepare applies SASLprep (RFC 4013) for stored strings, as RFC 5802, section 2.2, says. It
// returns ok in place of package stringprep's error, which contains a character of the text.
// Bytes that are not UTF-8 become U+FFFD, which is prohibited.
func prepare(text string) (prepared string, ok bool) {
	prepared, err := stringprep.SASLprep.Prepare(text)
	return prepared, err == nil && prepared != ""
}

// isNumber reports whether s is a positive decimal number as in RFC 5802, section 7.
func isNumber(s string) bool {
	return s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

// parseIterations returns the number of iterations, if it is within bounds.
func parseIterations(s string) (n int, ok bool) {
	n, err := strconv.Atoi(s)
	return n, isNumber(s) && err == nil && n >= minIterations && n <= maxIterations
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// decode decodes base64 as encode writes it. The decoder alone would ignore line breaks.
func decode(s string) (b []byte, ok bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil && len(s) == base64.StdEncoding.EncodedLen(len(b))
}
