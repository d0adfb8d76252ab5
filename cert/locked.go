package cert

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/nacl/secretbox"
)

// Bounds of what a file may ask of those who unlock it, before the passphrase is
// known to be right. Within them, unlocking takes a few seconds at most.
const (
	maxLockMemory = 1 << 20 // KiB
	maxLockWork   = 4 << 20 // KiB times passes
	maxLockLanes  = 64
)

var (
	// ErrPassphrase means that a passphrase doesn't unlock a secret.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrNoPassphrase means that a secret can't be locked with an empty
	// passphrase.
	ErrNoPassphrase = errors.New("empty passphrase")
	// ErrLocked means that a secret key is under a passphrase: Unlock first.
	ErrLocked = errors.New("secret key is locked with a passphrase")
	// ErrLockedChanged means that what stands in clear beside a locked secret
	// isn't what stood there when it was locked.
	ErrLockedChanged = errors.New("changed since the secret key was locked")
	// ErrScheme means that a secret is locked in a way that isn't known here, or
	// that asks for less than Argon2 needs.
	ErrScheme = errors.New("unknown locking scheme")
	// ErrLockLimit means that unlocking a secret would take more memory (1 GiB)
	// or time (4 GiB of memory filled, once or in passes) than a file may ask for.
	ErrLockLimit = errors.New("unlocking would take too much memory or time")
	// ErrDamaged means that a checksum is wrong: octets were changed by accident.
	ErrDamaged = errors.New("damaged")
)

// Sizes of what is locked, in octets.
const (
	lockedSecretSize = 32
	lockSaltSize     = 16
	lockSumSize      = 8
	lockBoxSize      = lockedSecretSize + sha256.Size + secretbox.Overhead
)

// argonParameters are those of Argon2id (RFC 9106).
type argonParameters struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
}

// recommended is the second recommended option of RFC 9106, section 4.
var recommended = argonParameters{memory: 64 << 10, passes: 3, lanes: 4}

func (p argonParameters) String() string {
	return fmt.Sprintf("argon2id m=%d t=%d p=%d", p.memory, p.passes, p.lanes)
}

// parseScheme reads what argonParameters.String writes, and nothing else.
func parseScheme(s string) (p argonParameters, err error) {
	n, err := fmt.Sscanf(s, "argon2id m=%d t=%d p=%d", &p.memory, &p.passes, &p.lanes)
	if n != 3 || err != nil || p.String() != s {
		return p, fmt.Errorf("%w: want %q and the like", ErrScheme, recommended)
	}
	return p, p.check()
}

// check refuses what Argon2 can't do, and what it would do for too long.
func (p argonParameters) check() error {
	if p.passes < 1 || p.lanes < 1 || p.memory < 8*uint32(p.lanes) {
		return fmt.Errorf("%w: less than Argon2 needs", ErrScheme)
	}
	if p.memory > maxLockMemory || p.lanes > maxLockLanes || uint64(p.memory)*uint64(p.passes) > maxLockWork {
		return ErrLockLimit
	}
	return nil
}

// Locked is a secret key under a passphrase, made by Lock or read from a file.
// To unlock the zero value is ErrScheme.
type Locked struct {
	parameters argonParameters
	salt       [lockSaltSize]byte
	box        [lockBoxSize]byte // the secret key and a digest of what stands beside it in clear
}

// Scheme names how the passphrase is made a key, with parameters: "argon2id",
// memory in KiB, passes and lanes (RFC 9106).
func (l *Locked) Scheme() string { return l.parameters.String() }

// key makes a key of a passphrase. It is used for one box only: each has its
// own salt.
func (l *Locked) key(passphrase []byte) *[32]byte {
	p := l.parameters
	return (*[32]byte)(argon2.IDKey(passphrase, l.salt[:], p.passes, p.memory, p.lanes, 32))
}

// sum is the checksum that tells damage from a wrong passphrase.
func (l *Locked) sum() []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", l.Scheme())
	h.Write(l.salt[:])
	h.Write(l.box[:])
	return h.Sum(nil)[:lockSumSize]
}

// lock puts secret under a passphrase, beside text in clear.
func lock(secret *[lockedSecretSize]byte, clearText, passphrase []byte, p argonParameters) (*Locked, error) {
	if len(passphrase) == 0 {
		return nil, ErrNoPassphrase
	}
	l := &Locked{parameters: p}
	rand.Read(l.salt[:])
	digest := sha256.Sum256(clearText)
	plain := append(secret[:len(secret):len(secret)], digest[:]...)
	defer clear(plain)
	key := l.key(passphrase)
	defer clear(key[:])
	secretbox.Seal(l.box[:0], plain, new([24]byte), key)
	return l, nil
}

// unlock returns the secret, which the caller clears.
func (l *Locked) unlock(clearText, passphrase []byte) (*[lockedSecretSize]byte, error) {
	if err := l.parameters.check(); err != nil { // of one that was never read
		return nil, err
	}
	key := l.key(passphrase)
	defer clear(key[:])
	plain, ok := secretbox.Open(nil, l.box[:], new([24]byte), key)
	if !ok {
		return nil, ErrPassphrase
	}
	defer clear(plain)
	digest := sha256.Sum256(clearText)
	if subtle.ConstantTimeCompare(plain[lockedSecretSize:], digest[:]) != 1 {
		return nil, ErrLockedChanged
	}
	secret := new([lockedSecretSize]byte)
	copy(secret[:], plain)
	return secret, nil
}

// setBox takes the box and its checksum.
func (l *Locked) setBox(octets []byte) error {
	copy(l.box[:], octets)
	if !bytes.Equal(l.sum(), octets[lockBoxSize:]) {
		return fmt.Errorf("%w: the locked secret key", ErrDamaged)
	}
	return nil
}
