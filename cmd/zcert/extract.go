package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/cert/armor"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/filename"
	"github.com/zcurve/zcurve/zap"
)

// plainSuffix is the suffix of a file with PLAIN credentials.
const plainSuffix = ".plain"

// errOtherRecipient means that a certificate is sealed to a key other than that of --with.
var errOtherRecipient = errors.New("sealed to another key")

func newExtract() *cobra.Command {
	var x extraction
	cmd := &cobra.Command{
		Use:   "extract FILE|-",
		Short: "Extract armored certificates from text",
		Long: `Extract finds all armored certificates in a text, such as an email, even if they are
quoted or indented. It prints them, or with --out writes them to files: NAME.key,
and NAME.key_secret if there is a secret key.

Extract reports a damaged certificate, continues with the next one, and exits 1.
Open sealed certificates with zcert open.`,
		Example: `  zcert extract mail.txt --out inbox
  pbpaste | zcert extract -`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return x.run(cmd, args[0], func(b *armor.Block) (*armor.Block, error) {
				if b.IsSealed() {
					return nil, cli.Hintf(fmt.Errorf("sealed to %s", b.SealedTo), "open it: zcert open %s --with FILE.key_secret", cli.Quote(args[0]))
				}
				return b, nil
			})
		},
	}
	x.addFlags(cmd)
	return cmd
}

func newOpen() *cobra.Command {
	var with, passphraseFile string
	var x extraction
	cmd := &cobra.Command{
		Use:     "open FILE|- --with MINE.key_secret",
		Aliases: []string{"unseal"},
		Short:   "Decrypt a sealed certificate",
		Long: `Open finds sealed certificates in a text and decrypts those sealed to
MINE.key_secret. It prints the key that sealed each one, and the certificate, or
with --out writes files as zcert extract does.

Compare the sender's key with one you know. A seal proves its sender to you only:
you could have made it yourself.`,
		Example: `  zcert open mail.txt --with alice.key_secret --out inbox`,
		Args:    cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if with == "" {
				return cli.Usagef("--with is required: the secret certificate it was sealed to")
			}
			me, err := loadSecret(cmd, with, passphraseFile)
			if err != nil {
				return err
			}
			defer me.Secret.Wipe()
			return x.run(cmd, args[0], func(b *armor.Block) (*armor.Block, error) {
				if !b.IsSealed() {
					return nil, cli.Hint(errors.New("not sealed"), "extract it: zcert extract "+cli.Quote(args[0]))
				}
				if b.SealedTo != me.Public {
					return nil, fmt.Errorf("%w: sealed to %v, but the key given is %v", errOtherRecipient, b.SealedTo, me.Public)
				}
				opened, err := b.Open(me.Secret)
				if err == nil && b.SealedBy == (curve.PublicKey{}) {
					cli.Note(cmd, "sealed anonymously: the sender is unknown")
				} else if err == nil {
					cli.Note(cmd, "sealed by %s", b.SealedBy)
				}
				return opened, err
			})
		},
	}
	cmd.Flags().StringVar(&with, "with", "", "decrypt with the secret certificate in `FILE` (required)")
	x.addFlags(cmd)
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// extraction holds the options of extract and open.
type extraction struct {
	dir    string
	force  bool
	asJSON bool
}

func (x *extraction) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&x.dir, "out", "", "write files to `DIR` instead of printing them")
	cmd.Flags().BoolVar(&x.force, "force", false, "overwrite existing files")
	cmd.Flags().BoolVar(&x.asJSON, "json", false, "print a list of what was found as JSON, instead of the certificates")
}

// run finds the blocks in a text, passes each to clear, and prints or saves the results.
func (x *extraction) run(cmd *cobra.Command, path string, clear func(*armor.Block) (*armor.Block, error)) error {
	in, err := open(cmd, path)
	if err != nil {
		return err
	}
	text, err := in.read()
	if err != nil {
		return withPipeHint(cmd, in.path, err)
	}
	var results []blockJSON
	var errs []error
	found := false
	for block, err := range armor.Find(text) {
		result := blockJSON{File: in.path, Line: block.Line}
		if place, ok := errors.AsType[*cert.SyntaxError](err); ok {
			err = place.Err // the position in the text is added below
		} else if err == nil {
			err = x.block(cmd, block, &result, clear)
		}
		if err != nil {
			result.Err = cli.Message(err)
			err = fmt.Errorf("%s:%d: %w", in.path, block.Line, err)
		}
		results, errs = append(results, result), append(errs, err)
		found = found || err == nil
	}
	if len(results) == 0 {
		return cli.Hint(fmt.Errorf("%s contains no armored certificate", in.path), `"zcert armor FILE" prints one`)
	}
	if x.asJSON {
		if err := printJSON(cmd, results...); err != nil {
			return err
		}
	}
	if found {
		// The rest may be sealed to other recipients.
		errs = slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, errOtherRecipient) })
	}
	return printAll(cmd, errs)
}

// block prints or saves one block.
func (x *extraction) block(cmd *cobra.Command, b *armor.Block, result *blockJSON, clear func(*armor.Block) (*armor.Block, error)) error {
	result.Comment = b.Comment
	if b.SealedBy != (curve.PublicKey{}) {
		result.SealedBy = b.SealedBy.String()
	}
	b, err := clear(b)
	if err != nil {
		return err
	}
	if l, err := b.Login(); err == nil {
		result.Mechanism, result.Login = zap.Plain, l.Username
		return x.put(cmd, result, l.Metadata, l.Username, plainSuffix, l.Append, l.Save, true)
	}
	c, err := b.Certificate()
	if err != nil {
		return err
	}
	result.Mechanism = zap.Curve
	for _, w := range c.Warnings {
		cli.Warn(cmd, "line %d of the certificate in line %d: %s", w.Line, b.Line, w.Text)
	}
	result.certificateJSON = newCertificateJSON(c)
	fingerprint := c.Public.Fingerprint()
	if result.HasSecret {
		return x.put(cmd, result, c.Metadata, fingerprint, publicSuffix, c.AppendSecret, c.Save, true)
	}
	return x.put(cmd, result, c.Metadata, fingerprint, publicSuffix, c.AppendPublic, c.SavePublic, false)
}

// put prints a certificate or login, or saves it to a file named after its metadata,
// or after fallback if that has no name.
func (x *extraction) put(cmd *cobra.Command, result *blockJSON, metadata cert.Metadata, fallback, suffix string,
	appendText func([]byte) ([]byte, error), save func(path string, options ...cert.SaveOption) error, isSecret bool,
) error {
	if x.dir == "" {
		if x.asJSON {
			return nil
		}
		text, err := appendText(nil)
		if err == nil {
			if isSecret {
				warnReadable(cmd)
			}
			_, err = cmd.OutOrStdout().Write(text)
		}
		return err
	}
	name := metadata.Get("name")
	if name == "" {
		name = fallback
	}
	path := filepath.Join(x.dir, filename.Clean(name)+suffix)
	if err := save(path, replaceIf(x.force)...); errors.Is(err, fs.ErrExist) {
		return cli.Hint(err, "pass --force to overwrite it")
	} else if err != nil {
		return err
	}
	result.Files = append(result.Files, path)
	if result.certificateJSON != nil && result.HasSecret {
		result.Files = append(result.Files, path+cert.SecretSuffix)
	}
	if !x.asJSON {
		cli.Note(cmd, "%s", strings.Join(result.Files, "\n"))
	}
	return nil
}
