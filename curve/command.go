package curve

import (
	"bytes"
	"encoding/binary"
	"math"
)

// The commands begin with their name behind its length (RFC 26, High-level
// Grammar).
const (
	helloName    = "\x05HELLO"
	welcomeName  = "\x07WELCOME"
	initiateName = "\x08INITIATE"
	readyName    = "\x05READY"
	errorName    = "\x05ERROR"
	messageName  = "\x07MESSAGE"
)

// Sizes in octets of what the commands consist of.
const (
	versionSize   = 2
	paddingSize   = 72 // the RFC's text says 70; its grammar and all implementations have 72
	counterSize   = 8  // a short nonce
	longNonceSize = 16
	boxOverhead   = 16 // a box is this much longer than its text
	zerosSize     = 64 // the text in HELLO's box
	reasonMax     = 255

	cookieText = 2 * KeySize // C', s'
	cookieSize = longNonceSize + boxOverhead + cookieText
	vouchText  = 2 * KeySize // C', S
	vouchSize  = longNonceSize + boxOverhead + vouchText

	helloSize   = len(helloName) + versionSize + paddingSize + KeySize + counterSize + boxOverhead + zerosSize
	welcomeSize = len(welcomeName) + longNonceSize + boxOverhead + KeySize + cookieSize
	initiateMin = len(initiateName) + cookieSize + counterSize + boxOverhead + KeySize + vouchSize
	readyMin    = len(readyName) + counterSize + boxOverhead
	errorMin    = len(errorName) + 1
)

// What a nonce of 24 octets begins with; a counter or 16 random octets follow.
const (
	helloPrefix         = "CurveZMQHELLO---"
	initiatePrefix      = "CurveZMQINITIATE"
	readyPrefix         = "CurveZMQREADY---"
	clientMessagePrefix = "CurveZMQMESSAGEC"
	serverMessagePrefix = "CurveZMQMESSAGES"

	welcomePrefix = "WELCOME-"
	cookiePrefix  = "COOKIE--"
	vouchPrefix   = "VOUCH---"
)

// noMax is for commands that may be of any length.
const noMax = math.MaxInt

// body returns what follows the name of a command. It returns errName for
// another command, and errLength for one of fewer octets than least or more
// than most.
func body(name string, command []byte, least, most int) ([]byte, error) {
	if !bytes.HasPrefix(command, []byte(name)) {
		return nil, refuse(name, errName)
	}
	if len(command) < least || len(command) > most {
		return nil, refuse(name, errLength)
	}
	return command[len(name):], nil
}

// cut takes the first n octets off b, which must have as many.
func cut(b *[]byte, n int) []byte {
	head := (*b)[:n:n]
	*b = (*b)[n:]
	return head
}

// cutCounter takes a short nonce off b, which must have 8 octets.
func cutCounter(b *[]byte) uint64 { return binary.BigEndian.Uint64(cut(b, counterSize)) }

// isZero reports, in constant time, whether all of b is zero.
func isZero(b []byte) bool {
	var any byte
	for _, octet := range b {
		any |= octet
	}
	return any == 0
}

// AppendError appends an ERROR command with this reason to dst (RFC 26, The
// ERROR Command). A reason is at most 255 octets of printable ASCII, most
// often a ZAP status code; for another, dst comes back unchanged with a
// *ProtocolError of errReason. ERROR is the same for the mechanisms NULL and
// PLAIN.
func AppendError(dst []byte, reason string) ([]byte, error) {
	if !isReason(reason) {
		return dst, unable(errorName, errReason)
	}
	dst = append(dst, errorName...)
	dst = append(dst, byte(len(reason)))
	return append(dst, reason...), nil
}

// ParseError returns the reason in an ERROR command. It returns a
// *ProtocolError of errName, errLength or errReason. Nothing protects ERROR:
// anybody on the path can have sent it.
func ParseError(command []byte) (reason string, err error) {
	b, err := body(errorName, command, errorMin, errorMin+reasonMax)
	if err != nil {
		return "", err
	}
	size := int(cut(&b, 1)[0])
	if len(b) != size {
		return "", refuse(errorName, errLength)
	}
	reason = string(b)
	if !isReason(reason) {
		return "", refuse(errorName, errReason)
	}
	return reason, nil
}

// isReason reports whether s can be the reason of an ERROR. Blanks are let
// through, which the RFC's grammar leaves out and its text ("ASCII characters")
// doesn't; control characters, which could play with a terminal, are not.
func isReason(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= reasonMax
}
