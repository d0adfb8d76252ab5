package monitor_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// TestAdmitCommand: names are quoted for a shell, and are never an option.
func TestAdmitCommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		groups []string
		want   string
	}{
		{"", nil, "zauth admit SHA256:abc --name NAME"},
		{"o'brien x", nil, `zauth admit SHA256:abc --name 'o'\''brien x'`},
		{"-x", []string{"a b"}, `zauth admit SHA256:abc --name '-x' --group 'a b'`},
		{"x", []string{"a", "b"}, `zauth admit SHA256:abc --name x --group GROUP`},
	} {
		wantEqual(t, "command", monitor.AdmitCommand("SHA256:abc", c.name, c.groups), c.want)
	}
}

// operator is a keystore in a directory with a policy that reads it, and zcert.
type operator struct {
	dir     string
	zcert   string
	policy  *policy.Policy
	monitor *monitor.Monitor
}

// newOperator makes a keystore with alice, and an authority.
func newOperator(t *testing.T) *operator {
	o := &operator{dir: t.TempDir(), zcert: ztest.GoProgram(t, "cmd/zcert")}
	o.run(t, "mkdir clients && zcert gen alice && cp alice.key clients && zcert authority new acme")
	return o
}

// file returns the path of a file.
func (o *operator) file(name string) string { return filepath.Join(o.dir, filepath.FromSlash(name)) }

// expire replaces the certificate of alice with an expired one.
func (o *operator) expire(t *testing.T) {
	a, err := cert.LoadAuthority(o.file("acme.authority_secret"))
	ztest.Must(t, err)
	c, err := cert.Load(o.file("clients/alice.key"))
	ztest.Must(t, err)
	c.Validity = cert.Validity{NotBefore: time.Now().Add(-2 * time.Hour).Truncate(time.Second), NotAfter: time.Now().Add(-time.Hour).Truncate(time.Second)}
	ztest.Must(t, a.Sign(c))
	ztest.Must(t, os.Remove(o.file("clients/alice.key")))
	ztest.Must(t, c.SavePublic(o.file("clients/alice.key")))
}

// load loads a policy with a section.
func (o *operator) load(t *testing.T, section string) {
	t.Helper()
	a, err := cert.LoadAuthority(o.file("acme.authority"))
	ztest.Must(t, err)
	section = strings.ReplaceAll(section, "AUTHORITY", a.Key.String())
	ztest.Must(t, os.WriteFile(o.file("policy.zpl"), []byte("security\n"+section), 0o600))
	p, err := policy.Load(o.file("policy.zpl"), policy.Options{State: policy.StateNone, Log: slog.New(slog.DiscardHandler)})
	ztest.Must(t, err)
	t.Cleanup(func() { p.Close() })
	o.policy, o.monitor = p, monitor.New(p, monitor.Options{Advice: monitor.Advice{
		Keystore: func(curve.PublicKey) (string, string) { return "dir:" + o.file("clients"), o.file("clients/alice.key") },
		Groups:   func(string) []string { return []string{"traders"} },
	}})
}

// run runs a command as an operator pastes it.
func (o *operator) run(t *testing.T, command string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", command)
	cmd.Dir = o.dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(o.zcert)+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
}

// decide returns the last event after a decision about alice.
func (o *operator) decide(t *testing.T) monitor.Event {
	t.Helper()
	ztest.Must(t, o.policy.Reload())
	c, err := cert.Load(o.file("alice.key"))
	ztest.Must(t, err)
	if _, err := zap.Ask(context.Background(), o.monitor, &zap.Request{Domain: "payments", Address: "192.0.2.1", Mechanism: zap.Curve, Credentials: [][]byte{c.Public[:]}}); err != nil {
		t.Error(err)
	}
	events := o.monitor.Recent()
	return events[len(events)-1]
}

