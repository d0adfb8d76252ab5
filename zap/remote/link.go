package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// run keeps a connection to one of the servers until ctx is done.
func (h *Handler) run(ctx context.Context) {
	defer close(h.done)
	defer h.log.Close()
	defer h.closeKept()
	for next := 0; ; {
		used, conn := h.dial(ctx, next)
		if conn == nil {
			return
		}
		asked, answered, err := h.use(ctx, used, conn)
		if ctx.Err() != nil {
			return
		}
		used.lost(asked, answered)
		h.tellDown(used, err)
		next = used.turn + 1
	}
}

// errClosed means that the server has ended.
var errClosed = errors.New("the server has closed the connection")

// use sends the pending requests, and notices about open admissions, and delivers replies and
// the ends of admissions, until the connection ends. It
// reports whether it has sent a request, whether it has received a reply to one, and why
// the connection ended. It receives while it sends, because a server that cannot send its
// replies may stop receiving requests.
func (h *Handler) use(ctx context.Context, from *target, conn *zmtp.Conn) (asked, answered bool, err error) {
	ctx, end := context.WithCancelCause(ctx)
	h.connect()
	h.connectKept(knowsNotices(conn))
	var sending sync.WaitGroup
	sending.Go(func() {
		var err error
		asked, err = h.send(ctx, conn)
		end(err)
	})
	answered, err = h.receive(ctx, from, conn)
	end(err) // unless sending failed first
	conn.CloseNow()
	sending.Wait()
	h.disconnect()
	h.disconnectKept()
	return asked, answered, context.Cause(ctx)
}

// send sends queued requests and notices until ctx is done. It reports whether it has sent a
// request.
func (h *Handler) send(ctx context.Context, conn *zmtp.Conn) (asked bool, err error) {
	for {
		select {
		case <-h.unsent:
		case <-ctx.Done():
			return asked, ctx.Err()
		}
		runtime.Gosched() // so that the same write can take more requests
		for {
			var err error
			if q := h.next(); q != nil {
				asked = true
				err = conn.Queue(ctx, q.frames...)
				h.sent(q)
			} else if frames, wipe := h.nextNotice(); frames != nil {
				err = conn.Queue(ctx, frames...)
				wipe()
			} else {
				break
			}
			if err != nil {
				return asked, err
			}
		}
		if err := conn.Flush(ctx); err != nil {
			return asked, err
		}
	}
}

// receive delivers replies until the connection ends. It reports whether any was a reply
// to a request of this handler.
func (h *Handler) receive(ctx context.Context, from *target, conn *zmtp.Conn) (answered bool, err error) {
	for {
		frames, err := conn.Recv(ctx)
		if err == io.EOF {
			err = errClosed
		}
		if err != nil {
			return answered, err
		}
		if n, found, fault := parseNotice(frames); found {
			h.receiveNotice(from, n, fault)
			continue
		}
		id, reply, fault := zap.ParseReply(frames)
		if fault != nil {
			// If the id is known, its request need not wait any longer.
			h.log.Tell(slog.LevelWarn, "malformed ZAP reply", from.endpoint, fault.Error(),
				slog.String("endpoint", from.endpoint), slog.Any("err", fault))
			reply = zap.Reply{Status: zap.StatusError, Text: "malformed reply"}
		}
		if h.deliver(id, reply) {
			answered = true
		} else if fault == nil {
			h.log.Tell(slog.LevelWarn, "ZAP reply to an unknown request", from.endpoint, "",
				slog.String("endpoint", from.endpoint), slog.Any("err", fmt.Errorf("no request has the id %x", id)))
		}
	}
}

// receiveNotice ends the admission that a notice is about.
func (h *Handler) receiveNotice(from *target, n notice, fault error) {
	reply := zap.Reply{Status: zap.StatusError, Text: "malformed reply"}
	if fault == nil && n.name != noticeEnd {
		fault = fmt.Errorf("%w: %s from a server", errNotice, n.name)
	} else if fault == nil {
		if end, err := n.end(); err == nil {
			reply = end
		} else {
			fault = err
		}
	}
	if fault != nil {
		h.log.Tell(slog.LevelWarn, "malformed ZAP reply", from.endpoint, fault.Error(),
			slog.String("endpoint", from.endpoint), slog.Any("err", fault))
	}
	h.endKept(n.id, reply)
}
