package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
)

// plainSuffix is what the name of a file with credentials of PLAIN ends with.
const plainSuffix = ".plain"

// maxFileName is the length in octets of the longest name that a file gets, before
// suffixes.
const maxFileName = 200

func newExtract() *cobra.Command {
	var x extraction
	cmd := &cobra.Command{
		Use:   "extract FILE|-",
		Short: "Find the armored certificates in a text",
		Long: `Extract finds all armored certificates in a text, such as a mail, whether they are
quoted or indented there. They go to stdout, or with --out into files of a
directory: NAME.key, and NAME.key_secret if there is a secret key.

One that is damaged is told, and doesn't hide the others; the exit code is then 1.
One that is sealed needs zcert open.`,
		Example: `  zcert extract mail.txt --out inbox
  pbpaste | zcert extract -`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return x.run(cmd, args[0], func(e *cert.Envelope) (*cert.Envelope, error) {
				if e.IsSealed() {
					return nil, fmt.Errorf("%w to %s: zcert open %s --with its secret certificate", cert.ErrSealed, e.SealedTo, args[0])
				}
				return e, nil
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
		Use:   "open FILE|- --with MINE.key_secret",
		Short: "Open what was sealed to you",
		Long: `Open decrypts a sealed certificate, wherever it stands in a text, and tells by
which key it was sealed. It goes to stdout, or with --out into files of a
directory, as with zcert extract.

Whose that key is only you can know. Whoever can open it could have sealed it
himself, so it proves nothing to others.`,
		Example: `  zcert open mail.txt --with alice.key_secret --out inbox`,
		Args:    cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if with == "" {
				return cli.Usagef("want --with MINE.key_secret: to whom was it sealed?")
			}
			me, err := loadSecret(cmd, with, passphraseFile)
			if err != nil {
				return err
			}
			defer me.Secret.Wipe()
			return x.run(cmd, args[0], func(e *cert.Envelope) (*cert.Envelope, error) {
				if !e.IsSealed() {
					return nil, fmt.Errorf("not sealed: zcert extract %s", args[0])
				}
				opened, by, err := e.Open(me.Secret)
				if err == nil && by == (curve.PublicKey{}) {
					cli.Note(cmd, "sealed by nobody known")
				} else if err == nil {
					cli.Note(cmd, "sealed by %s", by)
				}
				return opened, err
			})
		},
	}
	cmd.Flags().StringVar(&with, "with", "", "the recipient's secret certificate `FILE`")
	x.addFlags(cmd)
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// extraction is where extract and open put what they find.
type extraction struct {
	dir    string
	force  bool
	asJSON bool
}

func (x *extraction) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&x.dir, "out", "", "write files into this `DIR`")
	cmd.Flags().BoolVar(&x.force, "force", false, "replace files that exist")
	cmd.Flags().BoolVar(&x.asJSON, "json", false, "say what was found as JSON on stdout, instead of its text")
}

// extracted is what extract says of one block as JSON.
type extracted struct {
	Line        int               `json:"line"`
	Error       string            `json:"error,omitempty"`
	Mechanism   string            `json:"mechanism,omitempty"`
	Comment     string            `json:"comment,omitempty"`
	SealedBy    string            `json:"sealed_by,omitempty"`
	Certificate *shownCertificate `json:"certificate,omitempty"`
	Username    string            `json:"username,omitempty"`
	Files       []string          `json:"files,omitempty"`
}

// run finds the blocks in a text, has each read, and puts it where it shall go.
func (x *extraction) run(cmd *cobra.Command, path string, clear func(*cert.Envelope) (*cert.Envelope, error)) error {
	in, err := open(cmd, path)
	if err != nil {
		return err
	}
	text, err := in.read()
	if err != nil {
		return withPipeHint(cmd, in.path, err)
	}
	blocks := cert.Extract(text)
	if len(blocks) == 0 {
		return fmt.Errorf("%s: no armored certificate in it", in.path)
	}
	results := []extracted{}
	var errs []error
	found := false
	for _, block := range blocks {
		result, err := x.block(cmd, block, clear)
		if err != nil {
			err = fmt.Errorf("%s:%d: %w", in.path, block.Line, err)
			result.Error = err.Error()
		}
		results, errs = append(results, result), append(errs, err)
		found = found || err == nil
	}
	if x.asJSON {
		if err := writeJSON(cmd, results); err != nil {
			return err
		}
	}
	if found {
		// What is sealed to others isn't meant for this one.
		errs = slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, cert.ErrNotRecipient) })
	}
	return printAll(cmd, errs)
}

// block reads one block, and puts it where it shall go.
func (x *extraction) block(cmd *cobra.Command, block cert.Extracted, clear func(*cert.Envelope) (*cert.Envelope, error)) (extracted, error) {
	result := extracted{Line: block.Line}
	if block.Err != nil {
		// The place is that of the block already.
		return result, errors.Unwrap(block.Err)
	}
	e := block.Envelope
	result.Mechanism, result.Comment = e.Mechanism, e.Comment
	if e.SealedBy != (curve.PublicKey{}) {
		result.SealedBy = e.SealedBy.String()
	}
	e, err := clear(e)
	if err != nil {
		return result, err
	}
	if e.Mechanism == cert.MechanismPlain {
		p, err := e.Plain()
		if err != nil {
			return result, err
		}
		result.Username = p.Username
		return result, x.put(cmd, &result, p.Metadata, p.Username, plainSuffix, p.Append, p.Save, true)
	}
	c, err := e.Certificate()
	if err != nil {
		return result, err
	}
	for _, w := range c.Warnings {
		cli.Warn(cmd, "line %d of the certificate in line %d: %s", w.Line, block.Line, w.Text)
	}
	result.Certificate = newShownCertificate(c)
	fingerprint := c.Public.Fingerprint()
	if result.Certificate.HasSecret {
		return result, x.put(cmd, &result, c.Metadata, fingerprint, publicSuffix, c.AppendSecret, c.Save, true)
	}
	return result, x.put(cmd, &result, c.Metadata, fingerprint, publicSuffix, c.AppendPublic, c.SavePublic, false)
}

// put writes a text to stdout, or saves it in a file that is named for what the
// metadata calls it, or else for fallback.
func (x *extraction) put(cmd *cobra.Command, result *extracted, metadata cert.Metadata, fallback, suffix string,
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
	path := filepath.Join(x.dir, safeFileName(name)+suffix)
	if err := save(path, replaceIf(x.force)...); errors.Is(err, fs.ErrExist) {
		return cli.Hint(err, "--force replaces it")
	} else if err != nil {
		return err
	}
	result.Files = append(result.Files, path)
	if result.Certificate != nil && result.Certificate.HasSecret {
		result.Files = append(result.Files, path+cert.SecretSuffix)
	}
	if !x.asJSON {
		cli.Note(cmd, "%s", strings.Join(result.Files, "\n"))
	}
	return nil
}

// reserved are the names that are devices on Windows, with whatever suffix.
var reserved = regexp.MustCompile(`(?i)^(con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(\.|$)`)

// safeFileName makes of a name one that can't lead out of a directory, nor hide
// in it, nor be a device: who made the certificate chose the name.
func safeFileName(name string) string {
	safe := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-+@", r) {
			return r
		}
		return '_'
	}, name)
	if strings.HasPrefix(safe, ".") || strings.HasPrefix(safe, "-") {
		safe = "_" + safe[1:]
	}
	if reserved.MatchString(safe) {
		safe = "_" + safe
	}
	if safe == "" {
		return "unnamed"
	}
	return strings.ToValidUTF8(safe[:min(len(safe), maxFileName)], "")
}
