package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
)

// enclosure is what armor and seal put in an envelope.
type enclosure struct {
	secret  bool
	comment string
}

// addFlags adds what says what goes into an envelope.
func (x *enclosure) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&x.secret, "secret", false, "put the secret key in too")
	cmd.Flags().StringVar(&x.comment, "comment", "", "a line for people")
}

// envelope puts what is in a file in an envelope, and tells whether a secret is
// in it in clear.
func (x *enclosure) envelope(cmd *cobra.Command, path string) (e *cert.Envelope, inClear bool, err error) {
	in, err := open(cmd, path)
	if err != nil {
		return nil, false, err
	}
	c, err := in.certificate(cmd)
	switch {
	case errors.Is(err, cert.ErrNoPublicKey):
		p, plainErr := in.plain(cmd)
		if plainErr != nil {
			return nil, false, err
		}
		if !x.secret {
			return nil, false, cli.Hint(fmt.Errorf("%s: credentials of PLAIN hold a password", in.path), "--secret puts it in")
		}
		e, err = cert.ArmorPlain(p)
		inClear = true
	case err != nil:
		return nil, false, err
	case x.secret:
		e, err = cert.Armor(c, true)
		inClear = c.Locked == nil
	default:
		if c, err = publicOf(cmd, in.path, c); err != nil {
			return nil, false, err
		}
		e, err = cert.Armor(c, false)
	}
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", in.path, err)
	}
	e.Comment = x.comment
	return e, inClear, nil
}

func newArmor() *cobra.Command {
	var x enclosure
	cmd := &cobra.Command{
		Use:   "armor FILE|-",
		Short: "Make of a certificate a text for e-mail",
		Long: `Armor prints a certificate in a form that survives e-mail, forums and copying:
lines between BEGIN and END, with a checksum. zcert extract finds it again in any
text. Of a secret certificate it takes the public part, unless --secret is given;
then it must not be sent in clear: use zcert seal, or lock it before. Credentials
for PLAIN (a file with a section plain, with username and password) are armored in
the same way.`,
		Example: `  zcert armor alice.key
  zcert armor alice.key --comment "for the trading desk" | mail -s key bob`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, inClear, err := x.envelope(cmd, args[0])
			if err != nil {
				return err
			}
			if inClear {
				cli.Warn(cmd, "what is printed holds a secret in clear: whoever reads it has it (zcert seal encrypts it)")
				warnReadable(cmd)
			}
			return writeEnvelope(cmd, e)
		},
	}
	x.addFlags(cmd)
	return cmd
}

// writeEnvelope prints an envelope.
func writeEnvelope(cmd *cobra.Command, e *cert.Envelope) error {
	text, err := e.Append(nil)
	if err != nil {
		return err
	}
	defer clear(text)
	_, err = cmd.OutOrStdout().Write(text)
	return err
}

func newSeal() *cobra.Command {
	var x enclosure
	var to []string
	var from, passphraseFile string
	cmd := &cobra.Command{
		Use:   "seal FILE|- --to THEIRS.key... [--from MINE.key_secret]",
		Short: "Encrypt a certificate to its recipient",
		Long: `Seal prints a certificate, armored as zcert armor does, which only the owner of
the key in THEIRS.key can open. With --from, opening it tells that it came from
the owner of MINE.key_secret; without, it could be from anybody. With --secret the
secret key goes along, to move it to another machine.

With several --to, it prints one sealed text for each, one behind the other: all may
get all of them, and zcert open finds the one that it can open.`,
		Example: `  zcert seal alice.key --to server.key --from alice.key_secret
  zcert seal alice.key_secret --secret --to laptop.key --from desktop.key_secret`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(to) == 0 {
				return cli.Usagef("want --to THEIRS.key: the certificate of who shall open it")
			}
			var recipients []curve.PublicKey
			for _, path := range to {
				c, err := input{path: path}.certificate(cmd)
				if err != nil {
					return err
				}
				c.Secret.Wipe()
				recipients = append(recipients, c.Public)
			}
			e, _, err := x.envelope(cmd, args[0])
			if err != nil {
				return err
			}
			var keys *curve.SecretKey
			if from != "" {
				sender, err := loadSecret(cmd, from, passphraseFile)
				if err != nil {
					return err
				}
				defer sender.Secret.Wipe()
				pair := sender.Secret
				keys = &pair
			}
			// All of them before any is printed.
			var sealed []*cert.Envelope
			for i, recipient := range recipients {
				one, err := e.Seal(recipient, keys)
				if err != nil {
					return fmt.Errorf("sealing to %s failed: %w", to[i], err)
				}
				sealed = append(sealed, one)
			}
			for _, one := range sealed {
				if err := writeEnvelope(cmd, one); err != nil {
					return err
				}
			}
			return nil
		},
	}
	x.addFlags(cmd)
	cmd.Flags().StringArrayVar(&to, "to", nil, "a recipient's public certificate `FILE`; repeatable")
	cmd.Flags().StringVar(&from, "from", "", "the sender's secret certificate `FILE`")
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// loadSecret reads a certificate with its secret key, unlocked.
func loadSecret(cmd *cobra.Command, path, passphraseFile string) (*cert.Certificate, error) {
	c, err := input{path: path}.certificate(cmd)
	if err != nil {
		return nil, err
	}
	if c.Locked != nil {
		if err := unlockWith(cmd, path, passphraseFile, c.Unlock); err != nil {
			return nil, err
		}
	}
	if c.Secret.IsZero() {
		return nil, cli.Hint(fmt.Errorf("%s holds no secret key", path), "the secret certificate is in "+path+cert.SecretSuffix)
	}
	return c, nil
}
