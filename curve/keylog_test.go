package curve

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"golang.org/x/crypto/nacl/secretbox"
)

// openLogged opens what follows the name and the counter of a command with a key of a key log.
func openLogged(key string, prefix string, command []byte, skip int) ([]byte, bool) {
	var secret [KeySize]byte
	hex.Decode(secret[:], []byte(key))
	rest := command[skip:]
	nonce := [24]byte([]byte(prefix + strings.Repeat("\x00", 24-len(prefix))))
	n := copy(nonce[len(prefix):], rest)
	return secretbox.Open(nil, rest[n:], &nonce, &secret)
}

// TestInsecureKeyLog: both sides log the same line, once, before the client is admitted. It
// has no long-term key, and NaCl opens with it all boxes of the connection but the vouch.
func TestInsecureKeyLog(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	var lines [2][]string
	p.client.InsecureKeyLog = func(line []byte) { lines[0] = append(lines[0], string(line)) }
	p.server.InsecureKeyLog = func(line []byte) { lines[1] = append(lines[1], string(line)) }
	hello, err := p.client.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	shake := p.server.Handshake()
	welcome, err := shake.HandleHello(nil, hello)
	if err != nil {
		t.Fatal(err)
	}
	initiate, err := p.client.HandleWelcome(nil, welcome, []byte("claims"))
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(initiate)
	broken[len(broken)-1]++
	if _, _, err := p.server.Handshake().HandleInitiate(broken); err == nil || len(lines[1]) > 0 {
		t.Fatalf("before INITIATE: %v, %q", err, lines[1])
	}
	key, _, err := shake.HandleInitiate(initiate)
	if err != nil {
		t.Fatal(err)
	}
	ready, sealer, opener, err := shake.Ready(nil, []byte("answer"))
	if err != nil {
		t.Fatal(err)
	}
	_, client, _, err := p.client.HandleReady(ready)
	if err != nil {
		t.Fatal(err)
	}
	defer opener.Close()
	if len(lines[0]) != 1 || len(lines[1]) != 1 || lines[0][0] != lines[1][0] {
		t.Fatalf("lines: %q", lines)
	}
	fields := strings.Split(strings.TrimSuffix(lines[0][0], "\n"), " ")
	if len(fields) != 5 || fields[0] != "CURVEZMQ" || fields[1] != hex.EncodeToString(hello[80:112]) {
		t.Fatalf("line: %q", lines[0][0])
	}
	for _, secret := range []SecretKey{p.client.key, p.server.key} {
		if form := leaks(lines[0][0], secret.key.octets[:]); form != "" {
			t.Errorf("the line has a long-term key: %q", form)
		}
	}
	first, second := fields[3], fields[4]
	text, ok := openLogged(first, "WELCOME-", welcome, 8)
	if !ok || hex.EncodeToString(text[:KeySize]) != fields[2] {
		t.Error("WELCOME does not open, or has another S'")
	}
	text, ok = openLogged(second, "CurveZMQINITIATE", initiate, 9+cookieSize)
	if !ok || PublicKey(text) != key || !bytes.HasSuffix(text, []byte("claims")) {
		t.Error("INITIATE does not open")
	}
	if text, ok = openLogged(second, "CurveZMQREADY---", ready, 6); !ok || string(text) != "answer" {
		t.Error("READY does not open")
	}
	for prefix, sealer := range map[string]*Sealer{"CurveZMQMESSAGEC": client, "CurveZMQMESSAGES": sealer} {
		message, err := sealer.Seal(nil, FlagMore, []byte("text"))
		if err != nil {
			t.Fatal(err)
		}
		if text, ok = openLogged(second, prefix, message, 8); !ok || string(text) != "\x01text" {
			t.Error("MESSAGE does not open")
		}
	}
}
