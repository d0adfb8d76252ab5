package policy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// config is a checked policy whose keystores and lists are not opened yet.
type config struct {
	file     string // or codeName
	rules    Rules
	sections []*section
	warnings []warning
	unhashed bool // some password isn't hashed
	isFile   bool
	sum      [sha256.Size]byte // of the text
}

// snapshot is one version of a policy. Only the content of its stores changes.
type snapshot struct {
	file    string
	domains map[string]*domain // by name of the domain, or others
	stores  []keystore.Store   // of all domains
	lists   []listRule         // of all domains
	limiter *limiter
	digest  [sha256.Size]byte // of the text
	since   time.Time         // when the first version with this text applied
	urls    map[keystore.Store]string
}

// domain is the compiled section of a domain.
type domain struct {
	*section
	limit int         // failures of an address in a minute; 0 for no limit
	plain *plainRules // nil if no account has a hash
	scram *scramRules // nil if no account has a verifier
	curve *curveRules

	keys    *curveRules       // curve, or rules that only know which keys are revoked
	members map[string]string // by user id of an account, the rule by which its groups need a password
}

// plainFailures is the default number of wrong passwords that an address has in a minute.
const plainFailures = 60

// newSnapshot opens the keystores and revocation lists of a policy. The error lists every
// fault.
func newSnapshot(c *config, open func(url string) (keystore.Store, error), m *memory) (*snapshot, error) {
	s := &snapshot{file: c.file, domains: map[string]*domain{}, limiter: newLimiter(), urls: map[keystore.Store]string{}}
	var f findings
	for _, section := range c.sections {
		d := &domain{section: section, limit: section.failures}
		s.domains[section.domain] = d
		if d.limit == 0 && section.plain != nil {
			d.limit = plainFailures
		}
		if section.plain != nil && section.plain.hashes {
			d.plain = newPlainRules(section.plain)
		}
		if section.plain != nil && section.plain.verifiers {
			d.scram = newScramRules(section.plain, m)
		}
		if section.curve == nil {
			d.keys = &curveRules{curveSection: &curveSection{rule: section.rule}, memory: m}
			continue
		}
		d.curve = &curveRules{curveSection: section.curve, memory: m}
		d.keys, d.members = d.curve, map[string]string{}
		for _, a := range section.accounts() {
			if rule := section.curve.passwordFor.rule(a.groups); rule != "" && a.userID != "" {
				d.members[a.userID] = rule
			}
		}
		for _, r := range section.curve.keystores {
			store, err := open(r.text)
			if err != nil {
				f.failValue(r.line, err)
				continue
			}
			s.urls[store] = r.text
			s.use(d.curve, storeRule{reader: store, rule: r.line.rule()})
		}
		for _, r := range section.curve.readers {
			s.use(d.curve, storeRule{reader: r.reader, line: r.line.rule()})
		}
		for _, r := range section.curve.revoked {
			l, err := loadList(r.text, section.curve.authorities)
			if err != nil {
				f.failValue(r.line, err)
				continue
			}
			l.line, l.rule = r.line, r.line.rule()
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
				f.failValue(l.line, err)
			}
		}
	}
	grants := newGrants(s.stores)
	for _, d := range s.domains {
		d.keys.grants = grants
		d.keys.otherStores = without(s.stores, func(store keystore.Store) bool {
			return slices.ContainsFunc(d.keys.stores, func(own storeRule) bool { return own.store == store })
		})
		d.keys.otherLists = without(s.lists, func(l listRule) bool {
			return slices.ContainsFunc(d.keys.lists, func(own listRule) bool { return own.list == l.list })
		})
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	for _, d := range s.domains {
		if d.scram != nil {
			m.needDecoys()
		}
	}
	return s, nil
}

// use adds a keystore to a domain.
func (s *snapshot) use(c *curveRules, r storeRule) {
	r.store, _ = r.reader.(keystore.Store)
	c.stores = append(c.stores, r)
	c.mayBlock = c.mayBlock || r.store == nil
	if r.store != nil && !slices.Contains(s.stores, r.store) {
		s.stores = append(s.stores, r.store)
	}
}

// without returns the elements of all for which is returns false.
func without[T any](all []T, is func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(all), is)
}

// loadList reads a revocation list of one of these authorities, unless it is being written.
func loadList(path string, authorities map[cert.AuthorityKey]bool) (listRule, error) {
	text, stamp, err := follow.ReadStill(path, form.MaxList)
	if err != nil {
		return listRule{}, fmt.Errorf("revocation list: %w", err)
	}
	list, err := cert.ParseRevocations(text)
	if place, ok := errors.AsType[*cert.SyntaxError](err); ok {
		place.File = path
	}
	if err == nil && !authorities[list.Authority] {
		err = fmt.Errorf("%s: revocation list signed by an unknown authority: %s", path, list.Authority)
	}
	return listRule{list: list, sum: sha256.Sum256(text), path: path, stamp: stamp}, err
}

// sum returns a hash of the policy, whose text has the hash sum, and of its lists.
func (s *snapshot) sum(sum [sha256.Size]byte) [sha256.Size]byte {
	for _, l := range s.lists {
		sum = sha256.Sum256(append(sum[:], l.sum[:]...))
	}
	return sum
}

// revocationLists returns the revocation lists of all domains.
func (s *snapshot) revocationLists() (lists []*cert.RevocationList) {
	for _, l := range s.lists {
		lists = append(lists, l.list)
	}
	return lists
}

// summary holds what is logged about a policy.
type summary struct {
	domains, mechanisms  []string
	identities, accounts int
	open                 []warning // of domains that admit every client
}

func (s *snapshot) summary() (sum summary) {
	counted := map[keystore.Store]bool{}
	mechanisms := map[string]bool{}
	for name, d := range s.domains {
		sum.domains = append(sum.domains, name)
		if d.anonymous != "" {
			mechanisms[zap.Null] = true
			if len(d.allow) == 0 {
				sum.open = append(sum.open, warning{d.anonymous, fmt.Sprintf("domain %s admits every client, unencrypted (anonymous = 1)", name)})
			}
		}
		sum.accounts += len(d.accounts())
		for mechanism, admits := range map[string]bool{
			zap.Plain:           d.plain != nil && d.needsKey() == "",
			zap.ScramSHA256:     d.offers(zap.ScramSHA256),
			zap.ScramSHA256Plus: d.offers(zap.ScramSHA256Plus),
			zap.Curve:           d.curve != nil && d.curve.passwordFor.all() == "",
		} {
			mechanisms[mechanism] = mechanisms[mechanism] || admits
		}
		if d.curve != nil {
			for _, r := range d.curve.stores {
				if r.store != nil && !counted[r.store] {
					sum.identities += r.store.Len()
				}
				counted[r.store] = true
			}
			if d.curve.any != "" && len(d.allow) == 0 {
				sum.open = append(sum.open, warning{d.curve.any, fmt.Sprintf("domain %s admits every key (any = 1): encrypted, not authenticated", name)})
			}
		}
		if d.gssapi != nil {
			mechanisms[zap.GSSAPI] = true
		}
	}
	slices.Sort(sum.domains)
	slices.SortFunc(sum.open, compareWarnings)
	for _, m := range []string{zap.Null, zap.Plain, zap.ScramSHA256, zap.ScramSHA256Plus, zap.Curve, zap.GSSAPI} {
		if mechanisms[m] {
			sum.mechanisms = append(sum.mechanisms, m)
		}
	}
	return sum
}
