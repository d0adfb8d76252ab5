package armor

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
	errSealed       = errors.New("sealed: open it first")
	errNotSealed    = errors.New("not sealed")
	errNoSecretKey  = errors.New("no secret key")
	errNotRecipient = errors.New("sealed to another key")
	errSeal         = errors.New("cannot decrypt: damaged, or not sealed by the key in its headers")
	errHeaders      = errors.New("the headers were changed after it was sealed")
)

// nonceSize is the size in bytes of the nonce in front of a box.
const nonceSize = 24

// sealOverhead is how many bytes sealing adds to a content at most: without a sender,
// which would take 8 more.
const sealOverhead = sha256.Size + box.AnonymousOverhead

// Seal encrypts a block to the owner of a key, who alone can open it. The headers stay
// readable, but cannot be changed unnoticed.
//
// With the sender's secret key as from, the recipient learns who sealed it, but cannot
// prove it to others: the recipient could have made it alone, because the key of a box
// is the same for both ends. With the zero SecretKey, the sender is anonymous.
//
// It is an error to seal a sealed block or one of almost 64 KiB, or to seal to an
// invalid key.
func (b *Block) Seal(to curve.PublicKey, from curve.SecretKey) (*Block, error) {
	sealed, err := b.seal(to, from)
	if err != nil {
		return nil, named(fmt.Errorf("sealing: %w", err))
	}
	return sealed, nil
}

func (b *Block) seal(to curve.PublicKey, from curve.SecretKey) (*Block, error) {
	if b.IsSealed() {
		return nil, errSealed
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	if err := to.Check(); err != nil {
		return nil, err
	}
	content := b.content.Reveal()
	if len(content)+sealOverhead > maxContent {
		return nil, fmt.Errorf("%w: content of %d bytes, at most %d can be sealed", errLimit, len(content), maxContent-sealOverhead)
	}
	sealed := &Block{
		version: currentVersion, mechanism: b.mechanism, Comment: b.Comment, Extensions: slices.Clone(b.Extensions),
		SealedTo: to,
		box:      []byte{}, // the headers do not depend on it
	}
	if !from.IsZero() {
		sealed.SealedBy = from.Public()
	}
	digest, err := sealed.headerDigest()
	if err != nil {
		return nil, err
	}
	plain := slices.Concat(digest[:], content)
	defer clear(plain)
	if from.IsZero() {
		sealed.box, err = box.SealAnonymous(nil, plain, (*[curve.KeySize]byte)(&to), rand.Reader)
		return sealed, err
	}
	key := secretBytes(from)
	defer clear(key[:])
	var nonce [nonceSize]byte
	rand.Read(nonce[:])
	sealed.box = box.Seal(nonce[:], plain, &nonce, (*[curve.KeySize]byte)(&to), key)
	return sealed, nil
}

// Open decrypts a sealed block with the recipient's secret key. SealedBy of the result
// is proved then; see Seal for what that means. Whether that sender is trusted is the
// caller's question. In a block of the draft of 2013, headers other than the two keys
// could have been changed.
//
// It is an error if the block is not sealed, is sealed to another key, or cannot be
// decrypted, or if its headers were changed.
func (b *Block) Open(key curve.SecretKey) (*Block, error) {
	opened, err := b.open(key)
	if err != nil {
		return nil, named(fmt.Errorf("opening: %w", err))
	}
	return opened, nil
}

func (b *Block) open(key curve.SecretKey) (*Block, error) {
	if !b.IsSealed() {
		return nil, errNotSealed
	}
	if key.IsZero() {
		return nil, errNoSecretKey
	}
	if key.Public() != b.SealedTo {
		return nil, fmt.Errorf("%w: sealed to %v, but the key given is %v", errNotRecipient, b.SealedTo, key.Public())
	}
	plain, err := b.unbox(key)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	opened := &Block{
		version: b.version, mechanism: b.mechanism, Comment: b.Comment, Extensions: slices.Clone(b.Extensions),
		SealedBy: b.SealedBy, Line: b.Line, EndLine: b.EndLine,
	}
	if b.version == draftVersion {
		return opened, opened.setDraftText(plain)
	}
	digest, err := b.headerDigest()
	if err != nil {
		return nil, err
	}
	if len(plain) < len(digest) || subtle.ConstantTimeCompare(plain[:len(digest)], digest[:]) != 1 {
		return nil, errHeaders
	}
	return opened, opened.setContent(bytes.Clone(plain[len(digest):]))
}

// unbox returns what is in the box. The caller clears it.
func (b *Block) unbox(secret curve.SecretKey) (plain []byte, err error) {
	key := secretBytes(secret)
	defer clear(key[:])
	var ok bool
	if b.SealedBy == (curve.PublicKey{}) {
		public := secret.Public()
		plain, ok = box.OpenAnonymous(nil, b.box, (*[curve.KeySize]byte)(&public), key)
	} else {
		if err := b.SealedBy.Check(); err != nil {
			return nil, err
		}
		if len(b.box) > nonceSize {
			nonce := [nonceSize]byte(b.box)
			plain, ok = box.Open(nil, b.box[nonceSize:], &nonce, (*[curve.KeySize]byte)(&b.SealedBy), key)
		}
	}
	if !ok {
		return nil, errSeal
	}
	return plain, nil
}

// headerDigest returns what a box holds to bind its headers.
func (b *Block) headerDigest() (digest [sha256.Size]byte, err error) {
	h, err := b.headers()
	if err != nil {
		return digest, err
	}
	return sha256.Sum256(h.canonical()), nil
}

// secretBytes returns the bytes of a secret key. The caller clears them.
func secretBytes(s curve.SecretKey) *[curve.KeySize]byte {
	key := new([curve.KeySize]byte)
	s.AppendBytes(key[:0])
	return key
}
