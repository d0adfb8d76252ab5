// Package tally bounds the lines of a log that others can cause: a line is told once,
// then counted, for each cause and address. [Log] is that for lines of any kind,
// [Tally] for those who decide themselves what says the same.
//
//	log := tally.NewLog(slog.Default())
//	defer log.Close()
//	log.Tell(slog.LevelWarn, "handshake failed", address, "wrong version", slog.Any("err", err))
//
// The bounds hold for every [Period]:
//
//   - A line that says the same as one before is counted. A line with the count
//     follows: "handshake failed again".
//   - From one source (see [Network]) there are at most [Class].Bound lines of a class,
//     whatever they say. The others are counted, in a line for the source.
//   - From all sources together there are at most 10,000 lines that say something new,
//     and memory for as many. Beyond 10,000 sources all others count as one.
//
// Nothing is counted without being told later: after a period, or by Close.
package tally

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Period is how long a line that repeats is counted instead of logged, and the time
// that all bounds refer to.
const Period = time.Minute

const (
	// maxKeys bounds the lines that are remembered, and so those that say something
	// new in a period, from however many sources they are.
	maxKeys = 10_000
	// maxSources bounds the sources that are counted apart. All others count as one.
	maxSources = 10_000
)

// Key is equal for lines that say the same.
type Key interface {
	comparable
	// Again returns the line which tells that such lines were counted, without the
	// count.
	Again() Line
}

// Line is a line of a log.
type Line struct {
	Level   slog.Level
	Message string
	Attrs   []slog.Attr
}

// Class is a class of lines that share a bound for each source.
type Class struct {
	Bound int        // lines of one source in a period; the others are counted
	Level slog.Level // of the line with the count
	More  string     // its message, such as "more clients refused"
}

// Tally counts lines, and says which of them to log. Safe for concurrent use.
type Tally[K Key] struct {
	log *slog.Logger

	flushes sync.WaitGroup // flush that is under way

	mu      sync.Mutex
	keys    map[K]*count
	sources map[source]*count
	timer   *time.Timer // runs while anything is remembered
	closed  bool
}

// source is where lines come from that share a bound.
type source struct {
	network string
	class   *Class
}

// count is of the lines that were logged, and of those that weren't.
type count struct {
	since           time.Time
	logged, skipped int
}

// New returns a tally that logs what it counted to log, later. Close it.
func New[K Key](log *slog.Logger) *Tally[K] {
	return &Tally[K]{log: log, keys: map[K]*count{}, sources: map[source]*count{}}
}

// Each counts a line from an address that isn't like any other. It reports whether to
// log it.
func (t *Tally[K]) Each(now time.Time, class *Class, address string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed || t.inBoundsLocked(now, class, address, class.Bound)
}

// Once counts a line from an address, which is logged once in a period. It reports
// whether to log it. If so, repeated is how many like it haven't been logged since the
// last one was.
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

// inBoundsLocked counts a line for a source, and reports whether to log it.
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

// flush logs what was counted and forgets what is over, every period.
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

// Close logs all that was counted. Nothing is counted afterwards: every line is to be
// logged.
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

// forgetLocked forgets what is older than age. It returns what to log about it.
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
