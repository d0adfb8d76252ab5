package zmtp

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// The greeting (RFC 23, Formal Grammar): signature FF 00*8 7F, version major
// and minor, mechanism in 20 bytes padded with NUL, as-server, 31 zeros.
const (
	greetingSize  = 64
	signatureSize = 10
	versionEnd    = 11 // of the major version
	mechanismEnd  = 32
	versionMajor  = 3
	versionMinor  = 1
)

// greetingPatience is how long the rest of our greeting waits for the first part of the
// peer's. A peer may itself wait for our whole greeting.
const greetingPatience = 2 * time.Second

// greeting holds the contents of a peer's greeting.
type greeting struct {
	minor     byte
	mechanism string
	asServer  bool
}

// appendGreeting appends a greeting.
func appendGreeting(dst []byte, mechanism string, asServer bool) []byte {
	var g [greetingSize]byte
	g[0] = 0xFF
	g[9] = 0x7F
	g[10] = versionMajor
	g[11] = versionMinor
	copy(g[12:mechanismEnd], mechanism)
	if asServer {
		g[32] = 1
	}
	return append(dst, g[:]...)
}

// checkSignature checks as much of a greeting as has arrived, so that a peer that does not
// speak ZMTP is noticed before 64 bytes.
func checkSignature(b []byte) error {
	if len(b) > 0 && b[0] != 0xFF {
		// ZMTP 1.0 has no greeting, only a length byte and then flags 0 or 1.
		return fmt.Errorf("%w: it began with %q", errNotZMTP, b[:min(len(b), 16)])
	}
	if len(b) >= signatureSize && b[9]&1 == 0 {
		return fmt.Errorf("%w: no signature", errNotZMTP)
	}
	if len(b) > signatureSize && b[10] < versionMajor {
		return errVersion
	}
	return nil
}

// parseGreeting parses the peer's 64 bytes.
func parseGreeting(b []byte) (greeting, error) {
	if err := checkSignature(b); err != nil {
		return greeting{}, err
	}
	if len(b) != greetingSize {
		return greeting{}, fmt.Errorf("%w: greeting of %d bytes", errNotZMTP, len(b))
	}
	g := greeting{minor: b[11], mechanism: string(bytes.TrimRight(b[12:mechanismEnd], "\x00")), asServer: b[32] == 1}
	if b[10] > versionMajor {
		g.minor = versionMinor
	}
	if b[32] > 1 {
		return greeting{}, fmt.Errorf("%w: as-server byte is %d", errNotZMTP, b[32])
	}
	return g, nil
}

// exchangeGreetings sends a greeting and reads the peer's (RFC 37, Version Negotiation). It
// sends signature and major version at once, and the rest when it has the peer's. libzmq
// does the same, and closes the connection as soon as it sees a different mechanism. By
// then its own mechanism has arrived, so both sides can report the mismatch.
func (h *handshake) exchangeGreetings() error {
	ours := appendGreeting(nil, h.cfg.Mechanism, h.asServer && h.cfg.Mechanism != zap.Null)
	greet := h.greetAtOnce
	if isBuffered(h.nc) {
		greet = h.greetInTurn
	}
	if err := greet(ours); err != nil {
		if peerClosed(err) && signatureSize <= h.in.w && h.in.w < mechanismEnd {
			return mechanismError(h.cfg.Mechanism, "")
		}
		if peerClosed(err) && h.in.w == 0 && !h.accepts() {
			return fmt.Errorf("%w: %w", errServerStarts, err)
		}
		if peerClosed(err) && h.in.w == 0 {
			return fmt.Errorf("%w: %w", errNoGreeting, err)
		}
		if peerClosed(err) {
			return fmt.Errorf("peer closed the connection during its greeting: %w", err)
		}
		return err
	}
	if h.peer.mechanism != h.cfg.Mechanism {
		return mechanismError(h.cfg.Mechanism, h.peer.mechanism)
	}
	// libzmq never sets as-server, not even as server. So only a 1 says anything.
	if h.peer.asServer && h.asServer {
		return errBothServers
	}
	return nil
}

// greetInTurn exchanges greetings where no write has to wait for the peer. A client needs
// the server's whole greeting before its first command, and sends the rest of its own
// greeting with that command. That saves both sides a system call.
func (h *handshake) greetInTurn(ours []byte) error {
	rest := ours[versionEnd:]
	writeRest := sync.OnceValue(func() error { return h.write(rest) })
	impatient := time.AfterFunc(greetingPatience, func() { writeRest() })
	writeErr := h.write(ours[:versionEnd])
	readErr := h.readGreeting(func() {
		if h.asServer {
			writeRest()
		}
	})
	switch {
	case !impatient.Stop():
		writeErr = errors.Join(writeErr, writeRest()) // waits for the write in progress
	case readErr != nil:
	case h.asServer || h.peer.mechanism != h.cfg.Mechanism:
		writeErr = errors.Join(writeErr, writeRest())
	default:
		h.unsent = rest
	}
	if readErr != nil {
		return readErr
	}
	return writeErr
}

// greetAtOnce exchanges greetings where each of two peers that write would wait until the
// other reads.
func (h *handshake) greetAtOnce(ours []byte) error {
	versionSeen := make(chan struct{})
	write := func() error {
		if err := h.write(ours[:versionEnd]); err != nil {
			return err
		}
		select {
		case <-versionSeen:
		case <-time.After(greetingPatience):
		}
		return h.write(ours[versionEnd:])
	}
	return h.exchange(write, func() error {
		signal := sync.OnceFunc(func() { close(versionSeen) })
		defer signal()
		return h.readGreeting(signal)
	})
}

// readGreeting reads the peer's greeting. It calls versionSeen when it has the version.
func (h *handshake) readGreeting(versionSeen func()) (err error) {
	for h.in.w < greetingSize {
		if err = h.in.fill(); err == nil {
			err = checkSignature(h.in.buf.octets[:min(h.in.w, greetingSize)])
		}
		if err != nil {
			return err
		}
		if h.in.w >= versionEnd {
			versionSeen()
		}
	}
	h.in.r = greetingSize
	h.peer, err = parseGreeting(h.in.buf.octets[:greetingSize])
	return err
}
