package curve

import (
	"crypto/subtle"
	"encoding/binary"
	"slices"

	//lint:ignore SA1019 Poly1305 is what NaCl's box, and so CurveZMQ, is made of
	"golang.org/x/crypto/poly1305"
)

// messageCipher makes and opens the MESSAGE commands of one direction of a connection. It
// writes the same bytes as nacl/box. But box derives XSalsa20's subkey from the first 16
// bytes of each nonce. These never change in one direction, so messageCipher derives the
// subkey once.
type messageCipher struct{ subkey secret }

// newMessageCipher returns the cipher of the direction with this nonce prefix.
func newMessageCipher(shared *sharedKey, prefix string) *messageCipher {
	return &messageCipher{streamKey(shared, prefix)}
}

// wipe overwrites the subkey; c may be nil.
func (c *messageCipher) wipe() {
	if c != nil {
		c.subkey.wipe()
	}
}

// A MESSAGE is name, counter, tag and encrypted text. The bytes before the text are as many
// as those of the Poly1305 key, the first 32 bytes of the key stream. So one call encrypts
// both: zeros in the place of name, counter and tag, which become the Poly1305 key, and the
// text after them. Then name, counter and tag overwrite the key.
const messageHead = len(messageName) + counterSize + boxOverhead

var _ [messageHead]byte = [KeySize]byte{} // the two are equal

// copied is the size of the largest message that seal first copies as a whole, to encrypt it
// in place in one call. Calling the assembly once is faster, until copying costs more.
const copied = 8 * stretch

// seal appends a MESSAGE command with this counter to dst. payload must not overlap dst's
// spare capacity. There are three regimes, each the fastest at its sizes. A message below one
// stretch is XORed with key stream that is made on the stack. Up to copied, the whole
// stretches of a message are copied to their place and encrypted there. Above that, only the
// first stretch is copied; the rest is encrypted from payload to its place.
func (c *messageCipher) seal(dst []byte, counter uint64, flags byte, payload []byte) []byte {
	size := MessageOverhead + len(payload)
	out := slices.Grow(dst, size)[:len(dst)+size]
	message := out[len(dst):]

	s := stream{key: c.subkey.octets, nonce: counter}
	var macKey [KeySize]byte
	if size < stretch {
		var all [stretch]byte
		s.fill(&all, size, 0)
		macKey = [KeySize]byte(all[:])
		message[messageHead] = flags ^ all[messageHead]
		subtle.XORBytes(message[MessageOverhead:], payload, all[MessageOverhead:])
	} else {
		front := size / stretch * stretch
		if front > copied {
			front = stretch
		}
		clear(message[:messageHead])
		message[messageHead] = flags
		copy(message[MessageOverhead:front], payload)
		s.xor(message[:front], message[:front], 0)
		macKey = [KeySize]byte(message)
		s.xor(message[front:], payload[front-MessageOverhead:], uint64(front/stretch))
	}

	var tag [poly1305.TagSize]byte
	poly1305.Sum(&tag, message[messageHead:], &macKey)
	copy(message, messageName)
	binary.BigEndian.PutUint64(message[len(messageName):], counter)
	copy(message[len(messageName)+counterSize:], tag[:])
	return out
}

// open appends the payload of a tag and encrypted text with this counter to dst. It returns
// errBox or errFlags before it has written anything. box has at least 17 bytes. dst's spare
// capacity must not overlap box, or must begin at the payload in box.
func (c *messageCipher) open(dst, box []byte, counter uint64) (out []byte, flags byte, err error) {
	s := stream{key: c.subkey.octets, nonce: counter}
	tag := [poly1305.TagSize]byte(box)
	text := box[poly1305.TagSize:]
	var first [stretch]byte // of the key stream: the Poly1305 key, and what decrypts the beginning
	s.fill(&first, messageHead+len(text), 0)
	if !poly1305.Verify(&tag, text, (*[KeySize]byte)(first[:])) {
		return dst, 0, errBox
	}
	flags = text[0] ^ first[messageHead]
	if flags&^(FlagMore|FlagCommand) != 0 {
		return dst, 0, errFlags
	}
	text = text[1:]
	out = slices.Grow(dst, len(text))[:len(dst)+len(text)]
	payload := out[len(dst):]
	n := subtle.XORBytes(payload, text, first[MessageOverhead:])
	if n < len(text) {
		s.xor(payload[n:], text[n:], 1)
	}
	return out, flags, nil
}
