package monitor

import (
	"slices"
	"time"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
)

// clientKey identifies a client: by its key, user name or principal.
type clientKey struct{ mechanism, name string }

// maxRecent bounds the decisions that Recent returns.
const maxRecent = 100

func (m *Monitor) remember(req *zap.Request, reply zap.Reply) {
	now := time.Now()
	r := audit.NewRecord(now, req, reply)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[Labels{r.Domain, r.Mechanism, r.Status}]++
	m.recent = append(m.recent, r)
	if len(m.recent) > maxRecent {
		m.recent = slices.Delete(m.recent, 0, 1)
	}
	key := clientKey{r.Mechanism, r.Key + r.Login + r.Principal}
	if key.name != "" {
		c := m.clients[key]
		if c == nil {
			c = &Client{FirstSeen: r.Time}
			m.clients[key] = c
		}
		c.Key, c.Fingerprint, c.Identity, c.Login, c.Principal = r.Key, r.Fingerprint, r.Identity, r.Login, r.Principal
		last := &Last{r.Time, r.Domain, r.Address, r.Asker, r.Status, r.Reason, r.Rule}
		if reply.Status == zap.StatusOK {
			c.Admitted = last
			c.Admits++
		} else {
			c.Refused = last
			c.Refusals++
		}
	}
	if m.feed != nil {
		m.feed(r)
	}
}

// Counts returns the numbers of decisions since the start.
func (m *Monitor) Counts() (counts []Count) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for labels, n := range m.counts {
		counts = append(counts, Count{labels, n})
	}
	return counts
}

// Recent returns the last decisions, the newest last.
func (m *Monitor) Recent() []audit.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.recent)
}

// Clients returns the clients that have asked, in no order.
func (m *Monitor) Clients() (clients []Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.clients {
		clients = append(clients, *c)
	}
	return clients
}

// Follow calls feed with each decision from now on, one at a time. feed must not block. If feed
// is nil, nothing follows the decisions anymore.
func (m *Monitor) Follow(feed func(audit.Record)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.feed = feed
}
