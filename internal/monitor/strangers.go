package monitor

import (
	"container/list"
	"slices"
	"strings"
	"sync"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/tally"
	"github.com/zcurve/zcurve/zap"
)

const (
	// maxStrangers bounds the clients that the policy doesn't know.
	maxStrangers = 2_000
	// perNetwork bounds those of one network.
	perNetwork = 20
)

// strangers holds the clients that the policy does not know. A shard that is locked may lock it,
// and not the other way around.
type strangers struct {
	mu       sync.Mutex
	table    table
	networks map[string]*network
	dropped  uint64
}

// network holds the strangers of one network, the most recently seen first.
type network struct {
	name  string
	order *list.List // of *client
}

func (s *strangers) init() {
	s.table, s.networks = newTable(), map[string]*network{}
}

// addLocked adds a client. If there are too many, from its network or in all, it removes one.
func (s *strangers) addLocked(c *client, address string) {
	name := tally.Network(cut(address))
	n := s.networks[name]
	var leaves *client
	switch {
	case n != nil && n.order.Len() >= perNetwork:
		leaves = n.order.Back().Value.(*client)
	case len(s.table.byID) >= maxStrangers:
		leaves = s.table.oldest()
	}
	if leaves != nil {
		s.removeLocked(leaves)
		s.dropped++
		n = s.networks[name]
	}
	if n == nil {
		n = &network{strings.Clone(name), list.New()}
		s.networks[n.name] = n
	}
	c.network, c.placeInNetwork = n, n.order.PushFront(c)
	s.table.add(c)
}

// seenLocked makes a client the most recently seen one.
func (s *strangers) seenLocked(c *client) {
	s.table.order.MoveToFront(c.place)
	c.network.order.MoveToFront(c.placeInNetwork)
}

func (s *strangers) removeLocked(c *client) {
	s.table.remove(c)
	n := c.network
	n.order.Remove(c.placeInNetwork)
	if n.order.Len() == 0 {
		delete(s.networks, n.name)
	}
	c.network, c.placeInNetwork = nil, nil
}

// snapshot returns copies of the clients, the most recently seen first.
func (s *strangers) snapshot() (all []client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.table.order.Front(); e != nil; e = e.Next() {
		all = append(all, *e.Value.(*client))
	}
	return all
}

// Pending returns the unknown keys that were refused, the most recently refused first. A key is
// unknown if no domain of the policy has a name for it. One that is revoked is not pending.
func (m *Monitor) Pending() (pending []Client) {
	all := slices.DeleteFunc(m.strangers.snapshot(), func(c client) bool { return !m.isPending(&c) })
	slices.SortStableFunc(all, func(a, b client) int { return b.refused.at.Compare(a.refused.at) })
	for _, c := range all {
		out := m.describe(&c)
		out.Admit = m.options.Advice.admit(out.Fingerprint, "", out.Refused.Domain)
		pending = append(pending, out)
	}
	return pending
}

// isPending reports whether a stranger is an unknown key whose last decision was a refusal.
func (m *Monitor) isPending(c *client) bool {
	latest, _ := c.latest()
	return c.kind == byKey && latest.status == zap.StatusRefused && !isRevoked(latest.reason) && len(m.named(&c.id)) == 0
}

// Forget forgets an unknown key, for example because it was admitted or denied. It reports
// whether it was remembered.
func (m *Monitor) Forget(key curve.PublicKey) bool {
	m.strangers.mu.Lock()
	defer m.strangers.mu.Unlock()
	c := m.strangers.table.byID[id{byKey, key}]
	if c == nil {
		return false
	}
	m.strangers.removeLocked(c)
	return true
}

// Dropped returns how many unknown keys and user names were forgotten to make room for others.
func (m *Monitor) Dropped() uint64 {
	m.strangers.mu.Lock()
	defer m.strangers.mu.Unlock()
	return m.strangers.dropped
}
