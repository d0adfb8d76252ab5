package policy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// TestOwnDomains: only its own section decides who may connect to the daemon, for example to
// ask it, and it cannot admit every client.
func TestOwnDomains(t *testing.T) {
	t.Parallel()
	for domain, kind := range map[string]string{policy.LinkDomain: "services", policy.ControlDomain: "operators", policy.DecisionsDomain: "readers"} {
		t.Run(domain, func(t *testing.T) {
			t.Parallel()
			if !policy.IsOwn(domain) || policy.IsOwn(domain+"x") {
				t.Error("IsOwn")
			}
			stranger := curve.GenerateKey().Public()
			service := scenario.Named("service")
			dir := t.TempDir()
			put(t, filepath.Join(dir, "services"), service)
			p, _ := load(t, dir, "security\n    curve = 1\n        any = 1\n    anonymous = 1\n")
			none := decision{"no rule for this domain", "", 0}
			check(t, p, ask(domain, "192.0.2.1", zap.Curve, string(stranger[:])), none)
			check(t, p, ask(domain, "192.0.2.1", zap.Curve, string(service.Public[:])), none)
			check(t, p, ask(domain, "192.0.2.1", zap.Null), none)
			check(t, p, ask("other", "192.0.2.1", zap.Curve, string(stranger[:])), decision{"OK", stranger.String(), 3})
			if got := p.Mechanisms(domain, true); got != nil {
				t.Errorf("offers %v", got)
			}

			p, _ = load(t, dir, "security\n    curve = 1\n        any = 1\nsecurity\n    domain = "+domain+"\n    curve = 1\n        keystore = dir:services\n")
			check(t, p, ask(domain, "192.0.2.1", zap.Curve, string(stranger[:])), decision{"unknown key", "", 6})
			check(t, p, ask(domain, "192.0.2.1", zap.Curve, string(service.Public[:])), decision{"OK", "service", 7})
			if got := p.Mechanisms(domain, true); got != nil {
				t.Errorf("offers %v", got)
			}

			for _, open := range []string{"    curve = 1\n        any = 1\n", "    anonymous = 1\n", "    sasl = CURVE\n    curve = 1\n        keystore = dir:services\n",
				"    plain = 1\n        account\n            login = a\n            password = " + verifierOf("x") + "\n    curve = 1\n        keystore = dir:services\n        password-for = *\n"} {
				file := filepath.Join(dir, "open.zpl")
				ztest.Must(t, os.WriteFile(file, []byte("security\n    domain = "+domain+"\n"+open), 0o600))
				want := "open.zpl:1:1: invalid value: domain " + domain + " admits " + kind
				if _, err := policy.Load(file, policy.Options{}); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q: %v", open, err)
				}
			}
		})
	}
}

// TestMalformedCredentials: credentials that don't fit the mechanism are refused,
// without a panic.
func TestMalformedCredentials(t *testing.T) {
	t.Parallel()
	p, _ := load(t, t.TempDir(), "security\n    anonymous = 1\n    plain = 1\n        account\n            login = a\n            password = b\n    curve = 1\n        any = 1\n    gssapi = 1\n        principal = p\n")
	long := strings.Repeat("x", 256)
	for mechanism, all := range map[string][][]string{
		zap.Null:   {{""}, {"x"}},
		zap.Plain:  {{}, {"a"}, {"a", "b", ""}, {long, "b"}, {"a", long}},
		zap.Curve:  {{}, {""}, {long[:31]}, {long[:33]}, {long[:32], long[:32]}},
		zap.GSSAPI: {{}, {""}, {"p", "p"}},
		"":         {{}},
		"SCRAM":    {{}},
	} {
		for _, credentials := range all {
			if reply := p.Handle(t.Context(), ask("", "192.0.2.1", mechanism, credentials...)); reply.Status != zap.StatusRefused || reply.Text == "" {
				t.Errorf("%s with %q: %+v", mechanism, credentials, reply)
			}
		}
	}
}

// TestFailuresOutliveReload: failures still count after a reload.
func TestFailuresOutliveReload(t *testing.T) {
	t.Parallel()
	const text = "security\n    failures = 2\n    plain = 1\n        account\n            login = a\n            password = b\n"
	dir := t.TempDir()
	p, _ := load(t, dir, text)
	for range 2 {
		check(t, p, ask("", "192.0.2.1", zap.Plain, "a", "x"), decision{"wrong user name or password", "", 3})
	}
	limited := decision{"too many failures from this address", "", 1}
	check(t, p, ask("", "192.0.2.1", zap.Plain, "a", "b"), limited)
	ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), text+"    anonymous = 1\n")
	ztest.Must(t, p.Reload())
	check(t, p, ask("", "192.0.2.1", zap.Plain, "a", "b"), limited)
	check(t, p, ask("", "192.0.2.2", zap.Plain, "a", "b"), decision{"OK", "a", 4})
}

