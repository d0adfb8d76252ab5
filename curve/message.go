package curve

import "math"

// MessageOverhead is how many bytes longer a MESSAGE command is than its payload.
const MessageOverhead = messageHead + 1

// Flags of a message. They travel in its box, so they are protected like the payload.
// RFC 26 has only MORE. ZMTP 3.1 peers, such as libzmq, use COMMAND for PING and the like.
// In the header of a ZMTP frame COMMAND is another bit.
const (
	FlagMore    byte = 1 << 0 // more parts of the same message follow
	FlagCommand byte = 1 << 1 // the payload is a command, not part of a message
)

// noCopy makes go vet report copies of a struct that has it as a field.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Sealer seals the messages that one side of a connection sends (RFC 26, The MESSAGE
// Command). Send them in the order in which they were sealed. For one goroutine at a
// time. A Sealer must not be copied: a copy seals other messages with the same counters
// and the same key stream, which gives their text away; go vet reports copies. The zero
// Sealer is closed.
type Sealer struct {
	_      noCopy
	cipher *messageCipher // nil when closed
	last   uint64         // counter of the last command sent
}

// newSealer returns the Sealer of the direction with this nonce prefix, which continues
// the counters of the handshake.
func newSealer(shared *sharedKey, prefix string, last uint64) *Sealer {
	return &Sealer{cipher: newMessageCipher(shared, prefix), last: last}
}

// Seal appends the MESSAGE command that carries payload to dst. payload must not overlap
// dst's spare capacity. If dst has the capacity, Seal allocates nothing. It returns dst
// unchanged and an error if the Sealer is closed, if flags has bits other than FlagMore
// and FlagCommand, or after 2^64-1 commands.
func (s *Sealer) Seal(dst []byte, flags byte, payload []byte) ([]byte, error) {
	if s.cipher == nil {
		return dst, refuse(messageName, errClosed)
	}
	if flags&^(FlagMore|FlagCommand) != 0 {
		return dst, unable(messageName, errFlags)
	}
	if s.last == math.MaxUint64 {
		return dst, refuse(messageName, errExhausted)
	}
	s.last++
	return s.cipher.seal(dst, s.last, flags, payload), nil
}

// Close wipes the key. Seal then returns an error. Close may be called more than once.
func (s *Sealer) Close() {
	s.cipher.wipe()
	s.cipher = nil
}

// Opener opens the messages from the other side of a connection, in the order in which
// they were sealed. For one goroutine at a time. An Opener must not be copied: a copy
// opens the same messages once more; go vet reports copies. The zero Opener is closed.
type Opener struct {
	_      noCopy
	cipher *messageCipher // nil when closed
	last   uint64         // counter of the last command accepted
}

// newOpener is newSealer for the other direction.
func newOpener(shared *sharedKey, prefix string, last uint64) *Opener {
	return &Opener{cipher: newMessageCipher(shared, prefix), last: last}
}

// Open appends the payload of a MESSAGE command to dst and returns its flags. dst's spare
// capacity must not overlap message, with one exception: to open a message in place, pass
// message[MessageOverhead:MessageOverhead] as dst. If dst has the capacity, Open allocates
// nothing.
//
// If the command breaks the rules, Open returns dst unchanged and a *ProtocolError, and
// closes the Opener. A closed Opener returns an error that is not a *ProtocolError.
func (o *Opener) Open(dst, message []byte) (out []byte, flags byte, err error) {
	if o.cipher == nil {
		return dst, 0, refuse(messageName, errClosed)
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
		return dst, 0, refuse(messageName, errNonce)
	}
	out, flags, err = o.cipher.open(dst, box, counter)
	if err != nil {
		return dst, 0, refuse(messageName, err)
	}
	o.last = counter
	return out, flags, nil
}

// Close wipes the key. Open then returns an error. Close may be called more than once.
func (o *Opener) Close() {
	o.cipher.wipe()
	o.cipher = nil
}
