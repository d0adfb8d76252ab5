package cert

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/nacl/box"

	"github.com/zcurve/zcurve/curve"
)

var (
	// ErrSealed means that an envelope is sealed, so that its content can't be
	// read, nor sealed once more.
	ErrSealed = errors.New("sealed: open it first")
	// ErrNotSealed means that an envelope isn't sealed, so that there is
	// nothing to open.
	ErrNotSealed = errors.New("not sealed")
	// ErrNotRecipient means that an envelope is sealed to another key than the
	// one that is to open it.
	ErrNotRecipient = errors.New("sealed to another key")
	// ErrSeal means that a seal can't be opened: the sender isn't who the
	// headers say, or the content was changed by somebody.
	ErrSeal = errors.New("the seal doesn't open")
	// ErrEnvelope means that the headers of a sealed envelope aren't those that
	// it was sealed with.
	ErrEnvelope = errors.New("the headers were changed after it was sealed")
)

// nonceSize is the size in octets of the nonce in front of a box.
const nonceSize = 24

// sealOverhead is what sealing adds to a content, in octets, at most: without a
// sender, as that takes 8 octets more.
const sealOverhead = sha256.Size + box.AnonymousOverhead

// Seal encrypts an envelope to the owner of a key, who alone can open it. The
// headers stay in clear, and can't be changed without the recipient seeing it.
//
// With from, the recipient knows that it is from the owner of that key, or that
// he made it himself: the key of a box is the same for both ends, so he can't
// prove to others who sealed it. With nil nobody knows who did.
//
// The error is ErrSealed, ErrArmorLimit, one of Append, or one of package curve
// for keys that aren't any.
func (e *Envelope) Seal(to curve.PublicKey, from *curve.SecretKey) (*Envelope, error) {
	sealed, err := e.seal(to, from)
	if err != nil {
		return nil, fmt.Errorf("cert: sealing failed: %w", err)
	}
	return sealed, nil
}

func (e *Envelope) seal(to curve.PublicKey, from *curve.SecretKey) (*Envelope, error) {
	if e.IsSealed() {
		return nil, ErrSealed
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	if err := to.Check(); err != nil {
		return nil, err
	}
	if from != nil && from.IsZero() {
		return nil, errNoSecretKey
	}
	content := e.content.reveal()
	if len(content)+sealOverhead > MaxFile {
		return nil, fmt.Errorf("%w: content of %d octets, at most %d can be sealed", ErrArmorLimit, len(content), MaxFile-sealOverhead)
	}
	sealed := &Envelope{
		Version: armorVersion, Mechanism: e.Mechanism, Comment: e.Comment, Extensions: slices.Clone(e.Extensions),
		SealedTo: to,
		box:      []byte{}, // which the headers don't cover
	}
	if from != nil {
		sealed.SealedBy = from.Public()
	}
	digest, err := sealed.headerDigest()
	if err != nil {
		return nil, err
	}
	plain := slices.Concat(digest[:], content)
	defer clear(plain)
	if from == nil {
		sealed.box, err = box.SealAnonymous(nil, plain, (*[curve.KeySize]byte)(&to), rand.Reader)
		return sealed, err
	}
	key := secretOctets(*from)
	defer clear(key[:])
	var nonce [nonceSize]byte
	rand.Read(nonce[:])
	sealed.box = box.Seal(nonce[:], plain, &nonce, (*[curve.KeySize]byte)(&to), key)
	return sealed, nil
}

// Open decrypts an envelope with the recipient's secret key. It returns one that isn't
// sealed, and the key of who sealed it, which is zero if nobody knows. Whether
// that key is to be trusted is for the caller to say; see Seal for what it
// proves. The headers of a draft of 2013 (Version 0.1) could have been changed,
// except for the two keys.
//
// The error is ErrNotSealed, ErrNotRecipient, ErrSeal, ErrEnvelope, one of
// package curve for keys that aren't any, or what is wrong with the content.
func (e *Envelope) Open(key curve.SecretKey) (opened *Envelope, by curve.PublicKey, err error) {
	opened, err = e.open(key)
	if err != nil {
		return nil, curve.PublicKey{}, fmt.Errorf("cert: opening failed: %w", err)
	}
	return opened, e.SealedBy, nil
}

func (e *Envelope) open(key curve.SecretKey) (*Envelope, error) {
	if !e.IsSealed() {
		return nil, ErrNotSealed
	}
	if key.IsZero() {
		return nil, errNoSecretKey
	}
	if key.Public() != e.SealedTo {
		return nil, fmt.Errorf("%w: it is sealed to %v, and this is %v", ErrNotRecipient, e.SealedTo, key.Public())
	}
	plain, err := e.unbox(key)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	opened := &Envelope{Version: e.Version, Mechanism: e.Mechanism, Comment: e.Comment, Extensions: slices.Clone(e.Extensions)}
	if e.Version == draftVersion {
		err = opened.setDraftText(plain)
		return opened, err
	}
	digest, err := e.headerDigest()
	if err != nil {
		return nil, err
	}
	if len(plain) < len(digest) || subtle.ConstantTimeCompare(plain[:len(digest)], digest[:]) != 1 {
		return nil, ErrEnvelope
	}
	if err := opened.setContent(bytes.Clone(plain[len(digest):])); err != nil {
		return nil, err
	}
	return opened, nil
}

// unbox returns what is in the box, which the caller clears.
func (e *Envelope) unbox(secret curve.SecretKey) (plain []byte, err error) {
	key := secretOctets(secret)
	defer clear(key[:])
	var ok bool
	if e.SealedBy == (curve.PublicKey{}) {
		public := secret.Public()
		plain, ok = box.OpenAnonymous(nil, e.box, (*[curve.KeySize]byte)(&public), key)
	} else {
		if err := e.SealedBy.Check(); err != nil {
			return nil, err
		}
		if len(e.box) > nonceSize {
			nonce := [nonceSize]byte(e.box)
			plain, ok = box.Open(nil, e.box[nonceSize:], &nonce, (*[curve.KeySize]byte)(&e.SealedBy), key)
		}
	}
	if !ok {
		return nil, ErrSeal
	}
	return plain, nil
}

// headerDigest is what a sealed envelope has within its box to hold its headers.
func (e *Envelope) headerDigest() (digest [sha256.Size]byte, err error) {
	h, err := e.headers()
	if err != nil {
		return digest, err
	}
	return sha256.Sum256(h.canonical()), nil
}

// secretOctets returns the octets of a secret key, which the caller clears.
func secretOctets(s curve.SecretKey) *[curve.KeySize]byte {
	key := new([curve.KeySize]byte)
	s.AppendBytes(key[:0])
	return key
}
