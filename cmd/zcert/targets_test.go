package main

import (
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestTargets checks which addresses targets name, and that malformed ones are refused.
func TestTargets(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"127.0.0.1:5555":                  "127.0.0.1:5555",
		"tcp://127.0.0.1:5555":            "127.0.0.1:5555",
		"127.0.0.1:1-2,9 127.0.0.1:65535": "127.0.0.1:1 127.0.0.1:2 127.0.0.1:9 127.0.0.1:65535",
		"[::1]:1":                         "[::1]:1",
		"::ffff:127.0.0.1:1":              "127.0.0.1:1",
		"localhost:1":                     "127.0.0.1:1 [::1]:1",
		"192.0.2.9/30:1-2":                "192.0.2.8:1 192.0.2.8:2 192.0.2.9:1 192.0.2.9:2 192.0.2.10:1 192.0.2.10:2 192.0.2.11:1 192.0.2.11:2",
		"255.255.255.255/32:1":            "255.255.255.255:1",
		"[2001:db8::/127]:7":              "[2001:db8::]:7 [2001:db8::1]:7",
	} {
		targets, count, err := parseTargets(ztest.Context(t), strings.Fields(args), true)
		ztest.Must(t, err)
		var got []string
		for a := range addresses(targets) {
			got = append(got, a.String())
		}
		if strings.Join(got, " ") != want || count != len(got) {
			t.Errorf("%s: %d addresses: %v", args, count, got)
		}
	}
	for args, want := range map[string]string{
		"localhost":                           "must be HOST:PORTS",
		":5555":                               "no host before the colon",
		"[]:5555":                             "no host before the colon",
		"[::1:5555":                           "no ] before the colon",
		"localhost:":                          "ports must be",
		"localhost:0":                         "ports must be",
		"localhost:65536":                     "ports must be",
		"localhost:9-1":                       "ports must be",
		"localhost:1-":                        "ports must be",
		"localhost:-1":                        "ports must be",
		"localhost:1,":                        "ports must be",
		"localhost:1--2":                      "ports must be",
		"localhost:http":                      "ports must be",
		"localhost:99999999999999999999":      "ports must be",
		"127.0.0.0/x:1":                       "not a network",
		"127.0.0.0/33:1":                      "not a network",
		"10.0.0.0/15:1":                       "more than 65536 hosts",
		"2001:db8::/64:1":                     "more than 65536 hosts",
		"10.0.0.0/16:1-17":                    "more than 1048576 ports",
		"10.0.0.0/16:1-16 127.0.0.1:1":        "more than 1048576 ports",
		"10.0.0.0/16:1-65535,1-65535,1-65535": "more than 1048576 ports",
	} {
		_, _, err := parseTargets(ztest.Context(t), strings.Fields(args), true)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", args, err, want)
		}
	}
}

// FuzzTarget checks that a target is refused, or names at most as many addresses as it counts.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"127.0.0.1:5555", "tcp://[::1]:1-2,3", "192.0.2.0/24:5555", "[2001:db8::/127]:7", "x:1-65535", ":", "[:1", "a:1-", "0.0.0.0/0:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		parsed, err := parseTarget(arg, true)
		if err != nil {
			return
		}
		count := parsed.count()
		if (parsed.host == "") != parsed.network.IsValid() || count < 1 && parsed.network.IsValid() {
			t.Errorf("%q: %+v, %d addresses", arg, parsed, count)
		}
		n := 0
		for range addresses([]target{parsed}) {
			if n++; n > 1000 {
				return
			}
		}
		if n != count {
			t.Errorf("%q: %d addresses, counted %d", arg, n, count)
		}
	})
}
