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
	// tellBefore is how long before its end a revocation list is told of; one with a
	// short life a quarter of that before.
	tellBefore = 7 * 24 * time.Hour
	// tellEvery is how often.
	tellEvery = 24 * time.Hour
	// lookEvery is how often the lists are looked at.
	lookEvery = time.Hour
)

// listEnd says that a revocation list ends soon or has ended, and what to do; or "".
func listEnd(list *cert.RevocationList, now time.Time) string {
	const renew = `renew it with "zcert revoke --authority NAME.authority_secret"`
	date := list.Expires.UTC().Format(time.RFC3339)
	left := list.Expires.Sub(now)
	switch {
	case now.Before(list.Issued):
		return fmt.Sprintf("the revocation list was issued on %s, which is in the future: is a clock wrong? Until then all that its authority signed is refused",
			list.Issued.UTC().Format(time.RFC3339))
	case left <= 0:
		return fmt.Sprintf("the revocation list expired on %s: all that its authority signed is refused: %s", date, renew)
	case left <= min(tellBefore, list.Expires.Sub(list.Issued)/4):
		return fmt.Sprintf("the revocation list expires on %s, in %s: then all that its authority signed is refused: %s", date, roughly(left), renew)
	}
	return ""
}

// roughly tells a time in days, or in hours or minutes if it is short.
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

// listEnds returns what is to be told of the ends of lists, by their rules.
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

// reminder knows when the end of a list was last told.
type reminder map[string]time.Time // by rule

// due returns what is to be told now.
func (r reminder) due(ends map[string]string, now time.Time) (warnings []warning) {
	for rule := range r {
		if ends[rule] == "" { // it was renewed
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

// remind tells every day of the lists that end soon, until ctx is done. Reload tells
// of them when the policy is read.
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
