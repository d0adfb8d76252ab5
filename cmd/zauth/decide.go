package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
)

// exitNoAnswer is the exit code of decide if there is no decision: wrong usage, or a
// policy that cannot be read. A refusal is ExitFailed, as in grep and diff.
const exitNoAnswer = cli.ExitUsage

// errRefused means that a client would be refused.
var errRefused = errors.New("refused")

// question is the client that decide is asked about, and the rules that decide.
type question struct {
	rules               ruleFlags
	domain, address     string
	cert, key           string
	login, passwordFile string
	principal           string
	sasl, encrypted     bool
	mechanism           string
	asJSON              bool
}

func newDecide() *cobra.Command {
	q := question{rules: ruleFlags{readOnly: true}}
	cmd := &cobra.Command{
		Use:        "decide",
		Short:      "Test whether a client would be admitted",
		SuggestFor: []string{"ask", "query", "try", "explain"},
		Long: `Decide prints the answer that zauth serve would give for a client, and the rule that
decided. It exits 0 if the client would be admitted, 1 if it would be refused, and 2
if there is no answer, because the policy cannot be read, for example.

Describe the client with --cert or --key (CURVE), --login (PLAIN) or --principal
(GSSAPI). Without these, it is a NULL client. Decide reads the password from
--password-file, or asks for it.

With --sasl, decide runs the SASL exchange between the client and a service that uses
the policy. It prints the mechanisms that the service offers, the one that the client
chooses, and the decision. The connection has already proved the client's --cert,
--key or --principal; --login adds a user name and a password. With --mechanism CURVE,
the client proves its key in the exchange. Without the secret certificate, decide then
prints only the decision.`,
		Example: `  zauth decide --policy policy.zpl --domain payments --address 10.1.2.3 --cert alice.key
  zauth decide --policy policy.zpl --login guest
  zauth decide --policy policy.zpl --sasl --login alice --cert alice.key`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := q.decide(cmd)
			if err != nil && !errors.Is(err, errRefused) {
				err = cli.WithCode(err, exitNoAnswer)
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&q.rules.policy, "policy", "", "decide by the policy in `FILE`")
	flags.StringVar(&q.rules.keystore, "keystore", defaultKeystore, "without --policy, decide by the keystore at `URL`")
	flags.StringVar(&q.rules.askers, "askers", "", "without --policy, decide about services, in --domain zauth, by the keystore at `URL`")
	q.rules.addState(flags)
	flags.StringVar(&q.domain, "domain", "", "the service's ZAP `DOMAIN`")
	flags.StringVar(&q.address, "address", "", "the client's IP `ADDRESS`, or libzmq's localhost:UID:GID:PID for ipc")
	flags.StringVar(&q.cert, "cert", "", "the client's certificate `FILE` (CURVE)")
	flags.StringVar(&q.key, "key", "", "the client's public `KEY`, 40 characters of Z85 (CURVE)")
	flags.StringVar(&q.login, "login", "", "the client's user `NAME` (PLAIN, or SCRAM with --sasl)")
	flags.StringVar(&q.passwordFile, "password-file", "", "read the password from `FILE` (- for stdin); a final newline is ignored")
	flags.StringVar(&q.principal, "principal", "", "the client's `PRINCIPAL` (GSSAPI)")
	flags.BoolVar(&q.sasl, "sasl", false, "authenticate the client by SASL")
	flags.BoolVar(&q.encrypted, "encrypted", false, "with --sasl: the connection is encrypted by another layer than CURVE, such as TLS")
	flags.StringVar(&q.mechanism, "mechanism", "", "with --sasl: use `MECHANISM` instead of the strongest")
	flags.BoolVar(&q.asJSON, "json", false, "print the answer as JSON")
	cli.Exclusive(cmd, "cert", "key", "principal")
	return cmd
}

// check returns an error if flags cannot be combined.
func (q *question) check() error {
	needsLogin := q.mechanism == sasl.Plain || q.mechanism == sasl.ScramSHA256 || q.mechanism == sasl.ScramSHA256Plus
	switch {
	case !q.sasl && q.mechanism != "":
		return cli.Usagef("--mechanism requires --sasl")
	case !q.sasl && q.encrypted:
		return cli.Usagef("--encrypted requires --sasl")
	case q.mechanism != "" && !slices.Contains(mechanisms, q.mechanism):
		return cli.Usagef("--mechanism %q: must be one of %s", q.mechanism, strings.Join(mechanisms, ", "))
	case q.mechanism != "" && q.login != "" && !needsLogin:
		return cli.Usagef("--login cannot be combined with --mechanism %s, which has no user name", q.mechanism)
	case q.sasl || q.login == "":
		return nil
	}
	for flag, value := range map[string]string{"cert": q.cert, "key": q.key, "principal": q.principal} {
		if value != "" {
			err := cli.Usagef("--login cannot be combined with --%s", flag)
			return cli.Hint(err, "for a client that uses both, by SASL, pass --sasl")
		}
	}
	return nil
}

// decide prints the decision. It returns errRefused if that is a refusal.
func (q *question) decide(cmd *cobra.Command) error {
	if err := q.rules.check(cmd.Flags().Changed("keystore")); err != nil {
		return err
	}
	if err := q.check(); err != nil {
		return err
	}
	var password []byte
	if q.login != "" {
		var err error
		if password, err = readPassword(cmd, q.passwordFile, false); err != nil {
			return err
		}
		defer clear(password)
	}
	public, secret, err := q.clientKey()
	if err != nil {
		return err
	}
	defer secret.Wipe()
	decider, rules, err := q.rules.open(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer rules.Close()
	var a answer
	if q.sasl {
		if a, err = q.authenticate(cmd.Context(), decider, public, secret, password); err != nil {
			return err
		}
	} else {
		a.req = q.request(public, password)
		a.reply = decider.Handle(cmd.Context(), a.req)
		a.hint = q.plainHint(a)
	}
	return q.print(cmd, a)
}

// clientKey returns the key of --cert or --key, and its secret key if the file has it.
func (q *question) clientKey() (public curve.PublicKey, secret curve.SecretKey, err error) {
	switch {
	case q.cert != "":
		c, err := cert.Load(q.cert)
		if err != nil {
			return public, secret, err
		}
		return c.Public, c.Secret, nil
	case q.key != "":
		if public, err = curve.ParsePublicKey(q.key); err != nil {
			err = cli.Usagef("--key %q: %w", q.key, err)
		}
	}
	return public, secret, err
}

// request returns the request that the service would make.
func (q *question) request(key curve.PublicKey, password []byte) *zap.Request {
	req := &zap.Request{Domain: q.domain, Address: q.address, Mechanism: zap.Null}
	switch {
	case q.cert != "" || q.key != "":
		req.Mechanism, req.Credentials = zap.Curve, [][]byte{key[:]}
	case q.login != "":
		req.Mechanism, req.Credentials = zap.Plain, [][]byte{[]byte(q.login), password}
	case q.principal != "":
		req.Mechanism, req.Credentials = zap.GSSAPI, [][]byte{[]byte(q.principal)}
	}
	return req
}

// answer is a decision.
type answer struct {
	req   *zap.Request
	reply zap.Reply
	hint  string // for a refusal

	// of SASL
	offered []string // by the service
	chosen  string   // by the client; empty if it can use none of them
	note    string   // about the choice
}

// decided is the JSON of a decision: the fields of the audit log, those of SASL, and the
// metadata that the service receives.
type decided struct {
	audit.Record
	SASL       string     `json:"sasl,omitempty"`
	Mechanisms string     `json:"mechanisms,omitempty"`
	Metadata   []property `json:"metadata,omitempty"`
}

// property is a property of metadata in JSON.
type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// print prints an answer. It returns an error unless the client is admitted.
func (q *question) print(cmd *cobra.Command, a answer) error {
	reply := a.reply
	err := cli.Print(cmd, func(out io.Writer) {
		if q.asJSON {
			line := decided{Record: audit.NewRecord(time.Now(), a.req, reply), SASL: a.chosen, Mechanisms: strings.Join(a.offered, ",")}
			for _, p := range reply.Metadata {
				line.Metadata = append(line.Metadata, property{p.Name, string(p.Value)})
			}
			encoder := json.NewEncoder(out)
			encoder.SetEscapeHTML(false) // or the search for the key failed
			encoder.Encode(line)
			return
		}
		paint := cli.NewPainter(cmd).Bad
		if reply.Status == zap.StatusOK {
			paint = cli.NewPainter(cmd).Good
		}
		fmt.Fprintln(out, paint(fmt.Sprintf("%d %s", reply.Status, reply.Text)))
		for _, line := range []struct{ name, value string }{
			{"offered", strings.Join(a.offered, ", ")}, {"chosen", a.chosen + a.note}, {"rule", reply.Rule}, {"user", reply.UserID},
		} {
			if line.value != "" {
				fmt.Fprintf(out, "%s: %s\n", line.name, line.value)
			}
		}
		for _, p := range reply.Metadata {
			fmt.Fprintf(out, "%s = %q\n", p.Name, p.Value)
		}
	})
	switch {
	case err != nil:
		return err
	case reply.Status == zap.StatusOK:
		return nil
	case reply.Status != zap.StatusRefused:
		return fmt.Errorf("no decision: %s", reply.Text)
	}
	err = fmt.Errorf("%w: %s", errRefused, reply.Text)
	if a.hint != "" {
		return cli.Hint(err, a.hint)
	}
	return err
}

// plainHint returns a hint for a refused client that does not use SASL, or "".
func (q *question) plainHint(a answer) string {
	switch {
	case strings.HasPrefix(a.reply.Text, "no rule"):
		return "no section of the policy is for this domain, or for every domain: name another with --domain"
	case strings.HasPrefix(a.reply.Text, zap.Null):
		return "this is a NULL client: to describe another, pass --cert, --key, --login or --principal"
	case a.req.Mechanism == zap.Plain && a.reply.Status == zap.StatusRefused && q.hasOnlyVerifier():
		return "the account has a verifier for SCRAM but no hash for PLAIN: to log in by SCRAM, pass --sasl"
	}
	return ""
}

// hasOnlyVerifier reports whether the account of this login can log in only by SCRAM.
func (q *question) hasOnlyVerifier() bool {
	rules := rulesIn(q.rules.policy)
	at := slices.IndexFunc(rules, func(d policy.Domain) bool { return d.Name == q.domain })
	if at < 0 && !policy.IsOwn(q.domain) {
		at = slices.IndexFunc(rules, func(d policy.Domain) bool { return d.Name == "" })
	}
	return at >= 0 && slices.ContainsFunc(rules[at].Accounts, func(a policy.Account) bool {
		return a.Login == q.login && strings.HasPrefix(a.Hash, sasl.ScramSHA256+"$") && !strings.Contains(a.Hash, " $")
	})
}
