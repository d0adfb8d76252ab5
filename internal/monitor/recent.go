package monitor

import (
	"slices"
	"time"
)

// maxRecent bounds the admissions that Recent returns, and the refusals.
const maxRecent = 50

// ring holds the last decisions of one kind, the newest last.
type ring struct {
	entries [maxRecent]recent
	next    int // the place of the next one
}

// recent is a decision, and how often it was repeated before another one.
type recent struct {
	*decision // nil in an empty place
	at        time.Time
	count     uint64
}

func (s *shard) recentLocked(d *decision, now time.Time) {
	if !d.refused() {
		s.admitted.push(recent{d, now, 1})
		return
	}
	s.refused.repeat(d, now)
}

// push adds an entry in place of the oldest.
func (r *ring) push(e recent) {
	r.entries[r.next] = e
	if r.next++; r.next == maxRecent {
		r.next = 0
	}
}

// repeat adds a decision. If the ring has it, it becomes the newest, and counts the repeat.
func (r *ring) repeat(d *decision, now time.Time) {
	e := recent{d, now, 1}
	for i := range maxRecent {
		place := (r.next + maxRecent - 1 - i) % maxRecent // from the newest
		if r.entries[place].decision != d {
			continue
		}
		e.count += r.entries[place].count
		for ; i > 0; i-- {
			following := (place + 1) % maxRecent
			r.entries[place] = r.entries[following]
			place = following
		}
		r.entries[place] = e
		return
	}
	r.push(e)
}

// Recent returns the last 50 admissions and the last 50 other decisions, the newest last.
// Admissions are separate, because there can be thousands between two refusals. A repeated
// refusal appears once, with a count.
func (m *Monitor) Recent() (events []Event) {
	var admitted, refused []recent
	m.each(func(s *shard) {
		admitted = s.admitted.appendTo(admitted)
		refused = s.refused.appendTo(refused)
	})
	all := append(newest(admitted), newest(refused)...)
	slices.SortStableFunc(all, recent.compare)
	for _, e := range all {
		events = append(events, m.event(e.decision, e.at, e.count))
	}
	return events
}

func (e recent) compare(o recent) int { return e.at.Compare(o.at) }

// appendTo appends the entries of a ring, the oldest first.
func (r *ring) appendTo(all []recent) []recent {
	for i := range maxRecent {
		if e := r.entries[(r.next+i)%maxRecent]; e.decision != nil {
			all = append(all, e)
		}
	}
	return all
}

// newest returns the newest entries in order.
func newest(all []recent) []recent {
	slices.SortStableFunc(all, recent.compare)
	return all[max(0, len(all)-maxRecent):]
}
