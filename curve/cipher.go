package curve

import (
	"crypto/subtle"
	"encoding/binary"
	"slices"

	//lint:ignore SA1019 Poly1305 is what NaCl's box, and so CurveZMQ, is made of
	"golang.org/x/crypto/poly1305"
)

// messageCipher makes and opens the MESSAGE commands of one direction of a
// session. What it writes is octet for octet what nacl/box writes; but box
// derives XSalsa20's subkey from the first 16 octets of the nonce each time,
// and those never change on a connection, so here it is derived once.
type messageCipher struct{ subkey secret }

// newMessageCipher makes the cipher of the direction with this nonce prefix.
func newMessageCipher(shared *sharedKey, prefix string) *messageCipher {
	return &messageCipher{streamKey(shared, prefix)}
}

// wipe overwrites the subkey; c may be nil.
func (c *messageCipher) wipe() {
	if c != nil {
		c.subkey.wipe()
	}
}

// A MESSAGE is name, counter, tag and encrypted text. What precedes the text
// is as long as the Poly1305 key that Salsa20's first 32 octets are. So the
// first octets of a message are made in a stretch of the stream: zeros in front,
// which become that key, the beginning of the text behind.
const messageHead = len(messageName) + counterSize + boxOverhead

var _ [messageHead]byte = [KeySize]byte{} // the two are equal

// copied is up to what size a message is put together in its place and encrypted
// there in one go. Of a larger one that is done with the first stretch only, and
// the rest is encrypted into its place.
const copied = 8 * stretch

// seal appends a MESSAGE command with this counter to dst. payload must not
// overlap dst's spare capacity.
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

// open appends to dst the payload of a tag and encrypted text with this
// counter. It returns errBox or errFlags, and then has written nothing. box has
// 17 octets or more. dst's spare capacity must not overlap it, or begin where
// the payload lies in it.
func (c *messageCipher) open(dst, box []byte, counter uint64) (out []byte, flags byte, err error) {
	s := stream{key: c.subkey.octets, nonce: counter}
	tag := [poly1305.TagSize]byte(box)
	text := box[poly1305.TagSize:]
	var first [stretch]byte // of the stream: the Poly1305 key, and what encrypts the beginning
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
