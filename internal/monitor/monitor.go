// Package monitor remembers decisions, for the operator who asks about them later: how many
// there were and how long they took, which clients were admitted and refused, and which unknown
// keys asked to be admitted. Its memory is bounded, whatever clients do.
//
// A decision about a client that is like an earlier one costs no memory and a fraction of a
// microsecond. Clients that the policy knows and strangers have separate tables, so that
// strangers never take the place of known clients (see [Monitor.Clients]).
package monitor

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// Options are the options of a Monitor. The zero value is valid.
type Options struct {
	// Names returns the names that other domains of the policy have for a key that one
	// domain does not know. It is called from many goroutines at once, must return soon and
	// must not call the Monitor. If it is nil, there are no such names.
	Names func(curve.PublicKey) []string
	// Advice is the configuration that [Event.Admit] and [Event.Advice] depend on.
	Advice Advice
}

// Monitor remembers the decisions of another handler. It is a zap.PromptHandler and a
// zap.Keeper, as far as the other handler is. Safe for concurrent use.
type Monitor struct {
	handler   zap.Handler
	options   Options
	labels    labels
	shards    []shard
	known     atomic.Int64 // clients in all shards
	maxKnown  int64
	strangers strangers
	following sync.Mutex           // held while feed changes
	feed      atomic.Pointer[feed] // nil if nothing follows
}

// maxKnown bounds the clients that the policy knows.
const maxKnown = 20_000

// shards is the number of parts that do not wait for each other. A client always belongs to the
// same one.
const shards = 16

// New returns a monitor of the decisions of h.
func New(h zap.Handler, o Options) *Monitor { return newMonitor(h, o, shards, maxKnown) }

func newMonitor(h zap.Handler, o Options, shards int, maxKnown int64) *Monitor {
	m := &Monitor{handler: h, options: o, shards: make([]shard, shards), maxKnown: maxKnown}
	for i := range m.shards {
		m.shards[i].clients = newTable()
	}
	m.strangers.init()
	return m
}

// Handle asks the other handler and remembers its decision.
func (m *Monitor) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	start := time.Now()
	reply := m.handler.Handle(ctx, req)
	m.remember(req, &reply, start)
	return reply
}

// HandleAtOnce is like Handle if the other handler decides at once. Otherwise, ok is false.
func (m *Monitor) HandleAtOnce(req *zap.Request) (zap.Reply, bool) {
	prompt, ok := m.handler.(zap.PromptHandler)
	if !ok {
		return zap.Reply{}, false
	}
	start := time.Now()
	reply, ok := prompt.HandleAtOnce(req)
	if ok {
		m.remember(req, &reply, start)
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

// remember remembers a decision. It copies what it keeps of the request and the reply.
func (m *Monitor) remember(req *zap.Request, reply *zap.Reply, start time.Time) {
	took := time.Since(start)
	now := start.Add(took)
	id, name := identify(req)
	s := &m.shards[id.hash()%uint64(len(m.shards))]
	s.mu.Lock()
	s.countLocked(&m.labels, req, reply, now, took)
	d := m.rememberClientLocked(s, &id, name, req, reply, now)
	s.recentLocked(d, now)
	s.mu.Unlock()
	if f := m.feed.Load(); f != nil {
		f.add(d, now)
	}
}

// named returns the names of a client in other domains.
func (m *Monitor) named(id *id) []string {
	if id.kind != byKey || m.options.Names == nil {
		return nil
	}
	return m.options.Names(id.sum)
}
