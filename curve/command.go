package curve

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Commands begin with a length byte and their name (RFC 26, High-level Grammar).
const (
	helloName    = "\x05HELLO"
	welcomeName  = "\x07WELCOME"
	initiateName = "\x08INITIATE"
	readyName    = "\x05READY"
	errorName    = "\x05ERROR"
	messageName  = "\x07MESSAGE"
)

// Sizes in bytes of the fields of commands.
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

// Prefixes of the nonces of 24 bytes. A counter or 16 random bytes follow.
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

// noMax is the maximum for commands of any length.
const noMax = math.MaxInt

// body returns what follows the name of a command. It refuses another command, and one of
// fewer than least or more than most bytes.
func body(name string, command []byte, least, most int) ([]byte, error) {
	if !bytes.HasPrefix(command, []byte(name)) {
		return nil, refuse(name, errName)
	}
	if len(command) < least || len(command) > most {
		return nil, refuse(name, errLength)
	}
	return command[len(name):], nil
}

// cut takes the first n bytes off b, which must have as many.
func cut(b *[]byte, n int) []byte {
	head := (*b)[:n:n]
	*b = (*b)[n:]
	return head
}

// cutCounter takes a short nonce off b, which must have at least 8 bytes.
func cutCounter(b *[]byte) uint64 { return binary.BigEndian.Uint64(cut(b, counterSize)) }

// isZero reports, in constant time, whether all of b is zero.
func isZero(b []byte) bool {
	var any byte
	for _, c := range b {
		any |= c
	}
	return any == 0
}

// AppendError appends an ERROR command with this reason to dst (RFC 26, The ERROR Command).
// The reason is usually a ZAP status code. If it is not at most 255 bytes of printable ASCII,
// AppendError returns dst unchanged and an error. ERROR is the same in the mechanisms NULL
// and PLAIN.
func AppendError(dst []byte, reason string) ([]byte, error) {
	if !isReason(reason) {
		return dst, unable(errorName, errReason)
	}
	dst = append(dst, errorName...)
	dst = append(dst, byte(len(reason)))
	return append(dst, reason...), nil
}

// ParseError returns the reason in an ERROR command, or a *ProtocolError if the command is
// malformed. Nothing authenticates ERROR: anyone on the path can have sent it.
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

// isReason reports whether s can be the reason of an ERROR. It allows spaces, which the RFC's
// grammar excludes and its text ("ASCII characters") does not. It refuses control characters,
// which could manipulate a terminal.
func isReason(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= reasonMax
}
