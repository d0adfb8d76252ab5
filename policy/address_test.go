package policy

import (
	"testing"
)

// TestParseClient: an address is parsed in each of its forms, and a malformed address
// differs from no address.
func TestParseClient(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct {
		ip, ipv4, zone, owner string
		bad                   bool
	}{
		"":                          {},
		"192.0.2.1":                 {ip: "192.0.2.1"},
		"::ffff:192.0.2.1":          {ip: "192.0.2.1"},
		"64:ff9b::192.0.2.1":        {ip: "64:ff9b::c000:201", ipv4: "192.0.2.1"},
		"64:ff9b:1::192.0.2.1":      {ip: "64:ff9b:1::c000:201"},
		"2001:DB8::1":               {ip: "2001:db8::1"},
		"2001:db8::1%eth0":          {ip: "2001:db8::1"},
		"fe80::1%eth0":              {ip: "fe80::1", zone: "eth0"},
		"localhost:1000:1001:17":    {owner: "localhost:1000"},
		"localhost:0:0:":            {owner: "localhost:0"},
		"localhost":                 {bad: true},
		"localhost:1000":            {bad: true},
		"localhost:1000:1001":       {bad: true},
		"localhost:a:1:1":           {bad: true},
		"localhost:1:1:1:1":         {bad: true},
		"localhost:-1:1:1":          {bad: true},
		"localhost:99999999999:1:1": {bad: true},
		"192.0.2.1:4711":            {bad: true},
		"192.0.002.001":             {bad: true},
		" 192.0.2.1":                {bad: true},
		"192.0.2.1/32":              {bad: true},
		"example.org":               {bad: true},
		"[::1]":                     {bad: true},
	} {
		got := parseClient(address)
		text := func(valid bool, s string) string {
			if !valid {
				return ""
			}
			return s
		}
		if text(got.ip.IsValid(), got.ip.String()) != want.ip || text(got.ipv4.IsValid(), got.ipv4.String()) != want.ipv4 ||
			got.zone != want.zone || got.owner != want.owner || got.bad != want.bad {
			t.Errorf("%q: got %+v, want %+v", address, got, want)
		}
	}
}

// FuzzAddress: a text is exactly one of an address, no address, or malformed.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"", "10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::1", "fe80::1%a", "localhost:1:1:1", "localhost::1:1", "nowhere"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		c := parseClient(address)
		n := 0
		for _, is := range []bool{address == "", c.ip.IsValid(), c.owner != "", c.bad} {
			if is {
				n++
			}
		}
		if n != 1 || c.ip.Zone() != "" || c.ip.Is4In6() {
			t.Errorf("%q: %+v", address, c)
		}
	})
}
