package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/endpoint"
)

// bundleSuffix is the suffix of a bundle's file.
const bundleSuffix = ".bundle"

func newBundle() *cobra.Command {
	var server, out, passphraseFile string
	var endpoints []string
	var force bool
	cmd := &cobra.Command{
		Use:   "bundle NAME|FILE --server KEY|FILE --endpoint ENDPOINT",
		Short: "Put all that a client needs into one file",
		Long: `Bundle writes NAME.bundle: the secret certificate of a client, together with the
public key and the endpoints of the service that it connects to. A client needs no
other file. Czmq and pyzmq read its keys as those of any secret certificate.

NAME stands for NAME.key_secret. A bundle holds the client's secret key, which is
not locked: a program that starts by itself cannot ask for a passphrase.

To see how a program reads a bundle, run zcert snippet. To check that the client
can connect with it, run zcert probe NAME.bundle.`,
		Example: `  zcert bundle alice --server service.key --endpoint tcp://192.0.2.1:5555
  zcert probe alice.bundle`,
		Args: cli.OneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if server == "" {
				return cli.Usagef("--server is required: the public certificate of the service")
			}
			if len(endpoints) == 0 {
				return cli.Usagef("--endpoint is required: where the service listens, such as tcp://192.0.2.1:5555")
			}
			for _, at := range endpoints {
				if err := endpoint.CheckDial(at); err != nil {
					return cli.Usage(err)
				}
			}
			path := secretOf(args[0])
			c, err := loadSecret(cmd, path, passphraseFile)
			if errors.Is(err, fs.ErrNotExist) && path == args[0] {
				return cli.Hint(err, "create it first: zcert gen "+cli.Quote(strings.TrimSuffix(path, publicSuffix+cert.SecretSuffix)))
			}
			if err != nil {
				return err
			}
			defer c.Secret.Wipe()
			if err := c.Check(time.Now()); err != nil {
				return fmt.Errorf("%s: %w", cli.Subject(path), err)
			}
			key, err := loadPublicKey(cmd, server)
			if err != nil {
				return err
			}
			if key == c.Public {
				return fmt.Errorf("--server %s: this is the client's own key", server)
			}
			c.Service = cert.Service{Key: key, Endpoints: endpoints}
			if out == "-" {
				text, err := c.AppendSecret(nil)
				if err != nil {
					return err
				}
				defer clear(text)
				_, err = cmd.OutOrStdout().Write(text)
				return err
			}
			if out == "" {
				out = strings.TrimSuffix(strings.TrimSuffix(path, publicSuffix+cert.SecretSuffix), bundleSuffix) + bundleSuffix
			}
			if err := c.SaveSecret(out, replaceIf(force)...); err != nil {
				return err
			}
			cli.Note(cmd, "wrote %s (keep it private)", out)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&server, "server", "", "the service's public key: `KEY|FILE` (required)")
	flags.StringArrayVar(&endpoints, "endpoint", nil, "connect to `ENDPOINT`, such as tcp://192.0.2.1:5555; repeatable")
	flags.StringVar(&out, "out", "", "write to `FILE` instead of NAME.bundle (- for stdout)")
	flags.BoolVar(&force, "force", false, "overwrite an existing file")
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// secretOf returns the secret certificate that a name stands for, or the name itself if
// that is a file.
func secretOf(name string) string {
	if _, err := os.Stat(name); err == nil {
		return name
	}
	secret := name + publicSuffix + cert.SecretSuffix
	if _, err := os.Stat(secret); err != nil {
		return name
	}
	return secret
}

// nameOfFile returns the name of the identity in a file: NAME.key, NAME.key_secret or NAME.bundle.
func nameOfFile(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), bundleSuffix)
	return strings.TrimSuffix(strings.TrimSuffix(name, cert.SecretSuffix), publicSuffix)
}
