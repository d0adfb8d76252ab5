package policy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/keystore"
)

// snapshot is a policy as it is in force: nothing in it changes but the stores.
type snapshot struct {
	file    string
	domains map[string]*domain // "*" is every other one
	stores  []keystore.Store   // of all domains
	lists   []listRule         // of all domains
	limiter *limiter
}

// domain is what is said of one.
type domain struct {
	*section
	limit int // failures of an address in a minute; 0 is no limit
	plain *plainRules
	curve *curveRules
}

// plainFailures is how many wrong passwords an address has in a minute where
// nothing is said.
const plainFailures = 60

// newSnapshot makes a configuration one that can be in force. open opens a
// keystore. The error is Errors.
func newSnapshot(c *config, open func(url string) (keystore.Store, error), m *memory) (*snapshot, error) {
	s := &snapshot{file: c.file, domains: map[string]*domain{}, limiter: newLimiter()}
	var errs Errors
	fail := func(r reference, err error) {
		errs = append(errs, &Error{File: c.file, Line: r.node.Line, Column: r.node.ValueColumn, Err: err})
	}
	for _, section := range c.sections {
		d := &domain{section: section, limit: section.failures}
		s.domains[section.domain] = d
		if d.limit == 0 && section.plain != nil {
			d.limit = plainFailures
		}
		if section.plain != nil {
			d.plain = newPlainRules(section.plain)
		}
		if section.curve == nil {
			continue
		}
		d.curve = &curveRules{curveSection: section.curve, memory: m}
		for _, r := range section.curve.keystores {
			store, err := open(beside(c.file, r.text))
			if err != nil {
				fail(r, err)
			}
			d.curve.stores = append(d.curve.stores, storeRule{store, r.rule})
			if err == nil && !slices.Contains(s.stores, store) {
				s.stores = append(s.stores, store)
			}
		}
		for _, r := range section.curve.revoked {
			l, err := loadList(beside(c.file, r.text), section.curve.authorities)
			if err != nil {
				fail(r, err)
				continue
			}
			l.reference = r
			d.curve.lists = append(d.curve.lists, l)
			s.lists = append(s.lists, l)
		}
	}
	newest := m.current.Load().and(new(state))
	newest, _ = newest.with(nil, s.revocationLists())
	for _, section := range c.sections {
		if section.curve == nil {
			continue
		}
		d := s.domains[section.domain]
		for _, l := range d.curve.lists {
			if err := newest.checkList(l.list, d.curve.lists); err != nil {
				fail(l.reference, err)
			}
		}
	}
	for _, d := range s.domains {
		if d.curve != nil {
			d.curve.otherStores = without(s.stores, func(store keystore.Store) bool {
				return slices.ContainsFunc(d.curve.stores, func(own storeRule) bool { return own.store == store })
			})
			d.curve.otherLists = without(s.lists, func(l listRule) bool {
				return slices.ContainsFunc(d.curve.lists, func(own listRule) bool { return own.list == l.list })
			})
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return s, nil
}

// without is what of a list isn't meant.
func without[T any](all []T, isMeant func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(all), isMeant)
}

// loadList reads a revocation list of one of these authorities, once it is still.
func loadList(path string, authorities map[cert.AuthorityKey]bool) (listRule, error) {
	text, stamp, err := follow.ReadStill(path, cert.MaxRevocationList)
	if err != nil {
		return listRule{}, fmt.Errorf("revocation list: %w", err)
	}
	list, err := cert.ParseRevocations(text, func(k cert.AuthorityKey) bool { return authorities[k] })
	if place, ok := errors.AsType[*cert.SyntaxError](err); ok {
		place.File = path
	} else if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return listRule{list: list, path: path, stamp: stamp}, err
}

// sum tells what of files is in force: the text of the policy, and its lists.
func (s *snapshot) sum(text []byte) [sha256.Size]byte {
	sum := sha256.Sum256(text)
	for _, l := range s.lists {
		sum = sha256.Sum256(append(sum[:], l.list.Signature[:]...))
	}
	return sum
}

// revocationLists are those of all domains.
func (s *snapshot) revocationLists() (lists []*cert.RevocationList) {
	for _, l := range s.lists {
		lists = append(lists, l.list)
	}
	return lists
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
