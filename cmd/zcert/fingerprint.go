package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
)

func newFingerprint() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "fingerprint FILE|-",
		Short: "Print a key's fingerprint, to compare by phone",
		Long: `Fingerprint prints the SHA-256 of the public key of a certificate or an authority
in two forms: a line to copy, and 16 numbered groups of digits to read aloud.

To check a key, call its owner, who runs the same command, and ask for any four
groups or more: "What are 3, 9, 12 and 14?" If they match, so does the key.`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := open(cmd, args[0])
			if err != nil {
				return err
			}
			f, err := in.fingerprint(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, f)
			}
			return cli.Print(cmd, func(out io.Writer) {
				fmt.Fprintln(out, f.Fingerprint)
				for i, group := range f.Digits {
					end := "   "
					if i%4 == 3 {
						end = "\n"
					}
					fmt.Fprintf(out, "%2d: %s%s", i+1, group, end)
				}
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// fingerprint returns the fingerprint of a certificate or an authority. Both are computed
// the same way.
func (in input) fingerprint(cmd *cobra.Command) (f fingerprintJSON, err error) {
	c, err := in.certificate(cmd)
	if err == nil {
		f.Identity, f.Key = c.Name(), c.Public.String()
		return f.of(c.Public), nil
	}
	if errors.Is(err, cert.ErrKind) {
		a, authorityErr := in.authority(cmd)
		if authorityErr == nil {
			f.Authority = a.Key.String()
			return f.of(curve.PublicKey(a.Key)), nil
		} else if !errors.Is(authorityErr, cert.ErrKind) {
			return f, authorityErr
		}
	}
	return f, err
}

// of returns f with the fingerprint of key filled in.
func (f fingerprintJSON) of(key curve.PublicKey) fingerprintJSON {
	groups := key.FingerprintGroups()
	f.Fingerprint, f.Digits = key.Fingerprint(), groups[:]
	return f
}

func newPubkey() *cobra.Command {
	return &cobra.Command{
		Use:   "pubkey FILE|-",
		Short: "Print the public key on one line",
		Long: `Pubkey prints the public key of a certificate as 40 characters of Z85, or the key
of an authority. If FILE is -, pubkey reads stdin, which can also be a bare secret
key in Z85, base64 or hex.`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := open(cmd, args[0])
			if err != nil {
				return err
			}
			key, err := in.publicKey(cmd)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), key)
			return nil
		},
	}
}

// publicKey returns the public key of a certificate, an authority or a bare secret
// key.
func (in input) publicKey(cmd *cobra.Command) (fmt.Stringer, error) {
	text, err := in.read()
	if err != nil {
		return nil, withPipeHint(cmd, in.path, err)
	}
	if key := bytes.TrimSpace(bytes.TrimPrefix(text, byteOrderMark)); len(key) > 0 && !bytes.ContainsAny(key, " \t\r\n") {
		c, err := parseBareKey(string(key), true)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cli.Subject(in.path), err)
		}
		c.Secret.Wipe()
		return c.Public, in.checkMode(cmd, "secret key")
	}
	c, err := in.certificate(cmd)
	if err == nil {
		return c.Public, nil
	}
	if !errors.Is(err, cert.ErrKind) {
		return nil, err
	}
	a, authorityErr := in.authority(cmd)
	if errors.Is(authorityErr, cert.ErrKind) {
		return nil, err
	} else if authorityErr != nil {
		return nil, authorityErr
	}
	return a.Key, nil
}