// TestFailuresOfAllDomains: failures of an address count for all domains together. Where
// they count, a malformed address is refused.
func TestFailuresOfAllDomains(t *testing.T) {
	t.Parallel()
	var text string
	for _, domain := range []string{"a", "b"} {
		text += fmt.Sprintf("security\n    domain = %s\n    failures = 2\n    anonymous = 0\n    plain = 1\n        account\n            login = a\n            password = b\n", domain)
	}
	p, _ := load(t, t.TempDir(), text+"security\n    domain = c\n    anonymous = 1\n")
	check(t, p, ask("a", "192.0.2.1", zap.Null), decision{"NULL is not allowed", "", 1})
	check(t, p, ask("b", "::ffff:192.0.2.1", zap.Plain, "a", "x"), decision{"wrong user name or password", "", 13})
	check(t, p, ask("a", "192.0.2.1", zap.Plain, "a", "b"), decision{"too many failures from this address", "", 1})
	check(t, p, ask("a", "192.0.2.2:4711", zap.Plain, "a", "b"), decision{"not an IP address", "", 1})
	check(t, p, ask("a", "localhost:0:0:17", zap.Plain, "a", "b"), decision{"OK", "a", 6})
	check(t, p, ask("a", "", zap.Plain, "a", "b"), decision{"OK", "a", 6})
	check(t, p, ask("c", "somewhere", zap.Null), decision{"OK", "", 19})
}

// TestUserIDs: the policy determines user ids and the metadata of accounts.
func TestUserIDs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice := scenario.Named("alice")
	put(t, filepath.Join(dir, "clients"), alice)
	p, _ := load(t, dir, `security
    user-id = key
    curve = 1
        keystore = dir:clients
    plain = 1
        account
            login = alice@example.org
            password = secret
            user-id = alice
            group = "traders,  admins"
            group = guests
            metadata
                desk = 7
                City = Zürich
        account
            login = bob
            password = secret
        account
            login = Zoë
            password = secret
    anonymous = 1
    gssapi = 1
        principal = carol@EXAMPLE.ORG
security
    domain = names
    user-id = name
    curve = 1
        keystore = dir:clients
`)
	check(t, p, ask("", "", zap.Curve, string(alice.Public[:])), decision{"OK", alice.Public.String(), 4})
	check(t, p, ask("names", "", zap.Curve, string(alice.Public[:])), decision{"OK", "alice", 28})
	for _, tt := range []struct {
		req      *zap.Request
		user     string
		identity string
		want     map[string]string
	}{
		{ask("", "", zap.Plain, "alice@example.org", "secret"), "alice", "alice@example.org",
			map[string]string{"desk": "7", "City": "Zürich", "group": "admins,guests,traders"}},
		{ask("", "", zap.Plain, "bob", "secret"), "bob", "bob", map[string]string{"group": ""}},
		{ask("", "", zap.Plain, "Zoë", "secret"), "", "Zoë", map[string]string{"group": ""}},
		{ask("", "", zap.Null), "", "", map[string]string{"group": ""}},
		{ask("", "", zap.GSSAPI, "carol@EXAMPLE.ORG"), "carol@EXAMPLE.ORG", "carol@EXAMPLE.ORG", map[string]string{"group": ""}},
	} {
		reply := p.Handle(t.Context(), tt.req)
		got := map[string]string{}
		for _, property := range reply.Metadata {
			got[property.Name] = string(property.Value)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || reply.UserID != tt.user || reply.Identity != tt.identity {
			t.Errorf("%s %s: user id %q, identity %q, metadata (-want +got):\n%s", tt.req.Mechanism, tt.user, reply.UserID, reply.Identity, diff)
		}
		if _, err := zap.Ask(t.Context(), zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return reply }), &zap.Request{Mechanism: zap.Null}); err != nil {
			t.Errorf("%s: the reply can't be sent: %v", tt.user, err)
		}
	}
}

// TestGroupList: one value can list several groups.
func TestGroupList(t *testing.T) {
	t.Parallel()
	s := scenario.New(t)
	p, _ := load(t, s.Dir, "security\n    curve = 1\n        keystore = dir:clients\n        group = \"admins , traders\"\n")
	check(t, p, ask("", "", zap.Curve, string(s.Trader.Public[:])), decision{"OK", "trader", 3})
	check(t, p, ask("", "", zap.Curve, string(s.Guest.Public[:])), decision{"not in an allowed group", "", 3})
}

