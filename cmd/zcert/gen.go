package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// publicSuffix is what the name of a public certificate's file ends with.
const publicSuffix = ".key"

func newGen() *cobra.Command {
	var meta []string
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:   "gen NAME",
		Short: "Make a new identity: NAME.key and NAME.key_secret",
		Long: `Gen makes a new key pair and writes it to two files: NAME.key, which is public,
and NAME.key_secret, which only you can read. czmq, pyzmq, goczmq and JeroMQ
read both.`,
		Example: `  zcert gen alice
  zcert gen alice --meta email=alice@example.org --meta group=traders`,
		Args: cli.OneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0] + publicSuffix
			c, err := generate(args[0], meta)
			if err != nil {
				return err
			}
			if err := c.Save(path, force); err != nil {
				if errors.Is(err, fs.ErrExist) {
					return cli.Hint(err, "choose another name, or give --force to replace both files: the keys in them will be lost")
				}
				return err
			}
			// What was written may have to be warned of.
			if _, err := load(cmd, path); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd, generated{Name: c.Name(), PublicKey: c.Public.String(), Public: path, Secret: path + cert.SecretSuffix})
			}
			fmt.Fprintf(cmd.ErrOrStderr(), `public certificate: %[1]s
secret certificate: %[1]s%[2]s (keep it where it is used)
next: zcert show %[1]s
      cp %[1]s CLIENTS/   lets its owner in where zauth serves --keystore dir:CLIENTS
`, path, cert.SecretSuffix)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&meta, "meta", nil, "`name=value` to say of the owner; repeatable")
	flags.BoolVar(&force, "force", false, "replace files that exist")
	flags.BoolVar(&asJSON, "json", false, "say what was written as JSON on stdout")
	return cmd
}

// generated is what gen says as JSON.
type generated struct {
	Name      string `json:"name"`
	PublicKey string `json:"public_key"`
	Public    string `json:"public"`
	Secret    string `json:"secret"`
}

// generate makes the identity of a file name, with metadata from the command
// line.
func generate(name string, meta []string) (*cert.Certificate, error) {
	base := filepath.Base(name)
	if name == "" || strings.HasSuffix(name, "/") || base == "." || base == ".." {
		return nil, cli.Usagef("%q is no name for a file", name)
	}
	if strings.HasSuffix(name, publicSuffix) || strings.HasSuffix(name, publicSuffix+cert.SecretSuffix) {
		return nil, cli.Usagef("NAME is %q: give it without the suffix, which is added", name)
	}
	var metadata cert.Metadata
	for _, m := range meta {
		k, v, ok := strings.Cut(m, "=")
		if !ok {
			return nil, cli.Usagef("--meta %q: want name=value", m)
		}
		metadata = append(metadata, cert.Property{Name: k, Value: v})
	}
	if _, ok := metadata.Get("name"); !ok {
		metadata = append(cert.Metadata{{Name: "name", Value: base}}, metadata...)
	}
	return cert.Generate(metadata...), nil
}

// writeJSON writes v to stdout.
func writeJSON(cmd *cobra.Command, v any) error {
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
