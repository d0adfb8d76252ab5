package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/zap"
)

// errRefused means that the policy would refuse a client.
var errRefused = errors.New("refused")

// question is what decide asks.
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
		Use:   "decide",
		Short: "Ask a policy what it would say",
		Long: `Decide asks a policy, as zauth serve would, whether a client is admitted, and prints
the answer with the line that decided. The exit code is 0 if the client would be
admitted and 1 if not.

The client connects by CURVE with --cert or --key, by PLAIN with --login, by GSSAPI
with --principal, and else by NULL. A password is read from --password-file, or
asked for.`,
		Example: `  zauth decide --policy policy.zpl --domain payments --address 10.1.2.3 --cert alice.key
  zauth decide --policy policy.zpl --login guest`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
			return q.print(cmd, handler.Handle(cmd.Context(), req))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&q.rules.policy, "policy", "", "the policy's `file`")
	flags.StringVar(&q.rules.keystore, "keystore", defaultKeystore, "without --policy, `URL` of the keystore")
	flags.StringVar(&q.rules.askers, "askers", "", "without --policy, `URL` of the keystore of the services that may ask zauth, for --domain zauth")
	q.rules.addState(flags)
	flags.StringVar(&q.domain, "domain", "", "the ZAP domain of the service")
	flags.StringVar(&q.address, "address", "", "the client's IP address, or libzmq's localhost:UID:GID:PID for ipc")
	flags.StringVar(&q.cert, "cert", "", "the client's certificate `file`: CURVE")
	flags.StringVar(&q.key, "key", "", "the client's public key, 40 characters of Z85: CURVE")
	flags.StringVar(&q.login, "login", "", "the client's user name: PLAIN")
	flags.StringVar(&q.passwordFile, "password-file", "", "read the password from `file` (- for stdin), without its last line end")
	flags.StringVar(&q.principal, "principal", "", "the client's principal: GSSAPI")
	flags.BoolVar(&q.asJSON, "json", false, "print the answer as JSON")
	cmd.MarkFlagsMutuallyExclusive("cert", "key", "login", "principal")
	return cmd
}

// request is what the service would ask.
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
			return nil, cli.Usage(err)
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

// print prints the answer.
func (q *question) print(cmd *cobra.Command, reply zap.Reply) error {
	metadata := map[string]string{}
	for _, p := range reply.Metadata {
		metadata[p.Name] = string(p.Value)
	}
	var err error
	if q.asJSON {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(struct {
			Status   int               `json:"status"`
			Text     string            `json:"text"`
			User     string            `json:"user,omitempty"`
			Metadata map[string]string `json:"metadata,omitempty"`
			Rule     string            `json:"rule"`
		}{int(reply.Status), reply.Text, reply.UserID, metadata, reply.Rule})
	} else {
		err = cli.Print(cmd, func(out io.Writer) {
			fmt.Fprintf(out, "%d %s\n", reply.Status, reply.Text)
			fmt.Fprintf(out, "rule: %s\n", reply.Rule)
			if reply.UserID != "" {
				fmt.Fprintf(out, "user: %s\n", reply.UserID)
			}
			for _, p := range reply.Metadata {
				fmt.Fprintf(out, "%s = %q\n", p.Name, p.Value)
			}
		})
	}
	if err != nil {
		return err
	}
	if reply.Status != zap.StatusOK {
		return fmt.Errorf("%w: %s", errRefused, reply.Text)
	}
	return nil
}
