package policy

import "github.com/zcurve/zcurve/curve"

// Where returns the URL of the first keystore of the policy that knows a key or revokes it, and
// the place of the key's identity in it, such as the file of its certificate. The URL is "" for
// a keystore of the program, and the place is "" for a revoked key. ok is false if no keystore
// does.
func (p *Policy) Where(key curve.PublicKey) (url, place string, ok bool) {
	s := p.current.Load()
	if s == nil {
		return "", "", false
	}
	for _, store := range s.stores {
		if id, ok := store.Lookup(key); ok {
			return s.urls[store], id.Place, true
		} else if _, ok := store.Revocation(key); ok {
			return s.urls[store], "", true
		}
	}
	return "", "", false
}

// Keystores returns the URLs of the keystores whose clients the rules for a domain admit, and the
// groups of which a client needs one. The URL is "" for a keystore of the program. If there are
// no groups, those of a client make no difference.
func (p *Policy) Keystores(domain string) (urls, groups []string) {
	s := p.current.Load()
	if s == nil {
		return nil, nil
	}
	d := s.domain(domain)
	if d == nil || d.curve == nil {
		return nil, nil
	}
	for _, rule := range d.curve.stores {
		urls = append(urls, s.urls[rule.store])
	}
	return urls, append([]string(nil), d.curve.groups...)
}
