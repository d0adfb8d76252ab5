package zmtp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strconv"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// decide asks the handler. It returns a *RefusedError if the handler doesn't admit the
// client, which the caller tells the peer with refuse.
func (h *handshake) decide(ctx context.Context, key curve.PublicKey, credentials ...[]byte) error {
	reply, err := h.ask(ctx, &zap.Request{
		Domain:      h.cfg.Domain,
		Address:     ipAddress(h.nc),
		RoutingID:   h.cfg.RoutingID,
		Mechanism:   h.cfg.Mechanism,
		Credentials: credentials,
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		h.tell(slog.LevelError, "the handler failed", strconv.Itoa(int(reply.Status)), slog.Any("err", err))
	}
	if reply.Status != zap.StatusOK {
		return &RefusedError{Key: key, Reply: reply, atServer: true}
	}
	h.user = User{ID: reply.UserID, Metadata: reply.Metadata, Key: key}
	return nil
}

// tooMany is the decision where there is no place for another.
var tooMany = zap.Reply{Status: zap.StatusTryLater, Text: "too many clients wait for a decision"}

// ask asks the handler, if there is a place for a peer that waits for it, or if it can
// decide at once. Without a Listener, which can leave this goroutine alone, it doesn't wait
// for the handler longer than ctx, whatever that does.
func (h *handshake) ask(ctx context.Context, req *zap.Request) (zap.Reply, error) {
	h.in.release()
	h.in.makeRoom() // what the command took isn't needed while the handler decides
	if h.place != nil {
		return h.place.ask(ctx, h, req)
	}
	type answer struct {
		reply zap.Reply
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		defer close(answers) // also if the handler ends its goroutine
		reply, err := zap.Ask(ctx, h.cfg.Handler, req)
		answers <- answer{reply, err}
	}()
	select {
	case a, ok := <-answers:
		if !ok {
			return zap.Reply{Status: zap.StatusError, Text: "internal error"}, errEnded
		}
		return a.reply, a.err
	case <-ctx.Done():
		return zap.Reply{}, ctx.Err()
	}
}

// ask is ask of a handshake that has a place. If the handler ends the goroutine, nothing
// but deferred calls runs any more: the connection is closed.
func (p *place) ask(ctx context.Context, h *handshake, req *zap.Request) (zap.Reply, error) {
	p.of.asking.Add(1)
	stop := context.AfterFunc(ctx, func() { h.nc.Close() }) // the client needn't wait, whatever the handler does
	defer stop()
	returned := false
	defer func() {
		p.of.asking.Add(-1)
		if !returned {
			h.nc.Close()
			h.tell(slog.LevelError, "the handler failed", "", slog.Any("err", errEnded))
		}
	}()
	reply, err := askHandler(ctx, h.cfg.Handler, req, p.decide())
	returned = true
	return reply, err
}

func askHandler(ctx context.Context, h zap.Handler, req *zap.Request, hasPlace bool) (zap.Reply, error) {
	if hasPlace {
		return zap.Ask(ctx, h, req)
	}
	if reply, ok, err := zap.AskAtOnce(h, req); ok {
		return reply, err
	}
	return tooMany, nil
}

// errEnded means that a handler called runtime.Goexit in HandleAtOnce.
var errEnded = errors.New("the handler ended its goroutine")

// acceptClaims is setClaims on a server, which tells a client of the wrong socket type.
func (h *handshake) acceptClaims(metadata []byte) error {
	if err := h.setClaims(metadata); err != nil {
		return h.refuse(err)
	}
	return nil
}

// ipAddress is the peer's address as RFC 27 wants it: the IP alone, and
// nothing where there is none.
func ipAddress(nc net.Conn) string {
	a := nc.RemoteAddr()
	if a == nil {
		return ""
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return ""
	}
	return ap.Addr().Unmap().WithZone("").String()
}
