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
//
// Whoever has locks of their own can [Session.Split] it and save these.
type Session struct {
	sendMu    sync.Mutex
	send      Sealer
	receiveMu sync.Mutex
	receive   Opener
}

// noCopy makes go vet report copies of what has it as a field.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// newSession makes a session from the shared key of the transient keys, the
// nonce prefixes of both directions and the last counters of the handshake.
func newSession(shared *sharedKey, sendPrefix string, sent uint64, receivePrefix string, received uint64) *Session {
	return &Session{
		send:    Sealer{cipher: newMessageCipher(shared, sendPrefix), last: sent},
		receive: Opener{cipher: newMessageCipher(shared, receivePrefix), last: received},
	}
}

// Seal does what [Sealer.Seal] does.
func (s *Session) Seal(dst []byte, flags byte, payload []byte) ([]byte, error) {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	return s.send.Seal(dst, flags, payload)
}

// Open does what [Opener.Open] does.
func (s *Session) Open(dst, message []byte) (out []byte, flags byte, err error) {
	s.receiveMu.Lock()
	defer s.receiveMu.Unlock()
	return s.receive.Open(dst, message)
}

// Split hands out the two halves, which have no locks: each is for one
// goroutine at a time. The session itself is closed by it.
func (s *Session) Split() (*Sealer, *Opener) {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	s.receiveMu.Lock()
	defer s.receiveMu.Unlock()
	sealer := &Sealer{cipher: s.send.cipher, last: s.send.last}
	opener := &Opener{cipher: s.receive.cipher, last: s.receive.last}
	s.send, s.receive = Sealer{}, Opener{}
	return sealer, opener
}

// Close wipes the keys. Seal and Open then return ErrClosed. It may be called
// more than once.
func (s *Session) Close() {
	s.sendMu.Lock()
	s.send.Close()
	s.sendMu.Unlock()
	s.receiveMu.Lock()
	s.receive.Close()
	s.receiveMu.Unlock()
}

// Sealer is the half of a [Session] that seals messages to the other side. It
// is for one goroutine at a time, and must not be copied: a copy seals other messages
// with the same counters and the same key stream, which gives their text away. go vet
// reports copies.
type Sealer struct {
	_      noCopy
	cipher *messageCipher // nil when closed
	last   uint64         // counter of the last command sent
}

// Seal appends to dst the whole MESSAGE command that carries payload, which is
// MessageOverhead octets longer. payload must not overlap dst's spare capacity.
// Seal allocates nothing if dst has the capacity.
//
// It returns a *ProtocolError of ErrClosed, ErrFlags for flags other than
// FlagMore and FlagCommand, or ErrExhausted after 2^64-1 commands; dst then
// comes back unchanged.
func (s *Sealer) Seal(dst []byte, flags byte, payload []byte) ([]byte, error) {
	if s.cipher == nil {
		return dst, refuse(messageName, ErrClosed)
	}
	if flags&^(FlagMore|FlagCommand) != 0 {
		return dst, refuse(messageName, ErrFlags)
	}
	if s.last == math.MaxUint64 {
		return dst, refuse(messageName, ErrExhausted)
	}
	s.last++
	return s.cipher.seal(dst, s.last, flags, payload), nil
}

// Close wipes the key. Seal then returns ErrClosed. It may be called more than
// once.
func (s *Sealer) Close() {
	s.cipher.wipe()
	s.cipher = nil
}

// Opener is the half of a [Session] that opens messages from the other side.
// It is for one goroutine at a time, and must not be copied: a copy opens the same
// messages once more. go vet reports copies.
type Opener struct {
	_      noCopy
	cipher *messageCipher // nil when closed
	last   uint64         // counter of the last command accepted
}

// Open appends to dst the payload of a MESSAGE command, which is
// MessageOverhead octets shorter, and returns its flags. dst's spare capacity
// must not overlap message, with one exception: a message is opened where it
// lies if dst is message[MessageOverhead:MessageOverhead]. Open allocates nothing
// if dst has the capacity.
//
// It returns a *ProtocolError of ErrName, ErrLength, ErrNonce, ErrBox or
// ErrFlags; dst then comes back unchanged. After that the session opens
// nothing any more: it has wiped the key, and returns ErrClosed.
func (o *Opener) Open(dst, message []byte) (out []byte, flags byte, err error) {
	if o.cipher == nil {
		return dst, 0, refuse(messageName, ErrClosed)
	}
	out, flags, err = o.open(dst, message)
	if err != nil {
		o.Close()
	}
	return out, flags, err
}

func (o *Opener) open(dst, message []byte) (out []byte, flags byte, err error) {
	box, err := body(messageName, message, MessageOverhead, noMax)
	if err != nil {
		return dst, 0, err
	}
	counter := cutCounter(&box)
	if counter <= o.last {
		return dst, 0, refuse(messageName, ErrNonce)
	}
	out, flags, err = o.cipher.open(dst, box, counter)
	if err != nil {
		return dst, 0, refuse(messageName, err)
	}
	o.last = counter
	return out, flags, nil
}

// Close wipes the key. Open then returns ErrClosed. It may be called more than
// once.
func (o *Opener) Close() {
	o.cipher.wipe()
	o.cipher = nil
}
