package monitor

import (
	"sync"
	"time"
)

const (
	// repeatsAfter is how long the repeats of a refusal are counted before they are an event.
	repeatsAfter = time.Second
	// maxRepeating bounds the refusals whose repeats are counted.
	maxRepeating = 10_000
)

// feed turns decisions into events for the follower.
type feed struct {
	monitor *Monitor
	send    func(Event)

	mu        sync.Mutex
	repeating map[refusal]*repeats
	timer     *time.Timer // runs while there are repeats to count
	closed    bool
}

// refusal identifies refusals that are repeats of each other.
type refusal struct {
	id
	address              string // only of clients that are not identified
	domain, reason, rule string
}

// repeats counts the repeats of a refusal since its last event.
type repeats struct {
	last  *decision
	at    time.Time // of the last repeat
	since time.Time
	count uint64
}

// Follow calls send with each decision from now on, one at a time, while the client waits. send
// must not block or call the Monitor. If send is nil, nothing follows the decisions anymore.
//
// A refusal that repeats within a second is counted instead: the same client, domain, reason
// and rule. After the second, an event with the count follows. For more than 10,000 different
// refusals in a second, each repeat is an event.
//
// Follow returns after the last call of the previous send. It does not send the decisions that
// are made while it replaces that.
func (m *Monitor) Follow(send func(Event)) {
	m.following.Lock()
	defer m.following.Unlock()
	if previous := m.feed.Swap(nil); previous != nil {
		previous.close()
	}
	if send != nil {
		m.feed.Store(&feed{monitor: m, send: send, repeating: map[refusal]*repeats{}})
	}
}

// add adds a decision.
func (f *feed) add(d *decision, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	if d.refused() {
		key := refusal{id: d.id, domain: d.domain, reason: d.reason, rule: d.rule}
		if d.kind == anonymous {
			key.address = d.address
		}
		if r := f.repeating[key]; r != nil {
			r.last, r.at = d, now
			r.count++
			return
		}
		if len(f.repeating) < maxRepeating {
			f.repeating[key] = &repeats{since: now}
			f.startLocked()
		}
	}
	f.send(f.monitor.event(d, now, 1))
}

// startLocked starts the timer.
func (f *feed) startLocked() {
	if f.timer == nil {
		f.timer = time.AfterFunc(repeatsAfter, f.flush)
	}
}

// flush sends the repeats that were counted for long enough, and forgets refusals that did not
// repeat.
func (f *feed) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.timer = nil
	f.flushLocked(time.Now(), repeatsAfter)
	if len(f.repeating) > 0 {
		f.startLocked()
	}
}

func (f *feed) flushLocked(now time.Time, after time.Duration) {
	for key, r := range f.repeating {
		if now.Sub(r.since) < after {
			continue
		}
		if r.count == 0 {
			delete(f.repeating, key)
			continue
		}
		f.send(f.monitor.event(r.last, r.at, r.count))
		*r = repeats{since: now}
	}
}

// close sends the repeats that were counted. Afterwards, the feed sends nothing.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.timer != nil {
		f.timer.Stop()
	}
	f.flushLocked(time.Now(), 0)
}

// event returns a decision for an operator.
func (m *Monitor) event(d *decision, at time.Time, count uint64) Event {
	e := Event{Record: d.record(at), Count: count}
	if !d.refused() {
		return e
	}
	if names := m.named(&d.id); d.identity == "" && len(names) > 0 {
		e.Name = names[0]
	}
	e.Admit, e.Advice = m.options.Advice.about(&e)
	return e
}