// TestAdviceUnraced: each command of an advice runs as printed, and admits the client.
func TestAdviceUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	const byKeystore = "    curve = 1\n        keystore = dir:clients\n"
	for reason, c := range map[string]struct {
		section string
		before  func(o *operator, t *testing.T)
	}{
		"not in an allowed group":           {section: byKeystore + "        group = traders\n"},
		"not signed by a trusted authority": {section: byKeystore + "        authority = \"AUTHORITY\"\n"},
		"certificate expired":               {section: byKeystore, before: (*operator).expire},
		"key revoked": {section: byKeystore, before: func(o *operator, t *testing.T) {
			o.run(t, "zcert store revoke dir:clients alice --reason stolen")
		}},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			if c.before != nil {
				c.before(o, t)
			}
			o.load(t, c.section)
			e := o.decide(t)
			if !strings.HasPrefix(e.Reason, reason) || e.Admit == "" || e.Advice == "" {
				t.Fatalf("got %q, %q, %q", e.Reason, e.Admit, e.Advice)
			}
			o.run(t, strings.ReplaceAll(e.Admit, "NAME.authority_secret", "acme.authority_secret"))
			if e = o.decide(t); e.Status != int(zap.StatusOK) {
				t.Errorf("still refused: %s", e.Reason)
			}
		})
	}
}

// TestAdviceWords: each reason for which a policy refuses a client has an advice.
func TestAdviceWords(t *testing.T) {
	t.Parallel()
	m := newScripted(monitor.Options{})
	for _, reason := range []string{
		"unknown key", "not in an allowed group", "certificate expired", "certificate not yet valid", "not signed by a trusted authority",
		"key revoked on 2026-11-29: stolen", "certificate revoked on 2026-11-29", "revocation list expired on 2026-11-29: run zcert revoke to renew x",
		"revocation list not yet valid", "invalid certificate in the keystore", "no rule for this domain", "NULL is not allowed", "PLAIN is not allowed",
		"CURVE is not allowed", "GSSAPI is not allowed", "SCRAM-SHA-256 is not allowed", "SCRAM-SHA-256-PLUS is not allowed", "unknown principal",
		"wrong user name or password", "needs a password as well (password-for)", "needs a key as well (password-for)", "address denied",
		"address not allowed", "not an IP address", "too many failures from this address", "no keystore of services that may ask",
	} {
		m.decide(t, byKey(1, "192.0.2.1"), refused(reason))
		events := m.Recent()
		if e := events[len(events)-1]; e.Advice == "" || e.Admit != "" || e.Reason != reason {
			t.Errorf("%s: advice %q, command %q", reason, e.Advice, e.Admit)
		}
	}
	m.decide(t, byKey(1, "192.0.2.1"), zap.Reply{Status: zap.StatusError, Text: "unknown key"})
	m.decide(t, byKey(1, "192.0.2.1"), refused("a reason of another handler"))
	events := m.Recent()
	for _, e := range events[len(events)-2:] {
		wantEqual(t, "advice", e.Advice, "")
	}
}

// TestAdviceAdmit: an unknown key is admitted by zauth only if that has a keystore for it.
func TestAdviceAdmit(t *testing.T) {
	t.Parallel()
	m := newScripted(monitor.Options{
		Names: func(key curve.PublicKey) []string { return map[curve.PublicKey][]string{keyOf(2): {"bob"}}[key] },
		Advice: monitor.Advice{
			AdmitTo: "dir:clients",
			Groups:  func(domain string) []string { return map[string][]string{"grouped": {"traders"}}[domain] },
			Admits:  func(domain string) bool { return domain != "elsewhere" },
		},
	})
	m.decide(t, byKey(1, "192.0.2.1"), refused("unknown key"))
	m.decide(t, byKey(2, "192.0.2.1"), refused("unknown key"))
	events := m.Recent()
	wantEqual(t, "command", events[0].Admit, monitor.AdmitCommand(keyOf(1).Fingerprint(), "", nil))
	wantEqual(t, "command with the known name", events[1].Admit, monitor.AdmitCommand(keyOf(2).Fingerprint(), "bob", nil))
	wantEqual(t, "pending", m.Pending()[0].Admit, events[0].Admit)

	// The command adds the client to a group that the domain needs. A domain that reads other
	// keystores has no command: it would admit the key to other domains.
	for domain, want := range map[string]string{"grouped": monitor.AdmitCommand(keyOf(3).Fingerprint(), "", []string{"traders"}), "elsewhere": ""} {
		req := byKey(3, "192.0.2.1")
		req.Domain = domain
		m.decide(t, req, refused("unknown key"))
		events := m.Recent()
		wantEqual(t, domain, events[len(events)-1].Admit, want)
		wantEqual(t, domain+", pending", m.Pending()[0].Admit, want)
	}
}
