package main

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap/remote"
)

// status describes the daemon. It is quick, whatever the number of identities, but for one call
// in a minute.
func (d *daemon) status() control.Status {
	s := control.Status{
		Version:   cli.Version(),
		Started:   d.started,
		Endpoints: d.endpoints,
		Stores:    []control.Store{},
		Lists:     []control.List{},
		Minute:    d.monitor.LastMinute(),
		Hour:      d.monitor.LastHour(),
		Counts:    d.monitor.Counts(),
		Pending:   len(d.monitor.Pending()),
		Audit:     d.audit.state(),
	}
	deciding := policiesOf(d.rules)
	s.Expiring, s.ExpiringAll = d.expiring.get(deciding, time.Now())
	hits := policy.LimitHits{}
	for i, p := range deciding {
		r := p.Report()
		r.Loads.Failed = strings.TrimPrefix(r.Loads.Failed, "policy: ") // the name of the package
		if i == 0 {
			s.Reloads = control.Reloads(r.Loads)
		}
		if r.File != "" {
			s.Policy = &control.Policy{File: r.File, Digest: r.Digest, Since: r.Since, Failed: r.Loads.Failed, Domains: r.Domains}
		}
		for _, one := range r.Stores {
			one.URL = cmp.Or(one.URL, p.url)
			s.Stores = append(s.Stores, control.Store(one))
		}
		for _, one := range r.Lists {
			s.Lists = append(s.Lists, control.List{File: one.File, Authority: one.Authority.String(), Expires: one.Expires})
		}
		hits.Failures += r.Limits.Failures
		hits.Logins += r.Limits.Logins
	}
	services := remote.Hits()
	s.Limits = []control.Limit{
		{Name: "failures", Count: hits.Failures},
		{Name: "logins", Count: hits.Logins},
		{Name: "connections", Count: services.Connections},
		{Name: "decisions", Count: services.Decisions},
		{Name: "malformed", Count: services.Malformed},
		{Name: "strangers", Count: d.monitor.Dropped()},
	}
	return s
}

// namesBy returns a function that returns the names under which some keystore knows a key.
func namesBy(r rules) func(curve.PublicKey) []string {
	deciding := policiesOf(r)
	return func(key curve.PublicKey) (names []string) {
		for _, p := range deciding {
			names = append(names, p.Names(key)...)
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
}

// decider is a policy that decides.
type decider struct {
	*policy.Policy
	url string // of the keystore, without a policy file
}

// policiesOf returns the policies that decide: that of --policy, or those of --keystore and
// --askers.
func policiesOf(r rules) (all []decider) {
	switch r := r.(type) {
	case *policy.Policy:
		return []decider{{r, ""}}
	case *defaultPolicy:
		return []decider{{r.Policy, r.url}}
	case allRules:
		for _, one := range r {
			all = append(all, policiesOf(one)...)
		}
	}
	return all
}

// expiring remembers for a while what expires soon, because finding that takes long with many
// identities. Safe for concurrent use.
type expiring struct {
	mu   sync.Mutex
	at   time.Time
	next []control.Expiring
	all  int
}

// expiringFor is how long what expires soon is remembered.
const expiringFor = time.Minute

// get returns the identities that expire soon, and how many there are.
func (e *expiring) get(deciding []decider, now time.Time) ([]control.Expiring, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.next != nil && now.Sub(e.at) < expiringFor {
		return e.next, e.all
	}
	e.at, e.next, e.all = now, []control.Expiring{}, 0
	for _, p := range deciding {
		next, all := p.Expiring()
		for _, one := range next {
			e.next = append(e.next, control.Expiring{Name: one.Name, Key: one.Key.String(), Store: cmp.Or(one.URL, p.url), Expires: one.Expires})
		}
		e.all += all
	}
	slices.SortStableFunc(e.next, func(a, b control.Expiring) int { return a.Expires.Compare(b.Expires) })
	return e.next, e.all
}
