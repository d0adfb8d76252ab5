// Package tally bounds the log messages that peers can cause. It logs a message once for
// each cause and address, and then counts it. [Log] does this for messages of any kind.
// With [Tally], the caller decides which messages are repeats.
//
//	log := tally.NewLog(slog.Default())
//	defer log.Close()
//	log.Tell(slog.LevelWarn, "handshake failed", address, "wrong version", slog.Any("err", err))
//
// The bounds are for one [Period]:
//
//   - A message that repeats is counted. A message with the count follows: "handshake
//     failed again".
//   - One source (see [Network]) causes at most [Class].Bound messages of a class. The
//     others are counted, in one message for the source.
//   - All sources together cause at most 10,000 messages that are not repeats, and take
//     memory for as many. Beyond 10,000 sources, all others count as one.
//
// Each count is logged, after a period or by Close.
package tally

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Period is how long a repeated message is counted instead of logged. All limits apply to
// this period.
const Period = time.Minute

const (
	// maxKeys bounds the remembered messages, and therefore the messages in a period that
	// are not repeats.
	maxKeys = 10_000
	// maxSources bounds the sources. All others count as one.
	maxSources = 10_000
)

// Key identifies a message: keys of repeats are equal.
type Key interface {
	comparable
	// Again returns the message that reports the number of repeats, without the number.
	Again() Line
}

// Line is a message with its level and attributes.
type Line struct {
	Level   slog.Level
	Message string
	Attrs   []slog.Attr
}

// Class is a class of messages that share a bound for each source.
type Class struct {
	Bound int        // how many messages one source can cause in a period
	Level slog.Level // of the message that counts the others
	More  string     // its text, such as "more clients refused"
}

// Tally counts messages and decides which of them to log. Safe for concurrent use.
type Tally[K Key] struct {
	log *slog.Logger

	flushes sync.WaitGroup // calls of flush that have not returned

	mu      sync.Mutex
	keys    map[K]*count
	sources map[source]*count
	timer   *time.Timer // runs while there are counts
	closed  bool
}

// source has one bound for the messages of a class.
type source struct {
	network string
	class   *Class
}

// count counts messages that were logged, and messages that were not.
type count struct {
	since           time.Time
	logged, skipped int
}

// New returns a tally that logs its counts to log. The caller must close it.
func New[K Key](log *slog.Logger) *Tally[K] {
	return &Tally[K]{log: log, keys: map[K]*count{}, sources: map[source]*count{}}
}

// Each counts a message that an address caused and that is not a repeat. It reports
// whether to log it.
func (t *Tally[K]) Each(now time.Time, class *Class, address string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed || t.inBoundsLocked(now, class, address, class.Bound)
}

// Once counts a message that an address caused and that is logged once in a period. It
// reports whether to log it. If so, repeated is the number of repeats that have not been
// logged yet.
func (t *Tally[K]) Once(now time.Time, class *Class, address string, key K) (repeated int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0, true
	}
	seen := t.keys[key]
	if seen != nil && now.Sub(seen.since) < Period {
		seen.skipped++
		return 0, false
	}
	bound := class.Bound
	if seen == nil && len(t.keys) >= maxKeys {
		bound = 0
	}
	if !t.inBoundsLocked(now, class, address, bound) {
		return 0, false
	}
	if seen != nil {
		repeated = seen.skipped
	}
	t.keys[key] = &count{since: now}
	return repeated, true
}

// inBoundsLocked counts a message for a source, and reports whether to log it.
func (t *Tally[K]) inBoundsLocked(now time.Time, class *Class, address string, bound int) bool {
	if t.timer == nil {
		t.timer = time.AfterFunc(Period, t.flush)
	}
	from := source{Network(address), class}
	c := t.sources[from]
	if c == nil && len(t.sources) >= maxSources {
		from.network = "others"
		c = t.sources[from]
	}
	if c == nil {
		c = &count{since: now}
		t.sources[from] = c
	}
	if c.logged >= bound {
		c.skipped++
		return false
	}
	c.logged++
	return true
}

// flush logs the counts that are as old as a period, and forgets them. It is called every
// period.
func (t *Tally[K]) flush() {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	t.flushes.Add(1)
	defer t.flushes.Done()
	lines := t.forgetLocked(time.Now(), Period)
	t.timer = nil
	if len(t.keys)+len(t.sources) > 0 {
		t.timer = time.AfterFunc(Period, t.flush)
	}
	t.mu.Unlock()
	t.logAll(lines)
}

// Close logs all counts. Afterwards, nothing is counted, and the caller must log each
// message.
func (t *Tally[K]) Close() {
	t.mu.Lock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
	lines := t.forgetLocked(time.Now(), 0)
	t.mu.Unlock()
	t.flushes.Wait()
	t.logAll(lines)
}

func (t *Tally[K]) logAll(lines []Line) {
	for _, l := range lines {
		t.log.LogAttrs(context.Background(), l.Level, l.Message, l.Attrs...)
	}
}

// forgetLocked forgets counts older than age, and returns the messages that report them.
func (t *Tally[K]) forgetLocked(now time.Time, age time.Duration) (lines []Line) {
	for key, c := range t.keys {
		if now.Sub(c.since) < age {
			continue
		}
		delete(t.keys, key)
		if c.skipped > 0 {
			again := key.Again()
			again.Attrs = append([]slog.Attr{slog.Int("count", c.skipped)}, again.Attrs...)
			lines = append(lines, again)
		}
	}
	for s, c := range t.sources {
		if now.Sub(c.since) < age {
			continue
		}
		delete(t.sources, s)
		if c.skipped > 0 {
			lines = append(lines, Line{s.class.Level, s.class.More,
				[]slog.Attr{slog.Int("count", c.skipped), slog.String("address", s.network)}})
		}
	}
	return lines
}
