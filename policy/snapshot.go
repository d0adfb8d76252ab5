package policy

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/keystore"
)

// snapshot is a policy as it is in force: nothing in it changes but the stores.
type snapshot struct {
	file    string
	domains map[string]*domain // "*" is every other one
}

// domain is what is said of one.
type domain struct {
	*section
	limiter *limiter
	plain   *plainRules
	curve   *curveRules
}

// plainFailures is how many wrong passwords an address has in a minute where
// nothing is said.
const plainFailures = 60

// newSnapshot makes a configuration one that can be in force. open opens a
// keystore. The error is Errors.
func newSnapshot(c *config, open func(url string) (keystore.Store, error)) (*snapshot, error) {
	s := &snapshot{file: c.file, domains: map[string]*domain{}}
	var errs Errors
	fail := func(r reference, err error) {
		errs = append(errs, &Error{File: c.file, Line: r.node.Line, Column: r.node.ValueColumn, Err: err})
	}
	for _, section := range c.sections {
		d := &domain{section: section}
		s.domains[section.domain] = d
		failures := section.failures
		if failures == 0 && section.plain != nil {
			failures = plainFailures
		}
		if failures > 0 {
			d.limiter = newLimiter(failures)
		}
		if section.plain != nil {
			d.plain = newPlainRules(section.plain)
		}
		if section.curve == nil {
			continue
		}
		d.curve = &curveRules{curveSection: section.curve}
		for _, r := range section.curve.keystores {
			store, err := open(beside(c.file, r.text))
			if err != nil {
				fail(r, err)
			}
			d.curve.stores = append(d.curve.stores, storeRule{store, r.rule})
		}
		for _, r := range section.curve.revoked {
			list, _, err := cert.LoadRevocations(beside(c.file, r.text), func(k cert.AuthorityKey) bool { return section.curve.authorities[k] })
			if err != nil {
				fail(r, err)
			}
			d.curve.lists = append(d.curve.lists, listRule{list, r.rule})
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return s, nil
}

// beside makes a path in a policy file one beside it, with the kind of a keystore
// in front if there is one.
func beside(file, text string) string {
	kind, path, ok := strings.Cut(text, ":")
	switch {
	case !ok || strings.ContainsAny(kind, `/\.`) || len(kind) < 2: // C: is a drive
		kind, path = "", text
	case kind == "dir" || kind == "bolt" || kind == "file":
		kind += ":"
	default: // of something else than a path
		return text
	}
	if path == "" || filepath.IsAbs(path) {
		return text
	}
	return kind + filepath.Join(filepath.Dir(file), path)
}

// summary says in one line what is in force, and what is open to anybody.
func (s *snapshot) summary() (line string, open []string) {
	var domains []string
	identities, accounts := 0, 0
	counted := map[keystore.Store]bool{}
	mechanisms := map[string]bool{}
	for name, d := range s.domains {
		domains = append(domains, name)
		if d.anonymous != "" {
			mechanisms["NULL"] = true
			if len(d.allow) == 0 {
				open = append(open, fmt.Sprintf("%s: domain %s lets in anybody, in clear", d.anonymous, name))
			}
		}
		if d.plain != nil {
			mechanisms["PLAIN"] = true
			accounts += len(d.plain.accounts)
		}
		if d.curve != nil {
			mechanisms["CURVE"] = true
			for _, r := range d.curve.stores {
				if !counted[r.store] {
					identities += r.store.Len()
				}
				counted[r.store] = true
			}
			if d.curve.any != "" && len(d.allow) == 0 {
				open = append(open, fmt.Sprintf("%s: domain %s lets in every key: encryption without authentication", d.curve.any, name))
			}
		}
		if d.gssapi != nil {
			mechanisms["GSSAPI"] = true
		}
	}
	slices.Sort(domains)
	slices.Sort(open)
	var names []string
	for _, m := range []string{"NULL", "PLAIN", "CURVE", "GSSAPI"} {
		if mechanisms[m] {
			names = append(names, m)
		}
	}
	return fmt.Sprintf("domains %s; mechanisms %s; %d identities, %d accounts",
		strings.Join(domains, ", "), strings.Join(names, ", "), identities, accounts), open
}
