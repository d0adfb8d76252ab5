package zmtp

import (
	"context"
	"fmt"

	"github.com/zcurve/zcurve/curve"
)

// curveClient is the client half of CURVE (RFC 25, RFC 26): HELLO, WELCOME,
// INITIATE, READY.
func (h *handshake) curveClient() error {
	client, err := curve.NewClient(h.cfg.Key, h.cfg.ServerKey)
	if err != nil {
		return err
	}
	defer client.Close()
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
	if err := h.send(initiate); err != nil {
		return err
	}
	ready, err := h.receiveDecision()
	if err != nil {
		return err
	}
	claims, session, err := client.HandleReady(ready)
	if err != nil {
		return err
	}
	h.session = session
	h.user.Key = h.cfg.ServerKey
	return h.setClaims(claims)
}

// curveServer is the server half of CURVE. The handler decides when the client
// has proved its key, and before anything else about it is judged.
func (h *handshake) curveServer(ctx context.Context) error {
	hello, err := h.receive()
	if err != nil {
		return err
	}
	welcome, counter, err := h.cfg.server.Welcome(nil, hello)
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
	peer, err := h.cfg.server.Initiate(counter, initiate)
	if err != nil {
		return err
	}
	defer peer.Close()
	key := peer.Key()
	if err := h.decide(ctx, key, key[:]); err != nil {
		return h.refuse(err)
	}
	if err := h.acceptClaims(peer.Metadata()); err != nil {
		return err
	}
	metadata, err := h.metadata()
	if err != nil {
		return err
	}
	ready, session, err := peer.Ready(nil, metadata)
	if err != nil {
		return err
	}
	h.session = session
	return h.send(ready)
}
