package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

func newShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show FILE|-",
		Short: "Show what a certificate says",
		Long: `Show prints what a certificate says, public or secret, as written by zcert,
czmq, pyzmq, goczmq or JeroMQ. It never prints a secret key. FILE - is stdin.`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := load(cmd, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd, newShown(c))
			}
			show(cmd.OutOrStdout(), c)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

// load reads a certificate from a file or, for "-", stdin. Its warnings go to
// stderr.
func load(cmd *cobra.Command, path string) (c *cert.Certificate, err error) {
	var warnings []cert.Warning
	if path == "-" {
		path = "stdin"
		c, warnings, err = cert.Read(cmd.InOrStdin(), path)
	} else {
		c, warnings, err = cert.Load(path)
	}
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		place := path
		if w.Line > 0 {
			place = fmt.Sprintf("%s:%d", path, w.Line)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "zcert: warning: %s: %s\n", place, w.Text)
	}
	return c, nil
}

// show prints a certificate for people.
func show(out io.Writer, c *cert.Certificate) {
	kind := "public"
	if !c.Secret.IsZero() {
		kind = "secret"
	}
	fmt.Fprintf(out, "certificate: %s\n", kind)
	fmt.Fprintf(out, "public key:  %s\n", c.Public)
	for _, p := range c.Metadata {
		fmt.Fprintf(out, "%s = %q\n", p.Name, p.Value)
	}
}

// shown is what show prints as JSON.
type shown struct {
	Name      string          `json:"name,omitempty"`
	PublicKey string          `json:"public_key"`
	HasSecret bool            `json:"has_secret"`
	Metadata  []shownProperty `json:"metadata"`
}

// shownProperty is a property in JSON; a list keeps the order.
type shownProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func newShown(c *cert.Certificate) shown {
	s := shown{Name: c.Name(), PublicKey: c.Public.String(), HasSecret: !c.Secret.IsZero(), Metadata: []shownProperty{}}
	for _, p := range c.Metadata {
		s.Metadata = append(s.Metadata, shownProperty(p))
	}
	return s
}
