package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/zcurve/zcurve/cert"
)

const (
	// tellBefore is how long before a revocation list expires the warnings begin. For a
	// short-lived list, it is a quarter of the list's lifetime.
	tellBefore = 7 * 24 * time.Hour
	// tellEvery is how often the warning is repeated.
	tellEvery = 24 * time.Hour
	// lookEvery is how often the lists are checked.
	lookEvery = time.Hour
)

// listEnd returns a warning that a revocation list expires soon or has expired, or "".
func listEnd(list *cert.RevocationList, now time.Time) string {
	const renew = `renew it with "zcert revoke --authority NAME.authority_secret"`
	date := list.Expires.UTC().Format(time.RFC3339)
	left := list.Expires.Sub(now)
	switch {
	case now.Before(list.Issued):
		return fmt.Sprintf("the revocation list was issued on %s, in the future: until then, every certificate of its authority is refused; check the clocks",
			list.Issued.UTC().Format(time.RFC3339))
	case left <= 0:
		return fmt.Sprintf("the revocation list expired on %s: every certificate of its authority is refused; %s", date, renew)
	case left <= min(tellBefore, list.Expires.Sub(list.Issued)/4):
		return fmt.Sprintf("the revocation list expires on %s, in %s: then every certificate of its authority is refused; %s", date, roughly(left), renew)
	}
	return ""
}

// roughly formats a duration in days, or in hours or minutes if it is short.
func roughly(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {time.Minute, "minutes"}} {
		if d >= 2*unit.size {
			return fmt.Sprintf("%d %s", d/unit.size, unit.name)
		}
	}
	return "a minute"
}

// listEnds returns the warnings about lists that expire, by rule.
func (s *snapshot) listEnds(now time.Time) map[string]string {
	ends := map[string]string{}
	for _, d := range s.domains {
		if d.curve == nil {
			continue
		}
		for _, l := range d.curve.lists {
			if end := listEnd(l.list, now); end != "" {
				ends[l.rule] = end
			}
		}
	}
	return ends
}

// reminder records when each list was last warned about.
type reminder map[string]time.Time // by rule

// due returns the warnings to log now.
func (r reminder) due(ends map[string]string, now time.Time) (warnings []warning) {
	for rule := range r {
		if ends[rule] == "" { // the list was renewed
			delete(r, rule)
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(ends)) {
		if told, ok := r[rule]; ok && now.Sub(told) < tellEvery {
			continue
		}
		r[rule] = now
		warnings = append(warnings, warning{rule, ends[rule]})
	}
	return warnings
}

// remind logs a warning every day for each list that expires soon, until ctx is done.
// Loading the policy logs the first warning.
func (p *Policy) remind(ctx context.Context) {
	told := reminder{}
	told.due(p.current.Load().listEnds(time.Now()), time.Now())
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, w := range told.due(p.current.Load().listEnds(now), now) {
				p.warn(w)
			}
		}
	}
}
