package curve

import (
	"math"
	"sync"
)

// MessageOverhead is how many octets longer a MESSAGE command is than its
// payload.
const MessageOverhead = messageHead + 1

// Flags of a message. They travel in its box, so they are as safe as the
// payload. RFC 26 knows only MORE; COMMAND is what ZMTP 3.1 peers, libzmq
// among them, use for PING and the like. In a ZMTP frame it is another bit.
const (
	FlagMore    byte = 1 << 0 // more parts of the same message follow
	FlagCommand byte = 1 << 1 // the payload is a command, not part of a message
)

// Session seals messages to the other side and opens messages from it, once
// the handshake is done (RFC 26, The MESSAGE Command). Its methods are safe
// for concurrent use; sealing and opening don't wait for each other. Messages
// must be sent in the order in which they were sealed, and opened in the order
// in which they came.
type Session struct {
	send, receive direction
}

// direction is one half of a session.
type direction struct {
	mu     sync.Mutex
	cipher *messageCipher // nil when closed
	last   uint64         // counter of the last command sent or accepted
}

// newSession makes a session from the shared key of the transient keys, the
// nonce prefixes of both directions and the last counters of the handshake.
func newSession(shared *sharedKey, sendPrefix string, sent uint64, receivePrefix string, received uint64) *Session {
	return &Session{
		send:    direction{cipher: newMessageCipher(shared, sendPrefix), last: sent},
		receive: direction{cipher: newMessageCipher(shared, receivePrefix), last: received},
	}
}

// closeLocked wipes the key of one direction.
func (d *direction) closeLocked() {
	if d.cipher != nil {
		d.cipher.wipe()
		d.cipher = nil
	}
}

// Seal appends to dst the whole MESSAGE command that carries payload, which is
// MessageOverhead octets longer. It allocates nothing if dst has the capacity.
//
// It returns a *ProtocolError of ErrClosed, ErrFlags for flags other than
// FlagMore and FlagCommand, or ErrExhausted after 2^64-1 commands; dst then
// comes back unchanged.
func (s *Session) Seal(dst []byte, flags byte, payload []byte) ([]byte, error) {
	d := &s.send
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cipher == nil {
		return dst, refuse(messageName, ErrClosed)
	}
	if flags&^(FlagMore|FlagCommand) != 0 {
		return dst, refuse(messageName, ErrFlags)
	}
	if d.last == math.MaxUint64 {
		return dst, refuse(messageName, ErrExhausted)
	}
	d.last++
	return d.cipher.seal(dst, d.last, flags, payload), nil
}

// Open appends to dst the payload of a MESSAGE command, which is
// MessageOverhead octets shorter, and returns its flags. dst's spare capacity
// must not overlap message. Open allocates nothing if dst has the capacity.
//
// It returns a *ProtocolError of ErrName, ErrLength, ErrNonce, ErrBox or
// ErrFlags; dst then comes back unchanged. After that the session opens
// nothing any more: it has wiped the key, and returns ErrClosed.
func (s *Session) Open(dst, message []byte) (out []byte, flags byte, err error) {
	d := &s.receive
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cipher == nil {
		return dst, 0, refuse(messageName, ErrClosed)
	}
	out, flags, err = d.openLocked(dst, message)
	if err != nil {
		d.closeLocked()
	}
	return out, flags, err
}

func (d *direction) openLocked(dst, message []byte) (out []byte, flags byte, err error) {
	box, err := body(messageName, message, MessageOverhead, noMax)
	if err != nil {
		return dst, 0, err
	}
	counter := cutCounter(&box)
	if counter <= d.last {
		return dst, 0, refuse(messageName, ErrNonce)
	}
	out, flags, err = d.cipher.open(dst, box, counter)
	if err != nil {
		return dst, 0, refuse(messageName, err)
	}
	d.last = counter
	return out, flags, nil
}

// Close wipes the keys. Seal and Open then return ErrClosed. It may be called
// more than once.
func (s *Session) Close() {
	for _, d := range []*direction{&s.send, &s.receive} {
		d.mu.Lock()
		d.closeLocked()
		d.mu.Unlock()
	}
}
