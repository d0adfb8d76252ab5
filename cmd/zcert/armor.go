package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/cert/armor"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
)

// enclosure holds the options of armor and seal.
type enclosure struct {
	secret  bool
	comment string
}

func (x *enclosure) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&x.secret, "secret", false, "include the secret key")
	cmd.Flags().StringVar(&x.comment, "comment", "", "add `TEXT` as a Comment header")
}

// block armors the certificate or PLAIN credentials in a file. inClear reports
// whether it contains an unencrypted secret.
func (x *enclosure) block(cmd *cobra.Command, path string) (b *armor.Block, inClear bool, err error) {
	in, err := open(cmd, path)
	if err != nil {
		return nil, false, err
	}
	c, err := in.certificate(cmd)
	switch {
	case errors.Is(err, cert.ErrKind):
		p, plainErr := in.plain(cmd)
		if errors.Is(plainErr, cert.ErrKind) {
			return nil, false, err
		} else if plainErr != nil { // it is a login with a fault
			return nil, false, plainErr
		}
		if !x.secret {
			return nil, false, cli.Hint(fmt.Errorf("%s: PLAIN credentials contain a password", cli.Subject(in.path)), `pass --secret to include it, and encrypt the result with "zcert seal"`)
		}
		b, err = armor.NewLogin(p)
		inClear = true
	case err != nil:
		return nil, false, err
	case x.secret:
		b, err = armor.NewSecret(c)
		_, locked := c.Locked()
		inClear = !locked
	default:
		if c, err = publicOf(cmd, in.path, c); err != nil {
			return nil, false, err
		}
		b, err = armor.New(c)
	}
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", cli.Subject(in.path), err)
	}
	b.Comment = x.comment
	return b, inClear, nil
}

func newArmor() *cobra.Command {
	var x enclosure
	cmd := &cobra.Command{
		Use:   "armor FILE|-",
		Short: "Print a certificate as text for email",
		Long: `Armor prints a certificate as text that survives email and copying: base64 between
BEGIN and END lines, with a checksum. Zcert extract finds it again in any text.

Armor prints only the public certificate, even if FILE is a secret one, unless you
pass --secret. Do not send an unlocked secret key as armored text: encrypt it with
zcert seal, or lock it first with zcert lock.

FILE can also hold PLAIN credentials: a section plain with a username and a
password. They require --secret.`,
		Example: `  zcert armor alice.key
  zcert armor alice.key --comment "for the trading desk" | mail -s key bob`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, inClear, err := x.block(cmd, args[0])
			if err != nil {
				return err
			}
			if inClear {
				cli.Warn(cmd, `the output contains an unencrypted secret; "zcert seal" encrypts it to one recipient`)
				warnReadable(cmd)
			}
			return writeBlock(cmd, b)
		},
	}
	x.addFlags(cmd)
	return cmd
}

// writeBlock prints a block.
func writeBlock(cmd *cobra.Command, b *armor.Block) error {
	text, err := b.Append(nil)
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
		Short: "Encrypt a certificate to its recipients",
		Long: `Seal encrypts a certificate to the owner of THEIRS.key and prints it as armored
text. Only the owner of THEIRS.key_secret can decrypt it, with zcert open.

With --from, the recipient learns that the owner of MINE.key_secret sealed it. The
recipient cannot prove it to others, because a recipient can make such a text too.
Without --from, the sender is anonymous.

With several --to, seal prints one sealed text for each, in order. You can send all
of them to everyone: zcert open finds the one it can decrypt.

With --secret, seal includes the secret key, to move it to another machine. The
headers, including --comment and both public keys, are not encrypted.`,
		Example: `  zcert seal alice.key --to server.key --from alice.key_secret
  zcert seal alice.key_secret --secret --to laptop.key --from desktop.key_secret`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(to) == 0 {
				return cli.Usagef("--to is required: the recipient's public certificate")
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
			b, _, err := x.block(cmd, args[0])
			if err != nil {
				return err
			}
			var key curve.SecretKey // none: the sender is anonymous
			if from != "" {
				sender, err := loadSecret(cmd, from, passphraseFile)
				if err != nil {
					return err
				}
				defer sender.Secret.Wipe()
				key = sender.Secret
			}
			// Seal to all of them before printing to any.
			var sealed []*armor.Block
			for i, recipient := range recipients {
				one, err := b.Seal(recipient, key)
				if err != nil {
					return fmt.Errorf("sealing to %s: %w", to[i], err)
				}
				sealed = append(sealed, one)
			}
			for _, one := range sealed {
				if err := writeBlock(cmd, one); err != nil {
					return err
				}
			}
			return nil
		},
	}
	x.addFlags(cmd)
	cmd.Flags().StringArrayVar(&to, "to", nil, "encrypt to the public certificate in `FILE` (required); repeatable")
	cmd.Flags().StringVar(&from, "from", "", "seal with the secret certificate in `FILE`, so that recipients know the sender")
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// withSecretHint adds a hint to err if path, which has no secret key, is a public
// certificate.
func withSecretHint(err error, path string) error {
	if strings.HasSuffix(path, publicSuffix) {
		return cli.Hint(err, "use the secret certificate: "+cli.Quote(path+cert.SecretSuffix))
	}
	return err
}

// loadSecret reads a certificate with its secret key, and unlocks it.
func loadSecret(cmd *cobra.Command, path, passphraseFile string) (*cert.Certificate, error) {
	c, err := input{path: path}.certificate(cmd)
	if err != nil {
		return nil, err
	}
	if _, locked := c.Locked(); locked {
		if err := unlockWith(cmd, path, passphraseFile, c.Unlock); err != nil {
			return nil, err
		}
	}
	if c.Secret.IsZero() {
		return nil, withSecretHint(fmt.Errorf("%s: no secret key in this file", cli.Subject(path)), path)
	}
	return c, nil
}
