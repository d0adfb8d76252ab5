package capture

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/crypto/nacl/secretbox"

	"github.com/zcurve/zcurve/curve"
)

// label begins the line of a connection in a key log.
const label = "CURVEZMQ "

// KeyLog holds the keys of connections.
type KeyLog struct {
	conns map[curve.PublicKey]*logged // by C'
}

// logged decrypts one connection.
type logged struct {
	server        curve.PublicKey // S'
	first, second *[32]byte
}

// ParseKeyLog parses a key log, as docs/spec/keylog.md describes. It ignores the lines of
// other protocols. Errors do not quote the text.
func ParseKeyLog(text []byte) (*KeyLog, error) {
	k := &KeyLog{conns: map[curve.PublicKey]*logged{}}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		fields, ok := strings.CutPrefix(string(bytes.TrimRight(line, "\r\n")), label)
		if !ok {
			continue
		}
		var parts [4][32]byte
		values := strings.Split(fields, " ")
		ok = len(values) == len(parts)
		for i := 0; ok && i < len(parts); i++ {
			ok = len(values[i]) == hex.EncodedLen(len(parts[i]))
			if ok {
				_, err := hex.Decode(parts[i][:], []byte(values[i]))
				ok = err == nil
			}
		}
		if !ok {
			return nil, fmt.Errorf("capture: line %d: expected %sand 4 keys of 64 hexadecimal digits", n, label)
		}
		k.conns[parts[0]] = &logged{server: parts[1], first: &parts[2], second: &parts[3]}
	}
	return k, nil
}

// Len returns how many connections the key log has.
func (k *KeyLog) Len() int { return len(k.conns) }

// open opens the box of a CURVE command. The nonce has this prefix, and ends with the first
// bytes of the command's rest; the box follows.
func open(key *[32]byte, prefix string, rest []byte) ([]byte, bool) {
	var nonce [24]byte
	n := copy(nonce[:], prefix)
	if len(rest) < len(nonce)-n {
		return nil, false
	}
	n = copy(nonce[n:], rest)
	return secretbox.Open(nil, rest[n:], &nonce, key)
}
