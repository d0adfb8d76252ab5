package cert

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/nacl/secretbox"

	"github.com/zcurve/zcurve/internal/argon"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
)

// errLockLimit protects those who unlock a file of somebody else.
var errLockLimit = errors.New("locking parameters exceed the memory or time limit")

// Sizes of a locked secret key, in bytes.
const (
	lockedSecretSize = 32
	lockSaltSize     = 16
	lockSumSize      = 8
	lockBoxSize      = lockedSecretSize + sha256.Size + secretbox.Overhead
)

// schemeName begins every scheme.
const schemeName = "argon2id "

// lockedKey is a secret key under a passphrase.
type lockedKey struct {
	parameters argon.Parameters
	salt       [lockSaltSize]byte
	box        [lockBoxSize]byte // the secret key, and a digest of the rest of the file
}

// scheme returns how the passphrase becomes a key, with the parameters, and whether there
// is a locked key.
func (l *lockedKey) scheme() (scheme string, ok bool) {
	if l == nil {
		return "", false
	}
	return schemeName + l.parameters.Text(" "), true
}

// parseScheme reads a scheme.
func parseScheme(s string) (argon.Parameters, error) {
	text, hasName := strings.CutPrefix(s, schemeName)
	p, ok := argon.Parse(text, " ")
	switch {
	case !hasName || !ok:
		return p, fmt.Errorf("%w: expected a scheme such as %q", errScheme, schemeName+argon.Recommended.Text(" "))
	case !p.IsSound():
		return p, fmt.Errorf("%w: less than Argon2 needs", errScheme)
	case !p.IsWithin(argon.Locks):
		return p, errLockLimit
	}
	return p, nil
}

// key returns the key for a passphrase. Each has its own salt, and so encrypts one box
// only.
func (l *lockedKey) key(passphrase []byte) *[32]byte {
	return (*[32]byte)(l.parameters.Key(passphrase, l.salt[:], 32))
}

// sum returns the checksum that tells damage from a wrong passphrase.
func (l *lockedKey) sum() []byte {
	h := sha256.New()
	scheme, _ := l.scheme()
	fmt.Fprintf(h, "%s\n", scheme)
	h.Write(l.salt[:])
	h.Write(l.box[:])
	return h.Sum(nil)[:lockSumSize]
}

// lock encrypts secret with a passphrase, and binds it to the rest of the file.
func lock(secret *[lockedSecretSize]byte, rest, passphrase []byte, p argon.Parameters) (*lockedKey, error) {
	if len(passphrase) == 0 {
		return nil, errNoPassphrase
	}
	l := &lockedKey{parameters: p}
	rand.Read(l.salt[:])
	digest := sha256.Sum256(rest)
	plain := append(secret[:len(secret):len(secret)], digest[:]...)
	defer clear(plain)
	key := l.key(passphrase)
	defer clear(key[:])
	secretbox.Seal(l.box[:0], plain, new([24]byte), key)
	return l, nil
}

// unlock returns the secret. The caller clears it.
func (l *lockedKey) unlock(rest, passphrase []byte) (*[lockedSecretSize]byte, error) {
	key := l.key(passphrase)
	defer clear(key[:])
	plain, ok := secretbox.Open(nil, l.box[:], new([24]byte), key)
	if !ok {
		return nil, ErrPassphrase
	}
	defer clear(plain)
	digest := sha256.Sum256(rest)
	if subtle.ConstantTimeCompare(plain[lockedSecretSize:], digest[:]) != 1 {
		return nil, errLockedChanged
	}
	secret := new([lockedSecretSize]byte)
	copy(secret[:], plain)
	return secret, nil
}

// node returns the section locked, or nil.
func (l *lockedKey) node() *zpl.Node {
	scheme, ok := l.scheme()
	if !ok {
		return nil
	}
	return &zpl.Node{Name: lockedSection, Children: []*zpl.Node{
		form.Property("scheme", scheme),
		form.Property("salt", form.Encoding.EncodeToString(l.salt[:])),
		form.Property("box", form.Encoding.EncodeToString(append(l.box[:], l.sum()...))),
	}}
}

// parseLocked reads the section locked.
func parseLocked(section *zpl.Node) (*lockedKey, error) {
	values, err := form.AllProperties(section, "scheme", "salt", "box")
	if err != nil {
		return nil, err
	}
	l := new(lockedKey)
	if l.parameters, err = parseScheme(values[0].Value); err != nil {
		return nil, values[0].ValueError(err)
	}
	if err := form.ParseBytes(l.salt[:], values[1]); err != nil {
		return nil, err
	}
	var box [lockBoxSize + lockSumSize]byte
	if err := form.ParseBytes(box[:], values[2]); err != nil {
		return nil, err
	}
	copy(l.box[:], box[:])
	if !bytes.Equal(l.sum(), box[lockBoxSize:]) {
		return nil, values[2].ValueError(fmt.Errorf("%w: the locked secret key", errDamaged))
	}
	return l, nil
}
