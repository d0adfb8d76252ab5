package audit

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/zcurve/zcurve/zap"
)

const (
	// period is how long a refusal that repeats is counted instead of logged, and
	// the time that the bounds below refer to.
	period = time.Minute
	// maxRefused and maxAdmitted bound the lines for one source in a period.
	maxRefused  = 20
	maxAdmitted = 200
	// maxRefusals bounds the refusals that are remembered, and so the lines about
	// refusals in a period, from however many sources they are.
	maxRefusals = 10_000
	// maxSources bounds the sources that are counted apart. All others count as one.
	maxSources = 10_000
)

// tally logs decisions, and counts instead those that would be too many lines.
type tally struct {
	log *slog.Logger

	mu       sync.Mutex
	refusals map[refusal]*count
	sources  map[source]*count
	timer    *time.Timer // runs while anything is remembered
	closed   bool
}

// refusal is the same for refusals that say the same.
type refusal struct{ asker, domain, address, mechanism, key, login, principal, reason, rule string }

// field is a field of the log, left out if it is empty.
type field struct{ name, value string }

func appendFields(attrs []slog.Attr, fields ...field) []slog.Attr {
	for _, f := range fields {
		if f.value != "" {
			attrs = append(attrs, slog.String(f.name, f.value))
		}
	}
	return attrs
}

// source is where decisions come from that share a bound.
type source struct {
	network  string
	admitted bool
}

// count is of the lines that were logged, and of those that weren't.
type count struct {
	since           time.Time
	logged, skipped int
}

func newTally(log *slog.Logger) *tally {
	return &tally{log: log, refusals: map[refusal]*count{}, sources: map[source]*count{}}
}

// tell logs a decision, or counts it. err is why the handler failed, if it did.
func (t *tally) tell(now time.Time, req *zap.Request, reply zap.Reply, err error) {
	level, message := slog.LevelWarn, "client refused"
	if reply.Status == zap.StatusOK {
		level, message = slog.LevelInfo, "client admitted"
	} else if reply.Status == zap.StatusError && err != nil && !errors.Is(err, zap.ErrRequest) {
		level = slog.LevelError
	}
	ctx := context.Background()
	if !t.log.Enabled(ctx, level) {
		return
	}
	r := NewRecord(now, req, reply)
	repeated, ok := t.count(now, r)
	if !ok {
		return
	}
	attrs := append(make([]slog.Attr, 0, 16), slog.Int("status", r.Status))
	attrs = appendFields(attrs, field{"asker", r.Asker})
	attrs = append(attrs, slog.String("domain", r.Domain), slog.String("address", r.Address), slog.String("mechanism", r.Mechanism))
	attrs = appendFields(attrs, field{"key", r.Key}, field{"fingerprint", r.Fingerprint}, field{"login", r.Login},
		field{"principal", r.Principal}, field{"identity", r.Identity}, field{"user", r.User}, field{"reason", r.Reason}, field{"rule", r.Rule})
	if repeated > 0 {
		attrs = append(attrs, slog.Int("repeated", repeated))
	}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	t.log.LogAttrs(ctx, level, message, attrs...)
}

// count reports whether to log a decision. If so, it returns how many refusals like
// it haven't been logged since the last one was.
func (t *tally) count(now time.Time, r Record) (repeated int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0, true
	}
	if t.timer == nil {
		t.timer = time.AfterFunc(period, t.flush)
	}
	if r.Status == int(zap.StatusOK) {
		return 0, t.inBoundsLocked(now, source{network(r.Address), true}, maxAdmitted)
	}
	this := refusal{r.Asker, r.Domain, r.Address, r.Mechanism, r.Key, r.Login, r.Principal, r.Reason, r.Rule}
	seen := t.refusals[this]
	if seen != nil && now.Sub(seen.since) < period {
		seen.skipped++
		return 0, false
	}
	bound := maxRefused
	if seen == nil && len(t.refusals) >= maxRefusals {
		bound = 0
	}
	if !t.inBoundsLocked(now, source{network(r.Address), false}, bound) {
		return 0, false
	}
	if seen != nil {
		repeated = seen.skipped
	}
	t.refusals[this] = &count{since: now}
	return repeated, true
}

// inBoundsLocked counts a line for a source, and reports whether to log it.
func (t *tally) inBoundsLocked(now time.Time, from source, bound int) bool {
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

// network returns what an address shares its bound with: the /64 for IPv6, the user
// for libzmq's form of ipc, localhost:UID:GID:PID.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		if credentials, ok := strings.CutPrefix(address, "localhost:"); ok {
			uid, _, _ := strings.Cut(credentials, ":")
			return "localhost:" + uid
		}
		return address
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}

// flush logs what was counted and forgets what is over, every period.
func (t *tally) flush() {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	logs := t.forgetLocked(time.Now(), period)
	t.timer = nil
	if len(t.refusals)+len(t.sources) > 0 {
		t.timer = time.AfterFunc(period, t.flush)
	}
	t.mu.Unlock()
	t.logAll(logs)
}

// close logs all that was counted.
func (t *tally) close() {
	t.mu.Lock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
	logs := t.forgetLocked(time.Now(), 0)
	t.mu.Unlock()
	t.logAll(logs)
}

// line is a line of the log.
type line struct {
	level   slog.Level
	message string
	attrs   []slog.Attr
}

func (t *tally) logAll(lines []line) {
	for _, l := range lines {
		t.log.LogAttrs(context.Background(), l.level, l.message, l.attrs...)
	}
}

// forgetLocked forgets what is older than age. It returns what to log about it.
func (t *tally) forgetLocked(now time.Time, age time.Duration) (lines []line) {
	for r, c := range t.refusals {
		if now.Sub(c.since) < age {
			continue
		}
		delete(t.refusals, r)
		if c.skipped > 0 {
			attrs := appendFields([]slog.Attr{slog.Int("count", c.skipped)}, field{"asker", r.asker}, field{"domain", r.domain},
				field{"address", r.address}, field{"mechanism", r.mechanism}, field{"key", r.key}, field{"login", r.login},
				field{"principal", r.principal}, field{"reason", r.reason}, field{"rule", r.rule})
			lines = append(lines, line{slog.LevelWarn, "client refused again", attrs})
		}
	}
	for s, c := range t.sources {
		if now.Sub(c.since) < age {
			continue
		}
		delete(t.sources, s)
		if c.skipped > 0 {
			level, message := slog.LevelWarn, "more clients refused"
			if s.admitted {
				level, message = slog.LevelInfo, "more clients admitted"
			}
			lines = append(lines, line{level, message, []slog.Attr{slog.Int("count", c.skipped), slog.String("address", s.network)}})
		}
	}
	return lines
}
