package curve

import "encoding/binary"

// readyCounter is the counter of READY. Those of the server's messages follow.
const readyCounter = 1

// Peer is a client that has proved its key and waits to be let in. One of
// Ready and Error answers it, once; after that, and after Close, both return a
// *ProtocolError of ErrOrder. A Peer is for one goroutine, and must not be copied: a
// copy could make a second session with the same counters. go vet reports copies.
type Peer struct {
	_        noCopy
	key      PublicKey  // C
	metadata []byte     // the client's
	shared   *sharedKey // C' and s'; nil when done
	counter  uint64     // of INITIATE
}

// Key returns the client's long-term public key, which it has proved to own.
func (p *Peer) Key() PublicKey { return p.key }

// Metadata returns the client's metadata, a list of ZMTP properties as the
// client claims them. They are not checked. The slice is not a copy.
func (p *Peer) Metadata() []byte { return p.metadata }

// Ready lets the client in. It appends the READY command to dst, 30 octets and
// the metadata, which is a list of ZMTP properties, and returns the session.
func (p *Peer) Ready(dst, metadata []byte) ([]byte, *Session, error) {
	if p.shared == nil {
		return dst, nil, refuse(readyName, ErrOrder)
	}
	defer p.Close()
	dst = append(dst, readyName...)
	dst = binary.BigEndian.AppendUint64(dst, readyCounter)
	dst = p.shared.seal(dst, metadata, shortNonce(readyPrefix, readyCounter))
	return dst, newSession(p.shared, serverMessagePrefix, readyCounter, clientMessagePrefix, p.counter), nil
}

// Error turns the client away. It appends the ERROR command to dst, as
// [AppendError] does.
func (p *Peer) Error(dst []byte, reason string) ([]byte, error) {
	if p.shared == nil {
		return dst, refuse(errorName, ErrOrder)
	}
	defer p.Close()
	return AppendError(dst, reason)
}

// Close wipes what is secret about this handshake, and does nothing to a
// session that Ready has returned. It may be called more than once.
func (p *Peer) Close() {
	p.shared.wipe()
	p.shared = nil
}
