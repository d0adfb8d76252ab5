package monitor

import (
	"container/list"
	"sync"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// shard holds the clients that the policy knows and whose ids have the same hash, and their
// numbers.
type shard struct {
	mu        sync.Mutex
	counts    counts
	clients   table
	decisions decisions
	admitted  ring // the last admissions
	refused   ring // the last refusals
}

// each calls do with each shard, while it is locked.
func (m *Monitor) each(do func(*shard)) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		do(s)
		s.mu.Unlock()
	}
}

// client holds the decisions about a client. The lock of the table that has it guards it.
type client struct {
	id
	first    time.Time
	admitted outcome
	refused  outcome
	place    *list.Element // in the table

	network        *network // whose place it takes among strangers; nil if the client is known
	placeInNetwork *list.Element
}

// outcome is the last decision of one kind about a client.
type outcome struct {
	last  *decision // nil if there was none
	at    time.Time
	count uint64
}

// latest returns the last decision about a client.
func (c *client) latest() (*decision, time.Time) {
	if c.refused.last != nil && !c.refused.at.Before(c.admitted.at) {
		return c.refused.last, c.refused.at
	}
	return c.admitted.last, c.admitted.at
}

// table holds clients, the most recently seen first.
type table struct {
	byID  map[id]*client
	order *list.List // of *client
}

func newTable() table { return table{map[id]*client{}, list.New()} }

func (t *table) add(c *client) {
	t.byID[c.id] = c
	c.place = t.order.PushFront(c)
}

func (t *table) remove(c *client) {
	delete(t.byID, c.id)
	t.order.Remove(c.place)
	c.place = nil
}

// oldest returns the least recently seen client, or nil.
func (t *table) oldest() *client {
	last := t.order.Back()
	if last == nil {
		return nil
	}
	return last.Value.(*client)
}

// rememberClientLocked remembers a decision about a client, and returns it. It moves a client
// that is not known anymore to the strangers, and one that has become known away from them.
func (m *Monitor) rememberClientLocked(s *shard, id *id, name []byte, req *zap.Request, reply *zap.Reply, now time.Time) *decision {
	if id.kind == anonymous {
		return s.decisions.intern(id, name, req, reply)
	}
	c := s.clients.byID[*id]
	if c != nil && !m.isGone(id, reply) {
		s.clients.order.MoveToFront(c.place)
		return c.decide(&s.decisions, name, req, reply, now)
	}
	m.strangers.mu.Lock()
	defer m.strangers.mu.Unlock()
	x := m.strangers.table.byID[*id]
	switch {
	case c != nil:
		m.removeLocked(s, c)
		m.strangers.addLocked(c, req.Address)
	case x != nil && reply.Identity == "":
		c = x
		m.strangers.seenLocked(c)
	case x != nil:
		c = x
		m.strangers.removeLocked(c)
		m.addLocked(s, c)
	default:
		c = &client{id: *id, first: now}
		if reply.Identity != "" || len(m.named(id)) > 0 {
			m.addLocked(s, c)
		} else {
			m.strangers.addLocked(c, req.Address)
		}
	}
	return c.decide(&s.decisions, name, req, reply, now)
}

// isGone reports whether a decision shows that the policy knows a client no longer. A refusal
// without an identity does, unless the key is known in another domain. A wrong password does not.
func (m *Monitor) isGone(id *id, reply *zap.Reply) bool {
	return reply.Identity == "" && id.kind == byKey && reply.Status == zap.StatusRefused && len(m.named(id)) == 0
}

// decide adds a decision to a client.
func (c *client) decide(ds *decisions, name []byte, req *zap.Request, reply *zap.Reply, now time.Time) *decision {
	o := &c.admitted
	if reply.Status != zap.StatusOK {
		o = &c.refused
	}
	if !o.last.says(req, reply) {
		o.last = ds.intern(&c.id, name, req, reply)
	}
	o.at = now
	o.count++
	return o.last
}

// addLocked adds a client that the policy knows. If there are too many, it removes one.
func (m *Monitor) addLocked(s *shard, c *client) {
	if m.known.Load() >= m.maxKnown {
		if oldest := s.clients.oldest(); oldest != nil {
			m.removeLocked(s, oldest)
		}
	}
	m.known.Add(1)
	s.clients.add(c)
}

func (m *Monitor) removeLocked(s *shard, c *client) {
	m.known.Add(-1)
	s.clients.remove(c)
}

// Clients returns the clients that have asked, in no order. It remembers up to 20,000 that the
// policy knows, and up to 2,000 unknown keys and user names, 20 for each network (see
// [github.com/zcurve/zcurve/internal/tally.Network]); the least recently seen leave first.
func (m *Monitor) Clients() []Client {
	all := m.snapshot()
	clients := make([]Client, len(all))
	for i := range all {
		clients[i] = m.describe(&all[i])
	}
	return clients
}

// Len returns the number of clients that Clients returns.
func (m *Monitor) Len() int {
	m.strangers.mu.Lock()
	defer m.strangers.mu.Unlock()
	return int(m.known.Load()) + m.strangers.table.order.Len()
}

// snapshot returns copies of all clients.
func (m *Monitor) snapshot() (all []client) {
	m.each(func(s *shard) {
		for _, c := range s.clients.byID {
			all = append(all, *c)
		}
	})
	return append(all, m.strangers.snapshot()...)
}

// describe returns a client for an operator.
func (m *Monitor) describe(c *client) Client {
	out := Client{Admits: c.admitted.count, Refusals: c.refused.count, FirstSeen: stamp(c.first)}
	latest, _ := c.latest()
	switch c.kind {
	case byKey:
		out.Key, out.Fingerprint = printKey(c.sum)
	case byLogin:
		out.Login = latest.name
	case byPrincipal:
		out.Principal = latest.name
	}
	if c.network == nil {
		out.Identity = latest.identity
	}
	for _, o := range [...]struct {
		outcome
		last **Last
	}{{c.admitted, &out.Admitted}, {c.refused, &out.Refused}} {
		if o.outcome.last == nil {
			continue
		}
		*o.last = o.outcome.last.last(o.at)
		if c.network == nil && out.Identity == "" {
			out.Identity = o.outcome.last.identity
		}
	}
	if names := m.named(&c.id); out.Identity == "" && len(names) > 0 {
		out.Identity, out.Elsewhere = names[0], true
	}
	return out
}
