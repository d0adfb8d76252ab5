package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// load writes a policy to a directory and loads it.
func load(t testing.TB, dir, text string) (*policy.Policy, *ztest.Log) {
	t.Helper()
	file := filepath.Join(dir, "policy.zpl")
	ztest.Must(t, os.WriteFile(file, []byte(text), 0o600))
	log := new(ztest.Log)
	p, err := policy.Load(file, policy.Options{Log: log.Logger()})
	ztest.Must(t, err)
	t.Cleanup(func() { p.Close() })
	return p, log
}

// ask returns a request with this domain, address, mechanism and credentials.
func ask(domain, address, mechanism string, credentials ...string) *zap.Request {
	req := &zap.Request{Domain: domain, Address: address, Mechanism: mechanism}
	for _, c := range credentials {
		req.Credentials = append(req.Credentials, []byte(c))
	}
	return req
}

// decision is an expected decision: the text, the user id, and the line that decided.
type decision struct {
	text, user string
	line       int
}

func check(t *testing.T, p *policy.Policy, req *zap.Request, want decision) {
	t.Helper()
	reply := p.Handle(t.Context(), req)
	var line int
	if _, err := fmt.Sscanf(reply.Rule[strings.LastIndex(reply.Rule, ":")+1:], "%d", &line); err != nil {
		line = 0
	}
	got := decision{reply.Text, reply.UserID, line}
	name := fmt.Sprintf("%s from %s in %q", req.Mechanism, req.Address, req.Domain)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(decision{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
	if (reply.Status == zap.StatusOK) != (want.text == "OK") {
		t.Errorf("%s: status %d", name, reply.Status)
	}
}

// TestAddresses: allow and deny apply to addresses in each form.
func TestAddresses(t *testing.T) {
	t.Parallel()
	p, _ := load(t, t.TempDir(), `security
    domain = lan
    allow = 10.0.0.0/8
    allow = 192.0.2.7
    allow = 2001:db8::/32
    deny = 10.66.0.0/16
    deny = 2001:db8:bad::/48
    anonymous = 1
security
    domain = outside
    deny = 10.0.0.0/8
    anonymous = 1
security
    domain = mapped
    allow = ::ffff:10.0.0.0/104
    anonymous = 1
`)
	for _, tt := range []struct {
		domain, address string
		want            decision
	}{
		{"lan", "10.1.2.3", decision{"OK", "", 8}},
		{"lan", "::ffff:10.1.2.3", decision{"OK", "", 8}},
		{"lan", "192.0.2.7", decision{"OK", "", 8}},
		{"lan", "2001:db8::1", decision{"OK", "", 8}},
		{"lan", "fe80::1%eth0", decision{"address not allowed", "", 1}},
		{"lan", "10.66.0.1", decision{"address denied", "", 6}},
		{"lan", "::ffff:10.66.0.1", decision{"address denied", "", 6}},
		{"lan", "2001:db8:bad::1", decision{"address denied", "", 7}},
		{"lan", "192.0.2.8", decision{"address not allowed", "", 1}},
		{"lan", "", decision{"address not allowed", "", 1}},
		{"lan", "localhost", decision{"not an IP address", "", 1}},
		{"lan", "localhost:1000:1000:17", decision{"address not allowed", "", 1}},
		{"lan", "64:ff9b::10.1.2.3", decision{"address not allowed", "", 1}},
		{"lan", "64:ff9b::10.66.0.1", decision{"address denied", "", 6}},
		{"outside", "10.0.0.1", decision{"address denied", "", 11}},
		{"outside", "192.0.2.1", decision{"OK", "", 12}},
		{"outside", "", decision{"OK", "", 12}},
		{"outside", "localhost:1000:1000:17", decision{"OK", "", 12}},
		{"outside", "10.0.0.1:4711", decision{"not an IP address", "", 9}},
		{"outside", "10.0.000.001", decision{"not an IP address", "", 9}},
		{"outside", "64:ff9b::10.0.0.1", decision{"address denied", "", 11}},
		{"mapped", "10.9.9.9", decision{"OK", "", 16}},
		{"mapped", "11.9.9.9", decision{"address not allowed", "", 13}},
		{"unknown", "10.1.2.3", decision{"no rule for this domain", "", 0}},
		{"", "10.1.2.3", decision{"no rule for this domain", "", 0}},
	} {
		check(t, p, ask(tt.domain, tt.address, zap.Null), tt.want)
	}
}

// TestMechanisms: a client that no line admits is refused.
func TestMechanisms(t *testing.T) {
	t.Parallel()
	key := string(make([]byte, 31)) + "\x09"
	for line, allows := range map[string]string{
		"": "",
		"    anonymous = 0\n    plain = 0\n        account\n            login = a\n            password = b\n    curve = 0\n        any = 1\n": "",
		"    anonymous = 1\n": "NULL",
		"    plain = 1\n        account\n            login = guest\n            password = guest\n": "PLAIN",
		"    curve = 1\n        any = 1\n":                        "CURVE",
		"    gssapi = 1\n        principal = alice@EXAMPLE.ORG\n": "GSSAPI",
	} {
		p, _ := load(t, t.TempDir(), "security\n"+line)
		for _, req := range []*zap.Request{
			ask("any", "192.0.2.1", zap.Null),
			ask("", "", zap.Plain, "guest", "guest"),
			ask("any", "192.0.2.1", zap.Curve, key),
			ask("any", "192.0.2.1", zap.GSSAPI, "alice@EXAMPLE.ORG"),
			ask("any", "192.0.2.1", "OTHER"),
		} {
			reply := p.Handle(t.Context(), req)
			if got := reply.Status == zap.StatusOK; got != (req.Mechanism == allows) {
				t.Errorf("%q: %s: %d %s", line, req.Mechanism, reply.Status, reply.Text)
			}
			if !strings.Contains(reply.Rule, "policy.zpl:") {
				t.Errorf("%q: %s: decided by %q", line, req.Mechanism, reply.Rule)
			}
		}
	}
}

// TestGSSAPI: listed principals are admitted.
func TestGSSAPI(t *testing.T) {
	t.Parallel()
	p, _ := load(t, t.TempDir(), "security\n    gssapi = 1\n        principal = alice@EXAMPLE.ORG\n        principal = bob@EXAMPLE.ORG\n")
	check(t, p, ask("", "", zap.GSSAPI, "bob@EXAMPLE.ORG"), decision{"OK", "bob@EXAMPLE.ORG", 4})
	check(t, p, ask("", "", zap.GSSAPI, "eve@EXAMPLE.ORG"), decision{"unknown principal", "", 2})
	check(t, p, ask("", "", zap.GSSAPI), decision{"expected one principal", "", 1})
}
