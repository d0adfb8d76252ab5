package zmtp

import (
	"bytes"
	"fmt"
)

// The greeting (RFC 23, Formal Grammar): signature FF 00*8 7F, version major
// and minor, mechanism in 20 octets padded with NUL, as-server, 31 zeros.
const (
	greetingSize  = 64
	signatureSize = 10
	versionEnd    = 11 // of the major version
	mechanismEnd  = 32
	versionMajor  = 3
	versionMinor  = 1
)

// greeting is what a peer says of itself before anything else.
type greeting struct {
	minor     byte
	mechanism string
	asServer  bool
}

// appendGreeting appends our greeting.
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

// checkSignature judges the first octets of a greeting, as far as they are
// there, so that a peer that isn't ZMTP is found without waiting for 64.
func checkSignature(b []byte) error {
	if len(b) > 0 && b[0] != 0xFF {
		// ZMTP 1.0 has no greeting: a length octet, then flags 0 or 1.
		return fmt.Errorf("%w: it began with %q", ErrNotZMTP, b[:min(len(b), 16)])
	}
	if len(b) >= signatureSize && b[9]&1 == 0 {
		return fmt.Errorf("%w: no signature", ErrNotZMTP)
	}
	if len(b) > signatureSize && b[10] < versionMajor {
		return ErrVersion
	}
	return nil
}

// parseGreeting reads the peer's 64 octets.
func parseGreeting(b []byte) (greeting, error) {
	if err := checkSignature(b); err != nil {
		return greeting{}, err
	}
	if len(b) != greetingSize {
		return greeting{}, fmt.Errorf("%w: greeting of %d octets", ErrNotZMTP, len(b))
	}
	g := greeting{minor: b[11], mechanism: string(bytes.TrimRight(b[12:mechanismEnd], "\x00")), asServer: b[32] == 1}
	if b[10] > versionMajor {
		g.minor = versionMinor
	}
	if b[32] > 1 {
		return greeting{}, fmt.Errorf("%w: as-server octet is %d", ErrNotZMTP, b[32])
	}
	return g, nil
}
