package zmtp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// decide asks the handler about the client and keeps the user that it names. If the handler
// does not admit the client, decide returns a *RefusedError, of which the caller tells the
// peer with refuse.
func (h *handshake) decide(ctx context.Context, key curve.PublicKey, credentials ...[]byte) error {
	if _, ok := h.cfg.Handler.(zap.Keeper); ok {
		h.stay = &stay{key: key, log: h.log, gone: make(chan struct{})}
	}
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
		cause, _, _ := strings.Cut(err.Error(), "\n") // without the stack of a panic
		h.tell(slog.LevelError, "the handler failed", cause, slog.Any("err", err))
	}
	if reply.Status != zap.StatusOK {
		return &RefusedError{Key: key, Reply: reply, atServer: true}
	}
	h.user = User{ID: reply.UserID, Metadata: reply.Metadata, Key: key}
	return nil
}

// tooMany is the reply if there is no place for another decision.
var tooMany = zap.Reply{Status: zap.StatusTryLater, Text: "too many clients wait for a decision"}

// ask asks the handler. A Listener asks in this goroutine, since it can leave the goroutine
// behind if the handler does not return. Without a Listener, ask returns when ctx is done,
// whatever the handler does.
func (h *handshake) ask(ctx context.Context, req *zap.Request) (zap.Reply, error) {
	h.in.release()
	h.in.makeRoom() // gives up the command's buffer while the handler decides
	if h.place != nil {
		return h.place.ask(ctx, h, req)
	}
	type answer struct {
		reply zap.Reply
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		defer close(answers) // also if the handler calls runtime.Goexit
		reply, err := zap.Ask(ctx, h.cfg.Handler, req)
		reply, err = h.keep(req, reply, err)
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

// ask asks the handler if there is a place for another decision, or if the handler can
// decide at once. If the handler ends the goroutine, only deferred calls still run. They
// close the connection.
func (p *place) ask(ctx context.Context, h *handshake, req *zap.Request) (zap.Reply, error) {
	p.of.asking.Add(1)
	stop := context.AfterFunc(ctx, func() { h.nc.Close() }) // spares the client the wait, whatever the handler does
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
	reply, err = h.keep(req, reply, err)
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

// acceptClaims is setClaims on a server, which tells the client if its socket type is wrong.
func (h *handshake) acceptClaims(metadata []byte) error {
	if err := h.setClaims(metadata); err != nil {
		return h.refuse(err)
	}
	return nil
}

// ipAddress returns the peer's IP address, as RFC 27 requires, or "" if it has none.
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
