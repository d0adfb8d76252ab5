// Package monitor remembers decisions, for the operator who asks about them later: how many
// there were, which clients were admitted and refused, and which unknown keys would like to be
// admitted. Its memory is bounded, whatever clients do.
package monitor

import (
	"context"
	"sync"
	"time"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
)

// Monitor remembers the decisions of another handler. It is a zap.PromptHandler and a
// zap.Keeper, as far as the other handler is. Safe for concurrent use.
type Monitor struct {
	handler zap.Handler
	started time.Time

	mu      sync.Mutex
	counts  map[Labels]uint64
	clients map[clientKey]*Client
	recent  []audit.Record
	feed    func(audit.Record) // see Follow
}

// New returns a monitor of the decisions of h.
func New(h zap.Handler) *Monitor {
	return &Monitor{handler: h, started: time.Now(), counts: map[Labels]uint64{}, clients: map[clientKey]*Client{}}
}

// Handle asks the other handler and remembers its decision.
func (m *Monitor) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	reply := m.handler.Handle(ctx, req)
	m.remember(req, reply)
	return reply
}

// HandleAtOnce is like Handle if the other handler decides at once. Otherwise, ok is false.
func (m *Monitor) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	prompt, ok := m.handler.(zap.PromptHandler)
	if !ok {
		return zap.Reply{}, false
	}
	reply, ok := prompt.HandleAtOnce(req)
	if ok {
		m.remember(req, reply)
	}
	return reply, ok
}

// Keep is that of the other handler, if it is a [zap.Keeper]. Otherwise, no client must leave.
func (m *Monitor) Keep(req *zap.Request, reply zap.Reply, end func(zap.Reply)) (release func()) {
	if keeper, ok := m.handler.(zap.Keeper); ok {
		return keeper.Keep(req, reply, end)
	}
	return func() {}
}
