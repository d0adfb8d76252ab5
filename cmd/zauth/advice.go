package main

import (
	"cmp"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/storeurl"
)

// adviceBy returns the configuration for the advice of a monitor.
func adviceBy(r rules, admitTo string) monitor.Advice {
	deciding := policiesOf(r)
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
		Groups: func(domain string) []string { return deciding[0].Groups(domain) },
	}
}
