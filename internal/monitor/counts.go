package monitor

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// maxLabels bounds the combinations of labels with a domain of their own.
const maxLabels = 200

// other is the domain and the mechanism of decisions that are not counted separately.
const other = "other"

// mechanisms are those that are counted separately.
var mechanisms = [...]string{zap.Null, zap.Plain, zap.Curve, zap.GSSAPI, zap.ScramSHA256, zap.ScramSHA256Plus, other}

// mechanismOf returns the place of a mechanism in mechanisms.
func mechanismOf(name string) int {
	if i := slices.Index(mechanisms[:], name); i >= 0 {
		return i
	}
	return len(mechanisms) - 1
}

// labels decides which labels are counted separately, for all shards.
type labels struct {
	mu   sync.Mutex
	seen map[Labels]bool
}

// admit returns the labels under which to count l.
func (ls *labels) admit(l Labels) Labels {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if !ls.seen[l] {
		if len(ls.seen) >= maxLabels {
			l.Domain = other
			return l
		}
		if ls.seen == nil {
			ls.seen = map[Labels]bool{}
		}
		ls.seen[l] = true
	}
	return l
}

// counts are the numbers of a shard.
type counts struct {
	byLabels  map[Labels]*uint64
	last      Labels  // of the last decision
	lastCount *uint64 // its count
	seconds   [60]bucket
	minutes   [60]bucket
	latencies [len(mechanisms)]latency
}

// bucket counts the decisions of one second or minute.
type bucket struct {
	at int64 // in seconds or minutes since 1970
	Totals
}

// total returns the total for a status. An unknown one counts as failed.
func (t *Totals) total(status zap.Status) *uint64 {
	switch status {
	case zap.StatusOK:
		return &t.Admitted
	case zap.StatusTryLater:
		return &t.TryLater
	case zap.StatusRefused:
		return &t.Refused
	}
	return &t.Failed
}

func (t *Totals) add(o Totals) {
	t.Admitted += o.Admitted
	t.TryLater += o.TryLater
	t.Refused += o.Refused
	t.Failed += o.Failed
}

// count counts a decision at a time in units of the bucket.
func (b *bucket) count(at int64, status zap.Status) {
	if b.at != at {
		*b = bucket{at: at}
	}
	*b.total(status)++
}

func (s *shard) countLocked(ls *labels, req *zap.Request, reply *zap.Reply, now time.Time, took time.Duration) {
	c := &s.counts
	mechanism := mechanismOf(req.Mechanism)
	l := Labels{cut(req.Domain), mechanisms[mechanism], int(reply.Status)}
	if c.lastCount == nil || c.last != l {
		c.findCount(ls, l)
	}
	*c.lastCount++
	at := now.Unix()
	c.seconds[uint64(at)%60].count(at, reply.Status)
	c.minutes[uint64(at/60)%60].count(at/60, reply.Status)
	c.latencies[mechanism].add(took)
}

// findCount finds the count for labels.
func (c *counts) findCount(ls *labels, l Labels) {
	if n := c.byLabels[l]; n != nil {
		c.last, c.lastCount = l, n
		return
	}
	l.Domain = strings.Clone(l.Domain)
	under := ls.admit(l)
	n := c.byLabels[under]
	if n == nil {
		if c.byLabels == nil {
			c.byLabels = map[Labels]*uint64{}
		}
		n = new(uint64)
		c.byLabels[under] = n
	}
	c.last, c.lastCount = l, n
}

// Counts returns the numbers of decisions since the start, by domain, mechanism and status.
func (m *Monitor) Counts() []Count {
	sums := map[Labels]uint64{}
	m.each(func(s *shard) {
		for l, n := range s.counts.byLabels {
			sums[l] += *n
		}
	})
	all := make([]Count, 0, len(sums))
	for l, n := range sums {
		all = append(all, Count{l, n})
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Mechanism, b.Mechanism), cmp.Compare(a.Status, b.Status))
	})
	return all
}

// LastMinute returns the numbers of decisions in the last 60 seconds.
func (m *Monitor) LastMinute() (sum Totals) {
	now := time.Now().Unix()
	m.each(func(s *shard) {
		for _, b := range s.counts.seconds {
			if now-b.at < 60 {
				sum.add(b.Totals)
			}
		}
	})
	return sum
}

// LastHour returns the numbers of decisions in the current minute and the 59 before it.
func (m *Monitor) LastHour() (sum Totals) {
	minutes, _ := m.Minutes()
	for _, t := range minutes {
		sum.add(t)
	}
	return sum
}

// Minutes returns the numbers of decisions in each of the last 60 minutes of the clock, the
// current one last, and when that began.
func (m *Monitor) Minutes() (minutes [60]Totals, current time.Time) {
	now := time.Now().Unix() / 60
	m.each(func(s *shard) {
		for _, b := range s.counts.minutes {
			if age := now - b.at; age >= 0 && age < 60 {
				minutes[59-age].add(b.Totals)
			}
		}
	})
	return minutes, time.Unix(now*60, 0).UTC()
}
