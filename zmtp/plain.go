package zmtp

import (
	"bytes"
	"context"
	"fmt"

	"github.com/zcurve/zcurve/curve"
)

// plainClient is the client half of PLAIN (RFC 24): HELLO with user name and password,
// WELCOME, INITIATE with metadata, READY with metadata.
func (h *handshake) plainClient() error {
	hello := appendName(nil, cmdHello)
	hello = append(append(hello, byte(len(h.cfg.Username))), h.cfg.Username...)
	password := h.cfg.Password.Reveal()
	hello = append(append(hello, byte(len(password))), password...)
	if err := h.send(hello); err != nil {
		return err
	}
	body, err := h.receiveDecision()
	if err != nil {
		return err
	}
	if isCommand(body, cmdHello) {
		return errBothClients
	}
	data, err := expect(body, cmdWelcome)
	if err != nil {
		return err
	}
	if len(data) > 0 {
		return fmt.Errorf("%w: %d bytes too many in WELCOME", errCommand, len(data))
	}
	h.greet()
	if err := h.sendMetadata(cmdInitiate); err != nil {
		return err
	}
	ready, err := h.receive()
	if err != nil {
		if peerClosed(err) {
			return fmt.Errorf("server closed the connection after INITIATE: %w", err)
		}
		return err
	}
	metadata, err := expect(ready, cmdReady)
	if err != nil {
		return err
	}
	return h.setClaims(metadata)
}

// brokenError is how libzmq's PLAIN server begins its ERROR command, at least up to 4.3.5.
// In its source, the C compiler takes the E of "\x05ERROR" as part of the escape sequence.
const brokenError = "^RROR"

// repairPlainError gives libzmq's ERROR its proper name. No other command begins like that:
// it is too short for a name of 94 bytes.
func repairPlainError(body []byte) []byte {
	if rest, ok := bytes.CutPrefix(body, []byte(brokenError)); ok && len(rest) < 0x5E {
		return append(appendName(nil, cmdError), rest...)
	}
	return body
}

// plainServer is the server half of PLAIN. The handler decides on HELLO.
func (h *handshake) plainServer(ctx context.Context) error {
	body, err := h.receive()
	if err != nil {
		return err
	}
	data, err := expect(body, cmdHello)
	if err != nil {
		return err
	}
	username, rest, ok := cutString(data)
	if !ok {
		return fmt.Errorf("%w: user name cut off in HELLO", errCommand)
	}
	password, rest, ok := cutString(rest)
	if !ok || len(rest) > 0 {
		return fmt.Errorf("%w: password cut off in HELLO, or bytes after it", errCommand)
	}
	h.greet()
	username, password = bytes.Clone(username), bytes.Clone(password)
	clear(data) // leave no password in the read buffer
	if err := h.decide(ctx, curve.PublicKey{}, username, password); err != nil {
		return h.refuse(err)
	}
	if err := h.send(appendName(nil, cmdWelcome)); err != nil {
		return err
	}
	initiate, err := h.receive()
	if err != nil {
		return err
	}
	metadata, err := expect(initiate, cmdInitiate)
	if err != nil {
		return err
	}
	if err := h.acceptClaims(metadata); err != nil {
		return err
	}
	return h.sendMetadata(cmdReady)
}

// sendMetadata sends a command whose data is this side's metadata.
func (h *handshake) sendMetadata(name string) error {
	metadata, err := h.metadata()
	if err != nil {
		return err
	}
	return h.send(append(appendName(nil, name), metadata...))
}

// cutString splits off a string after its length byte.
func cutString(b []byte) (s, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:], true
}
