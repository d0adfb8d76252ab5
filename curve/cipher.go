package curve

import (
	"encoding/binary"
	"slices"

	//lint:ignore SA1019 Poly1305 is what NaCl's box, and so CurveZMQ, is made of
	"golang.org/x/crypto/poly1305"
	//lint:ignore SA1019 and so is Salsa20
	"golang.org/x/crypto/salsa20/salsa"
)

// messageCipher makes and opens the MESSAGE commands of one direction of a
// session. What it writes is octet for octet what nacl/box writes; but box
// derives XSalsa20's subkey from the first 16 octets of the nonce each time,
// and those never change on a connection, so here it is derived once.
type messageCipher struct{ subkey secret }

// newMessageCipher makes the cipher of the direction with this nonce prefix.
func newMessageCipher(shared *sharedKey, prefix string) *messageCipher {
	subkey := newSecret()
	var hNonce [16]byte
	copy(hNonce[:], prefix)
	salsa.HSalsa20(subkey.octets, &hNonce, shared.key.octets, &salsa.Sigma)
	return &messageCipher{subkey}
}

// wipe overwrites the subkey.
func (c *messageCipher) wipe() { c.subkey.wipe() }

// streamStart makes the initial input block of Salsa20 for a counter: the
// rest of the nonce, and a block number of zero.
func streamStart(counter uint64) (start [16]byte) {
	binary.BigEndian.PutUint64(start[:], counter)
	return start
}

// A MESSAGE is name, counter, tag and encrypted text. What precedes the text
// is as long as the Poly1305 key that Salsa20's first 32 octets are, so seal
// can encrypt in place: it lays zeros there, which become that key, and puts
// the head over it when it has served.
const messageHead = len(messageName) + counterSize + boxOverhead

var _ [messageHead]byte = [KeySize]byte{} // the two are equal

// seal appends a MESSAGE command with this counter to dst. payload may overlap
// dst's spare capacity.
func (c *messageCipher) seal(dst []byte, counter uint64, flags byte, payload []byte) []byte {
	size := MessageOverhead + len(payload)
	out := slices.Grow(dst, size)[:len(dst)+size]
	message := out[len(dst):]
	copy(message[MessageOverhead:], payload)
	clear(message[:messageHead])
	message[messageHead] = flags
	start := streamStart(counter)
	salsa.XORKeyStream(message, message, &start, c.subkey.octets)

	macKey := [KeySize]byte(message)
	var tag [poly1305.TagSize]byte
	poly1305.Sum(&tag, message[messageHead:], &macKey)
	head := append(message[:0], messageName...)
	head = binary.BigEndian.AppendUint64(head, counter)
	copy(message[len(head):], tag[:])
	return out
}

// open appends to dst the payload of a tag and encrypted text with this
// counter. It returns ErrBox or ErrFlags, and then has written nothing. box has
// 17 octets or more and must not overlap dst's spare capacity.
func (c *messageCipher) open(dst, box []byte, counter uint64) (out []byte, flags byte, err error) {
	// The first block is the Poly1305 key and what encrypts flags and 31
	// octets of payload.
	var first [64]byte
	start := streamStart(counter)
	salsa.XORKeyStream(first[:], first[:], &start, c.subkey.octets)
	macKey := [KeySize]byte(first[:])
	tag := [poly1305.TagSize]byte(box)
	text, stream := box[poly1305.TagSize:], first[KeySize:]
	if !poly1305.Verify(&tag, text, &macKey) {
		return dst, 0, ErrBox
	}
	flags = text[0] ^ stream[0]
	if flags&^(FlagMore|FlagCommand) != 0 {
		return dst, 0, ErrFlags
	}
	text, stream = text[1:], stream[1:]
	out = slices.Grow(dst, len(text))[:len(dst)+len(text)]
	payload := out[len(dst):]
	n := min(len(text), len(stream))
	for i := range n {
		payload[i] = text[i] ^ stream[i]
	}
	start[counterSize] = 1 // block number
	salsa.XORKeyStream(payload[n:], text[n:], &start, c.subkey.octets)
	return out, flags, nil
}
