package curve

import "encoding/hex"

// keyLogLabel begins a line of a key log. See docs/spec/keylog.md.
const keyLogLabel = "CURVEZMQ"

// logKeys passes the line of a connection to to, unless that is nil: C', S', the key of HELLO
// and WELCOME, and the key of everything after them.
func logKeys(to func(line []byte), client, server PublicKey, first, second *sharedKey) {
	if to == nil {
		return
	}
	line := append(make([]byte, 0, len(keyLogLabel)+4*(1+2*KeySize)+1), keyLogLabel...)
	defer clear(line[:cap(line)])
	for _, key := range [...]*[KeySize]byte{(*[KeySize]byte)(&client), (*[KeySize]byte)(&server), first.key.octets, second.key.octets} {
		line = hex.AppendEncode(append(line, ' '), key[:])
	}
	to(append(line, '\n'))
}
