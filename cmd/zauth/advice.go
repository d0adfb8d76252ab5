package main

import (
	"cmp"
	"slices"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/storeurl"
	"github.com/zcurve/zcurve/policy"
)

// adviceBy returns the configuration for the advice of a monitor.
func adviceBy(r rules, admitTo string) monitor.Advice {
	deciding := policiesOf(r)
	rulesFor := func(domain string) (keystores, groups []string) {
		by := deciding[0]
		if len(deciding) > 1 && domain == policy.LinkDomain { // --askers
			by, domain = deciding[1], ""
		}
		keystores, groups = by.Keystores(domain)
		for i, url := range keystores {
			keystores[i] = cmp.Or(url, by.url)
		}
		return keystores, groups
	}
	return monitor.Advice{
		AdmitTo: admitTo,
		Keystore: func(key curve.PublicKey) (url, file string) {
			for _, p := range deciding {
				at, place, ok := p.Where(key)
				if !ok {
					continue
				}
				url = cmp.Or(at, p.url)
				if kind, _ := storeurl.Split(url); kind == storeurl.Dir {
					file = place
				}
				return url, file
			}
			return "", ""
		},
		Groups: func(domain string) []string {
			_, groups := rulesFor(domain)
			return groups
		},
		Admits: func(domain string) bool {
			urls, _ := rulesFor(domain)
			return slices.ContainsFunc(urls, func(url string) bool { return isSameStore(url, admitTo) })
		},
	}
}
