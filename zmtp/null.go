package zmtp

import (
	"cmp"
	"context"

	"github.com/zcurve/zcurve/curve"
)

// null is the NULL mechanism (RFC 37): each peer sends READY with its metadata, or ERROR. A
// server that has a Handler asks it first.
func (h *handshake) null(ctx context.Context) error {
	metadata, err := h.metadata()
	if err != nil {
		return err
	}
	ours := append(appendName(nil, cmdReady), metadata...)
	var refused error
	if h.asServer && h.cfg.Handler != nil {
		h.setPatience(false)
		refused = h.decide(ctx, curve.PublicKey{})
		h.setPatience(true) // without READY the peer has proved nothing
		h.place.shake()
		if refused != nil {
			if ours = errorCommand(refused); ours == nil {
				return refused
			}
		}
	}
	// Closing a connection while the peer's READY is unread would reset it, and the peer
	// would lose the ERROR. So read READY in any case.
	write := func() error { return h.send(ours) }
	// An error of read would cut off the write of READY, in which the peer sees for itself
	// that the socket types do not fit. So what is wrong with the peer's READY is kept.
	var unfit error
	read := func() error {
		body, err := h.receiveDecision()
		if err == nil && refused == nil {
			unfit = h.takeReady(body)
		}
		return err
	}
	err = h.exchange(write, read)
	return cmp.Or(refused, unfit, err)
}

// takeReady takes the peer's READY in NULL.
func (h *handshake) takeReady(body []byte) error {
	data, err := expect(body, cmdReady)
	if err != nil {
		return err
	}
	if err := h.setClaims(data); err != nil {
		return err
	}
	h.greet()
	return nil
}