// TestMoreFaults: errors in addresses, accounts and names have places.
func TestMoreFaults(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "policy.zpl")
	const account = "    plain = 1\n        account\n            login = a\n            password = b\n"
	lines := func(n int) (text string) {
		for i := range n {
			text += fmt.Sprintf("                x%d = 1\n", i)
		}
		return text
	}
	for text, want := range map[string]string{
		"    allow = fe80::1%eth0\n":                                                         "2:13: invalid value: allow: an address cannot have a zone: remove %eth0",
		"    deny = ::ffff:0:0/90\n":                                                         "2:12: invalid value: deny: part of the IPv4-mapped addresses",
		"    user-id = login\n":                                                              "2:15: invalid value: user-id: expected name or key",
		"    user-id = name\n    user-id = key\n":                                            "3:5: duplicate user-id",
		account + "            user-id = Zoë\n":                                              "6:23: invalid value: user-id: expected printable ASCII",
		account + "            password = c\n":                                               "6:13: duplicate password: put a hash and a verifier on one line, with a space between",
		account + "        password-for = *\n":                                               "6:9: unknown name password-for: put it below curve",
		"    password-for = *\n":                                                             "2:5: unknown name password-for: put it below curve",
		account + "    curve = 0\n        keystore = mem:\n        password-for = *\n":       "8:9: password-for needs curve = 1: without it, passwords alone would admit clients",
		"    sasl = SCRAM-SHA-256 PLAIN\n":                                                   "2:12: invalid value: sasl: unknown mechanism \"SCRAM-SHA-256 PLAIN\": separate mechanisms with commas",
		account + "            group = \"a,,b\"\n":                                           "6:22: invalid value: group is empty",
		account + "            user-id = 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7'\n":       "3:9: invalid value: the user id rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7 reads as a key",
		account + "            metadata = 1\n":                                               "6:24: invalid value: metadata takes no value",
		account + "            metadata\n                User-Id = root\n":                   "7:17: unknown name User-Id: ZeroMQ or zauth itself",
		account + "            metadata\n                claim-desk = 7\n":                   "7:17: unknown name claim-desk: ZeroMQ or zauth itself",
		account + "            metadata\n                group = root\n":                     "7:17: duplicate group",
		account + "            metadata\n                x = 1\n                X = 1\n":     "8:17: duplicate X",
		account + "            metadata\n                x/y = 1\n":                          "7:17: unknown name x/y: expected letters",
		account + "            metadata\n                x = 1\n                    y = 1\n": "8:21: unknown name y: x takes no properties",
		account + "            metadata\n" + lines(zap.MaxProperties):                        "70:17: invalid value: metadata has more than 63 lines",
		"    plain\n        login = a\n        password = b\n":                               "3:9: unknown name login: a client logs in with it",
	} {
		ztest.Must(t, os.WriteFile(file, []byte("security\n"+text), 0o600))
		if _, err := policy.Load(file, policy.Options{}); err == nil || !strings.HasPrefix(err.Error(), "policy: "+file+":"+want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// TestFileMQVariants: a configuration of a FileMQ broker loads, and so does one that
// enables PLAIN without accounts.
func TestFileMQVariants(t *testing.T) {
	t.Parallel()
	p, log := load(t, t.TempDir(), "server\n    monitor = 2\nbind\n    endpoint = tcp://*:6000\nmount\n    local = ./out\nsecurity\n    anonymous = 1\n    plain = 1\n")
	if log.Count("level=WARN", "policy.zpl:9", "plain = 1 without an account") != 1 || log.Count("level=WARN", "anonymous = 1") != 1 || log.Count("level=WARN") != 2 {
		t.Errorf("log:\n%s", log)
	}
	check(t, p, ask("", "", zap.Null), decision{"OK", "", 8})
	check(t, p, ask("", "", zap.Plain, "", ""), decision{"PLAIN is not allowed", "", 7})
}

// TestGuessesThroughService: a service can't guess a password by reporting another
// address each time, and other services aren't affected.
func TestGuessesThroughService(t *testing.T) {
	t.Parallel()
	p, _ := load(t, t.TempDir(), "security\n    failures = 3\n    plain = 1\n        account\n            login = guest\n            password = guess77\n")
	said := map[string]int{}
	from := func(asker, address, password string) zap.Reply {
		req := ask("", address, zap.Plain, "guest", password)
		req.Asker = asker
		return p.Handle(t.Context(), req)
	}
	for i := range 100 {
		reply := from("198.51.100.7 (mallory)", fmt.Sprintf("10.9.8.%d", i), fmt.Sprint("guess", i))
		said[fmt.Sprintf("%d %s", reply.Status, reply.Text)]++
	}
	want := map[string]int{"400 wrong user name or password": 30, "300 too many simultaneous logins from this address or service": 70}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, asker := range []string{"", "198.51.100.7 (web)", "ipc"} {
		if reply := from(asker, "10.9.8.1", "guess77"); reply.Status != zap.StatusOK {
			t.Errorf("by %q: %+v", asker, reply)
		}
	}
}

// TestLimitAllocations: a limit for all mechanisms allocates nothing.
func TestLimitAllocations(t *testing.T) {
	dir := t.TempDir()
	alice := scenario.Named("alice")
	put(t, filepath.Join(dir, "clients"), alice)
	p, _ := load(t, dir, "security\n    failures = 1000000\n    deny = 192.0.2.0/24\n    curve = 1\n        keystore = dir:clients\n")
	for _, address := range []string{"10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::1", "2001:db8::1", "localhost:1:1:1", ""} {
		for _, asker := range []string{"", "198.51.100.7 (web)"} {
			for _, key := range []string{string(alice.Public[:]), string(make([]byte, 32))} {
				req := ask("", address, zap.Curve, key)
				req.Asker = asker
				if n := testing.AllocsPerRun(100, func() { p.Handle(t.Context(), req) }); n != 0 {
					t.Errorf("%q for %q: %v allocations", asker, address, n)
				}
			}
		}
	}
}
