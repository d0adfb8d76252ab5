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

// unwise returns warnings about settings that work but are probably mistakes: groups
// without members, lists that expire soon, files that other users can change.
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

// lostRevocations warns about lists that lack revocations of an older list.
func (s *snapshot) lostRevocations() (warnings []warning) {
	for _, d := range s.domains {
		if d.curve == nil {
			continue
		}
		seen := d.curve.memory.current.Load().Lists
		for _, l := range d.curve.lists {
			if n := seen[l.list.Authority].lost(l.list); n > 0 {
				warnings = append(warnings, warning{l.rule, fmt.Sprintf("the revocation list lacks %d that an older one of its authority had: only this policy still refuses them; add them to the list with \"zcert revoke\"", n)})
			}
		}
	}
	return warnings
}

// emptyGroups warns about groups without members, about groups whose names differ only in
// case, and about accounts without the key that they need.
func (s *snapshot) emptyGroups() (warnings []warning) {
	for _, d := range s.domains {
		if d.curve == nil || len(d.curve.groups)+len(d.curve.passwordFor) == 0 || slices.ContainsFunc(d.curve.stores, func(r storeRule) bool { return r.store == nil }) {
			continue
		}
		known := map[string]bool{}
		d.curve.addGroups(known)
		for _, group := range d.curve.groups {
			warnings = append(warnings, groupWarnings(groupRule{group, d.curve.rule}, "no identity", known)...)
		}
		for _, a := range d.accounts() {
			for _, group := range a.groups {
				known[group] = true
			}
		}
		for _, one := range d.curve.passwordFor {
			if one.group != others {
				warnings = append(warnings, groupWarnings(one, "no identity or account", known)...)
			}
		}
		for _, a := range d.accounts() {
			if a.verifier != nil && d.needsKey() != "" && !d.curve.hasName(a.userID) {
				warnings = append(warnings, warning{a.rule, fmt.Sprintf("account %s admits no client: it needs a key with the user id %s, because of password-for", a.login, a.userID)})
			}
		}
	}
	return warnings
}

// hasName reports whether an identity in the domain's keystores has a name.
func (c *curveRules) hasName(name string) bool {
	return slices.ContainsFunc(c.stores, func(r storeRule) bool {
		_, ok := r.store.Holder(name)
		return ok
	})
}

// groupWarnings warns about a group that rules name, if nobody is in it, or if the name of a
// known group differs from it only in case.
func groupWarnings(g groupRule, nobody string, known map[string]bool) (warnings []warning) {
	if !known[g.group] {
		return []warning{{g.rule, fmt.Sprintf("%s is in group %s%s", nobody, g.group, similar(g.group, known))}}
	}
	for other := range known {
		if other != g.group && strings.EqualFold(other, g.group) {
			warnings = append(warnings, warning{g.rule, fmt.Sprintf("group %s is not group %s: their names differ in case", g.group, other)})
		}
	}
	return warnings
}

// addGroups adds to known the groups that have identities in the domain's keystores.
func (c *curveRules) addGroups(known map[string]bool) {
	for _, r := range c.stores {
		if r.store == nil {
			continue
		}
		for id := range r.store.All() {
			for _, certificate := range append([]*cert.Certificate{id.Certificate}, id.Others...) {
				for _, g := range c.granted(id, certificate).groups {
					known[g] = true
				}
			}
		}
	}
}

// countGroups counts the groups of all domains that have members.
func (s *snapshot) countGroups() int {
	known := map[string]bool{}
	for _, d := range s.domains {
		if d.curve != nil {
			d.curve.addGroups(known)
		}
	}
	return len(known)
}

// similar returns a hint with a similar group name, or "".
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

// Exposed reports how other users can change a policy file, its state, or the keystores
// and revocation lists that it names, or can read unhashed passwords in it. It returns
// the same errors as Check.
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
			add(why + ": it contains passwords")
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

// HasDomain reports whether the policy has a section for this domain.
func (p *Policy) HasDomain(name string) bool {
	s := p.current.Load()
	return s != nil && s.domains[name] != nil
}
