package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/modes"
)

// unwise returns what works in a policy and is probably not meant: groups that nobody
// is in, lists that end soon, files that other users can change.
func (s *snapshot) unwise(c *config, now time.Time) []warning {
	warnings := s.emptyGroups()
	for rule, end := range s.listEnds(now) {
		warnings = append(warnings, warning{rule, end})
	}
	warnings = append(warnings, s.lostRevocations()...)
	slices.SortFunc(warnings, compareWarnings)
	for _, why := range c.exposed() {
		warnings = append(warnings, warning{text: why})
	}
	return warnings
}

// lostRevocations warns of lists that lack what an older one of their authority had.
func (s *snapshot) lostRevocations() (warnings []warning) {
	for _, d := range s.domains {
		if d.curve == nil {
			continue
		}
		seen := d.curve.memory.current.Load().Lists
		for _, l := range d.curve.lists {
			if n := seen[l.list.Authority].lost(l.list); n > 0 {
				warnings = append(warnings, warning{l.rule, fmt.Sprintf("the revocation list lacks %d that an older one of its authority had: they stay refused here, and not elsewhere: add them to the list with \"zcert revoke\"", n)})
			}
		}
	}
	return warnings
}

// emptyGroups warns of groups that nobody is in, and of those whose names differ by
// case alone.
func (s *snapshot) emptyGroups() (warnings []warning) {
	for _, d := range s.domains {
		if d.curve == nil || len(d.curve.groups) == 0 || slices.ContainsFunc(d.curve.stores, func(r storeRule) bool { return r.store == nil }) {
			continue
		}
		known := map[string]bool{}
		d.curve.addGroups(known)
		for _, group := range d.curve.groups {
			if !known[group] {
				warnings = append(warnings, warning{d.curve.rule, fmt.Sprintf("nobody is in group %s%s", group, similar(group, known))})
				continue
			}
			for other := range known {
				if other != group && strings.EqualFold(other, group) {
					warnings = append(warnings, warning{d.curve.rule, fmt.Sprintf("group %s isn't group %s, which differs by case alone", group, other)})
				}
			}
		}
	}
	return warnings
}

// addGroups adds to known the groups that have identities in them.
func (c *curveRules) addGroups(known map[string]bool) {
	for _, r := range c.stores {
		for id := range r.store.All() {
			for _, certificate := range append([]*cert.Certificate{id.Certificate}, id.Others...) {
				for _, g := range c.granted(id, certificate).groups {
					known[g] = true
				}
			}
		}
	}
}

// countGroups counts the groups of all domains that have identities in them.
func (s *snapshot) countGroups() int {
	known := map[string]bool{}
	for _, d := range s.domains {
		if d.curve != nil {
			d.curve.addGroups(known)
		}
	}
	return len(known)
}

// similar asks whether another group is meant.
func similar(group string, known map[string]bool) string {
	if len(known) == 0 {
		return ""
	}
	distance := func(name string) int {
		return levenshtein.ComputeDistance(strings.ToLower(group), strings.ToLower(name))
	}
	nearest := slices.MinFunc(slices.Sorted(maps.Keys(known)), func(a, b string) int { return cmp.Compare(distance(a), distance(b)) })
	if distance(nearest) > 1+len(group)/3 {
		return ""
	}
	return fmt.Sprintf(": did you mean %s?", nearest)
}

// Exposed returns how other users can change a policy file, or the keystores and lists
// that it names, or read passwords in it. The error is that of Check.
func Exposed(file string) ([]string, error) {
	c, _, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return c.exposed(), nil
}

func (c *config) exposed() (warnings []string) {
	add := func(why string) {
		if why != "" && !slices.Contains(warnings, why) {
			warnings = append(warnings, why)
		}
	}
	if c.isFile {
		add(modes.Writable(c.file))
		add(modes.Writable(c.file + stateSuffix))
		if why := modes.Readable(c.file); why != "" && c.unhashed {
			add(why + ": it has passwords in it")
		}
	}
	for _, s := range c.sections {
		if s.curve == nil {
			continue
		}
		for _, r := range s.curve.keystores {
			add(modes.Store(r.text))
		}
		for _, r := range s.curve.revoked {
			add(modes.Writable(r.text))
		}
	}
	return warnings
}

// HasDomain reports whether the policy in force has a section of its own for a domain.
func (p *Policy) HasDomain(name string) bool { return p.current.Load().domains[name] != nil }
