package zmtp

import (
	"context"
	"fmt"

	"github.com/zcurve/zcurve/curve"
)

// curveClient is the client half of CURVE (RFC 25, RFC 26): HELLO, WELCOME, INITIATE,
// READY.
func (h *handshake) curveClient() error {
	client, err := curve.NewClient(h.cfg.Key, h.cfg.ServerKey)
	if err != nil {
		return err
	}
	defer client.Close()
	client.InsecureKeyLog = h.cfg.keys.writer()
	hello, err := client.Hello(nil)
	if err != nil {
		return err
	}
	if err := h.send(hello); err != nil {
		return err
	}
	welcome, err := h.receive()
	if err != nil {
		if peerClosed(err) {
			return fmt.Errorf("%w: %w", ErrServerKey, err)
		}
		return err
	}
	if isCommand(welcome, cmdHello) {
		return errBothClients
	}
	metadata, err := h.metadata()
	if err != nil {
		return err
	}
	initiate, err := client.HandleWelcome(nil, welcome, metadata)
	if err != nil {
		return err
	}
	h.greet()
	if err := h.send(initiate); err != nil {
		return err
	}
	ready, err := h.receiveDecision()
	if err != nil {
		return err
	}
	claims, sealer, opener, err := client.HandleReady(ready)
	if err != nil {
		return err
	}
	h.sealer, h.opener = sealer, opener
	h.user.Key, h.user.Binding = h.cfg.ServerKey, client.Binding()
	return h.setClaims(claims)
}

// curveServer is the server half of CURVE. The handler decides as soon as the client has
// proved its key, before the server looks at the client's claims.
func (h *handshake) curveServer(ctx context.Context) error {
	shake := h.cfg.server.Handshake()
	defer shake.Close()
	hello, err := h.receive()
	if err != nil {
		return err
	}
	welcome, err := shake.HandleHello(nil, hello)
	if err != nil {
		return err
	}
	h.greet()
	if err := h.send(welcome); err != nil {
		return err
	}
	initiate, err := h.receive()
	if err != nil {
		return err
	}
	key, claims, err := shake.HandleInitiate(initiate)
	if err != nil {
		return err
	}
	if err := h.decide(ctx, key, key[:]); err != nil {
		return h.refuse(err)
	}
	if err := h.acceptClaims(claims); err != nil {
		return err
	}
	metadata, err := h.metadata()
	if err != nil {
		return err
	}
	ready, sealer, opener, err := shake.Ready(nil, metadata)
	if err != nil {
		return err
	}
	h.sealer, h.opener = sealer, opener
	h.user.Binding = shake.Binding()
	return h.send(ready)
}
