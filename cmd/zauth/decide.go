package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
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
--password-file, or asks for it.`,
		Example: `  zauth decide --policy policy.zpl --domain payments --address 10.1.2.3 --cert alice.key
  zauth decide --policy policy.zpl --login guest`,
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
	flags.StringVar(&q.login, "login", "", "the client's user `NAME` (PLAIN)")
	flags.StringVar(&q.passwordFile, "password-file", "", "read the password from `FILE` (- for stdin); a final newline is ignored")
	flags.StringVar(&q.principal, "principal", "", "the client's `PRINCIPAL` (GSSAPI)")
	flags.BoolVar(&q.asJSON, "json", false, "print the answer as JSON")
	cli.Exclusive(cmd, "cert", "key", "login", "principal")
	return cmd
}

// decide prints the decision. It returns errRefused if that is a refusal.
func (q *question) decide(cmd *cobra.Command) error {
	if err := q.rules.check(cmd.Flags().Changed("keystore")); err != nil {
		return err
	}
	req, err := q.request(cmd)
	if err != nil {
		return err
	}
	handler, rules, err := q.rules.open(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer rules.Close()
	return q.print(cmd, req, handler.Handle(cmd.Context(), req))
}

// request returns the request that the service would make.
func (q *question) request(cmd *cobra.Command) (*zap.Request, error) {
	req := &zap.Request{Domain: q.domain, Address: q.address, Mechanism: zap.Null}
	switch {
	case q.cert != "":
		c, err := cert.Load(q.cert)
		if err != nil {
			return nil, err
		}
		c.Secret.Wipe()
		req.Mechanism, req.Credentials = zap.Curve, [][]byte{c.Public[:]}
	case q.key != "":
		key, err := curve.ParsePublicKey(q.key)
		if err != nil {
			return nil, cli.Usagef("--key %q: %w", q.key, err)
		}
		req.Mechanism, req.Credentials = zap.Curve, [][]byte{key[:]}
	case q.login != "":
		password, err := readPassword(cmd, q.passwordFile, false)
		if err != nil {
			return nil, err
		}
		req.Mechanism, req.Credentials = zap.Plain, [][]byte{[]byte(q.login), password}
	case q.principal != "":
		req.Mechanism, req.Credentials = zap.GSSAPI, [][]byte{[]byte(q.principal)}
	}
	return req, nil
}

// decided is the JSON of a decision: the fields of the audit log, and the metadata that
// the service receives.
type decided struct {
	audit.Record
	Metadata []property `json:"metadata,omitempty"`
}

// property is a property of metadata in JSON.
type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// print prints the reply to req.
func (q *question) print(cmd *cobra.Command, req *zap.Request, reply zap.Reply) error {
	err := cli.Print(cmd, func(out io.Writer) {
		if q.asJSON {
			line := decided{Record: audit.NewRecord(time.Now(), req, reply)}
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
		fmt.Fprintf(out, "rule: %s\n", reply.Rule)
		if reply.UserID != "" {
			fmt.Fprintf(out, "user: %s\n", reply.UserID)
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
	case reply.Status == zap.StatusRefused:
		err := fmt.Errorf("%w: %s", errRefused, reply.Text)
		if strings.HasPrefix(reply.Text, zap.Null) {
			return cli.Hint(err, "this is a NULL client: to describe another, pass --cert, --key, --login or --principal")
		}
		return err
	}
	return fmt.Errorf("no decision: %s", reply.Text)
}
