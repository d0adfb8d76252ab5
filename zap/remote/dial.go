package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

const (
	// maxAttempt bounds an attempt to connect, including the handshake.
	maxAttempt = 3 * time.Second
	// overtake is how long one server is tried alone before the next one is tried, too.
	overtake = 300 * time.Millisecond
)

// Pauses before the next attempt to connect to the same server. See also target.pause.
const (
	minPause = 50 * time.Millisecond // after the first failure
	maxPause = 200 * time.Millisecond
	// refusedPause is for a server that has refused the handler. RFC 26 forbids a client
	// to return with the same credentials. But an operator may admit it later, and it
	// should then work without a restart.
	refusedPause = 5 * time.Second
	// maxLostPause bounds the pauses between connections that are lost one after
	// another without an answer.
	maxLostPause = 5 * time.Second
)

// target is one of the servers. Only Handler.run uses it.
type target struct {
	endpoint string
	turn     int           // its index in Handler.targets
	ready    time.Time     // when it can be tried again
	failing  time.Duration // the pause after the last failed attempt
	losing   time.Duration // the pause after the last connection that was lost without a reply
	down     bool          // the log says that it is down
}

// failed sets the pause after an attempt to connect.
func (t *target) failed(err error) {
	var refused *zmtp.RefusedError
	if errors.As(err, &refused) {
		t.pause(refusedPause)
		return
	}
	t.failing = min(max(2*t.failing, minPause), maxPause)
	t.pause(t.failing)
}

// lost sets the pause after a connection. It grows with each connection that is lost
// after a request and without a reply, since the request may be what crashes the server.
func (t *target) lost(asked, answered bool) {
	t.failing = 0
	if answered {
		t.losing = 0
	} else if asked {
		t.losing = min(max(2*t.losing, maxPause), maxLostPause)
	}
	t.pause(max(minPause, t.losing))
}

// pause chooses a pause between d and 1.5 times d, so that handlers that have lost the
// same server do not all return at the same time.
func (t *target) pause(d time.Duration) { t.ready = time.Now().Add(d + rand.N(d/2)) }

// attempt is the result of an attempt to connect.
type attempt struct {
	target *target
	conn   *zmtp.Conn
	err    error
}

// dial connects to one of the servers. It tries them in turn, beginning with index first,
// until there is a connection. It tries a server when its pause is over and the previous
// one has failed or taken too long. It returns nil if ctx is done first.
func (h *Handler) dial(ctx context.Context, first int) (*target, *zmtp.Conn) {
	attempts, cancel := context.WithCancel(ctx)
	ended := make(chan attempt, len(h.targets))
	trying := map[*target]bool{}
	defer func() {
		cancel()
		for len(trying) > 0 {
			a := <-ended
			delete(trying, a.target)
			if a.conn != nil {
				a.conn.CloseNow()
			}
		}
	}()
	var alone time.Time // until then, no other server is tried
	for {
		next := h.nextTarget(first, trying)
		var start <-chan time.Time
		if next != nil {
			at := next.ready
			if len(trying) > 0 && at.Before(alone) {
				at = alone
			}
			start = time.After(time.Until(at))
		}
		select {
		case <-start:
			trying[next] = true
			first, alone = next.turn+1, time.Now().Add(overtake)
			go func() {
				conn, err := h.try(attempts, next)
				ended <- attempt{next, conn, err}
			}()
		case a := <-ended:
			delete(trying, a.target)
			if a.err == nil {
				for other := range trying {
					h.tellDown(other, fmt.Errorf("no connection after %v, and another server has answered", overtake))
				}
				h.tellUp(a.target)
				return a.target, a.conn
			}
			if ctx.Err() != nil {
				return nil, nil
			}
			a.target.failed(a.err)
			h.tellDown(a.target, a.err)
			alone = time.Time{}
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// nextTarget returns the next server in turn whose pause is over. If there is none, it
// returns the one whose pause ends first, or nil if all are being tried.
func (h *Handler) nextTarget(first int, trying map[*target]bool) (next *target) {
	now := time.Now()
	for i := range h.targets {
		t := h.targets[(first+i)%len(h.targets)]
		if trying[t] {
			continue
		}
		if !t.ready.After(now) {
			return t
		}
		if next == nil || t.ready.Before(next.ready) {
			next = t
		}
	}
	return next
}

// try connects to one server.
func (h *Handler) try(ctx context.Context, t *target) (*zmtp.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, maxAttempt)
	defer cancel()
	nc, err := endpoint.Dial(ctx, t.endpoint)
	if err != nil {
		return nil, err
	}
	if h.link.Mechanism != zap.Curve { // CURVE proves the server's identity
		if err := checkServer(nc, t.endpoint); err != nil {
			nc.Close()
			return nil, err
		}
	}
	return zmtp.Client(ctx, nc, h.link)
}

// tellDown logs, once per outage, that a server cannot be reached.
func (h *Handler) tellDown(t *target, err error) {
	if t.down {
		return
	}
	t.down, h.down = true, true
	h.log.Tell(slog.LevelWarn, "ZAP server unreachable: retrying", t.endpoint, err.Error(),
		slog.String("endpoint", t.endpoint), slog.Any("err", err))
}

// tellUp logs that a server can be reached again.
func (h *Handler) tellUp(t *target) {
	t.failing, t.down = 0, false
	if h.down {
		h.log.Tell(slog.LevelInfo, "reconnected to the ZAP server", t.endpoint, "", slog.String("endpoint", t.endpoint))
	}
	h.down = false
}
