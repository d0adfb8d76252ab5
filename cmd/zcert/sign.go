package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/atomicfile"
	"github.com/zcurve/zcurve/internal/cli"
)

// backdate is subtracted from the time of signing: a certificate is valid from then on,
// for verifiers whose clocks are slow.
const backdate = 5 * time.Minute

// signer holds the options of sign.
type signer struct {
	authority *cert.Authority
	validity  cert.Validity
	metadata  cert.Metadata
	onlyMeta  bool // drop other metadata and unknown sections
	serial    uint64
	force     bool
}

func newSign() *cobra.Command {
	var authorityFile, passphraseFile string
	var valid duration
	var meta []string
	var files nameList
	var s signer
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:   "sign FILE|-... --authority NAME.authority_secret --valid DURATION",
		Short: "Sign or renew certificates",
		Long: `Sign adds a validity period, a serial number and an authority's signature to a
certificate, in place: in NAME.key, and in NAME.key_secret next to it if that exists
and is not locked. To renew a certificate, sign it again. If FILE is -, sign reads
the certificate from stdin and prints the signed public one.

The signature covers the whole certificate. Sign prints all its metadata: what was
in the file, and what --meta adds or replaces. With --only-meta, it covers only the
key and the metadata of --meta.

The certificate is valid from five minutes ago, to allow for slow clocks, until
--valid from now.`,
		Example: `  zcert sign alice.key --authority acme.authority_secret --valid 90d
  zcert sign alice.key --authority acme.authority_secret --valid 12h --meta group=traders
  find devices -name '*.key' | zcert sign --names-from - --authority acme.authority_secret --valid 1d`,
		RunE: func(cmd *cobra.Command, args []string) error {
			paths, err := files.some(cmd, args, "FILE")
			if err != nil {
				return err
			}
			if authorityFile == "" {
				return cli.Hint(cli.Usagef("--authority is required"), `pass --authority NAME.authority_secret; "zcert authority new NAME" creates one`)
			}
			if valid == 0 {
				return cli.Hint(cli.Usagef("--valid is required"), "say how long the certificate is valid: --valid 90d")
			}
			paths = identities(paths)
			if cmd.Flags().Changed("serial") && (s.serial == 0 || len(paths) > 1) {
				return cli.Usagef("--serial must be 1 or more, and takes exactly one FILE")
			}
			if asJSON && slices.Contains(paths, "-") {
				return cli.Usagef("--json cannot be combined with FILE -: both write to stdout")
			}
			if s.metadata, err = parseMetadata(meta); err != nil {
				return err
			}
			if s.authority, err = loadSigningAuthority(cmd, authorityFile, passphraseFile); err != nil {
				return err
			}
			now := time.Now().UTC().Truncate(time.Second)
			s.validity = cert.Validity{NotBefore: now.Add(-backdate), NotAfter: now.Add(time.Duration(valid))}
			return s.signAll(cmd, paths, asJSON, quiet)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&authorityFile, "authority", "", "sign with the authority's secret `FILE` (required)")
	flags.Var(&valid, "valid", "validity period, such as 90d, 12h or 30m (required)")
	metadataFlag(cmd, &meta)
	flags.BoolVar(&s.onlyMeta, "only-meta", false, "drop the certificate's own metadata; sign only the metadata of --meta")
	flags.Uint64Var(&s.serial, "serial", 0, "use this serial `NUMBER` instead of a random one")
	flags.BoolVar(&s.force, "force", false, "replace the signature of another authority")
	flags.BoolVar(&asJSON, "json", false, "print the signed certificates as JSON; not with FILE -")
	quietFlag(cmd, &quiet)
	files.addFlag(cmd)
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// signAll signs the certificates in files and prints those it signed, even if others
// fail.
func (s *signer) signAll(cmd *cobra.Command, paths []string, asJSON, quiet bool) error {
	all := make([]signed, len(paths))
	errs := make([]error, len(paths))
	interrupted := each(cmd, len(paths), "signing", quiet || asJSON, func(i int) error {
		all[i], errs[i] = s.sign(cmd, paths[i])
		return nil
	})
	all = slices.DeleteFunc(all, func(one signed) bool { return one.certificate == nil })
	if asJSON {
		var shown []writtenJSON
		for _, one := range all {
			shown = append(shown, writtenJSON{newCertificateJSON(one.certificate), one.files})
		}
		errs = append(errs, printJSON(cmd, shown...))
	} else if !quiet {
		s.print(cmd, all)
	}
	return printAll(cmd, append(errs, interrupted))
}

// loadSigningAuthority reads an authority that can sign.
func loadSigningAuthority(cmd *cobra.Command, path, passphraseFile string) (*cert.Authority, error) {
	a, err := input{path: path}.authority(cmd)
	if err != nil {
		return nil, err
	}
	if _, locked := a.Locked(); locked {
		if err := unlockWith(cmd, path, passphraseFile, a.Unlock); err != nil {
			return nil, err
		}
	}
	if !a.HasSecret() {
		err := fmt.Errorf("%s: no authority secret key in this file", cli.Subject(path))
		if !strings.HasSuffix(path, cert.SecretSuffix) {
			err = cli.Hint(err, "use the authority's secret file: "+cli.Quote(path+cert.SecretSuffix))
		}
		return nil, err
	}
	return a, nil
}

// otherFile returns the name of the other file of an identity, or "" if path is not the
// name of either.
func otherFile(path string) string {
	if strings.HasSuffix(path, publicSuffix) {
		return path + cert.SecretSuffix
	}
	if other, ok := strings.CutSuffix(path, cert.SecretSuffix); ok && strings.HasSuffix(other, publicSuffix) {
		return other
	}
	return ""
}

// identities removes duplicates: of the two files of an identity, only the first
// remains.
func identities(paths []string) []string {
	seen := map[string]bool{}
	var first []string
	for _, path := range paths {
		if !seen[path] {
			first = append(first, path)
		}
		seen[path], seen[otherFile(path)] = true, true
	}
	return first
}

// errUnknown means that the two files of an identity differ in their unknown sections,
// so that one signature cannot be valid in both.
var errUnknown = errors.New("only one of the identity's two files has unknown sections")

// signed is a signed identity.
type signed struct {
	files       []string
	certificate *cert.Certificate
}

// sign signs the certificate in a file, and in the other file of its identity.
func (s *signer) sign(cmd *cobra.Command, path string) (signed, error) {
	c, err := load(cmd, path)
	if err != nil {
		return signed{}, err
	}
	if err := s.check(path, c); err != nil {
		return signed{}, err
	}
	if _, locked := c.Locked(); locked {
		return signed{}, cli.Hint(fmt.Errorf("%s: locked", cli.Subject(path)), "sign the public certificate, or unlock this one first: zcert unlock "+cli.Quote(path))
	}
	public, err := publicOf(cmd, path, c)
	if err != nil {
		return signed{}, err
	}
	if s.onlyMeta {
		public = &cert.Certificate{Public: c.Public}
	}
	public.Validity = s.validity
	if public.Serial = s.serial; public.Serial == 0 {
		public.Serial = randomSerial()
	}
	public.Metadata = slices.Clone(public.Metadata)
	for _, p := range s.metadata {
		public.Metadata.Set(p.Name, p.Value)
	}
	if err := s.authority.Sign(public); err != nil {
		return signed{}, fmt.Errorf("%s: %w", cli.Subject(path), err)
	}
	// Never sign a certificate that verifiers would refuse.
	if err := public.Check(time.Now()); err != nil {
		return signed{}, fmt.Errorf("%s: %w", cli.Subject(path), err)
	}
	if path == "-" {
		text, err := public.AppendPublic(nil)
		if err == nil {
			_, err = cmd.OutOrStdout().Write(text)
		}
		if err != nil {
			return signed{}, err
		}
		if !c.Secret.IsZero() {
			cli.Warn(cmd, "%s contains a secret key: only the public certificate is printed", stdinName)
		}
		return signed{[]string{stdinName}, public}, nil
	}
	one, err := merged(path, c, public)
	if err != nil {
		return signed{}, err
	}
	defer clear(one.Data)
	names, files := []string{path}, []atomicfile.File{one}
	if other := otherFile(path); other != "" {
		f, ok, err := s.other(cmd, other, path, public)
		if err != nil {
			return signed{}, err
		}
		if ok {
			defer clear(f.Data)
			names, files = append(names, other), append(files, f)
		}
	}
	if err := atomicfile.Replace(files...); err != nil {
		return signed{}, err
	}
	return signed{names, public}, nil
}

// check refuses to replace the signature of another authority.
func (s *signer) check(path string, c *cert.Certificate) error {
	if c.Authority != (cert.AuthorityKey{}) && c.Authority != s.authority.Key && !s.force {
		return cli.Hint(fmt.Errorf("%s: already signed by authority %s", cli.Subject(path), c.Authority), "pass --force to replace that signature")
	}
	return nil
}

// merged returns the new content of the file of c: the signed certificate, with the
// secret key of c if it has one.
func merged(path string, c, public *cert.Certificate) (atomicfile.File, error) {
	if c.Secret.IsZero() {
		return inPlace(path, public.AppendPublic, publicInPlace)
	}
	// Unknown sections stay in the secret file. The signature is valid there if both
	// files have the same canonical text.
	secret := *c
	secret.Metadata, secret.Validity, secret.Serial, secret.Authority = public.Metadata, public.Validity, public.Serial, public.Authority
	was, err := public.AppendCanonical(nil)
	if err != nil {
		return atomicfile.File{}, fmt.Errorf("%s: %w", cli.Subject(path), err)
	}
	if is, err := secret.AppendCanonical(nil); err != nil || !bytes.Equal(is, was) {
		return atomicfile.File{}, fmt.Errorf("%s: %w", cli.Subject(path), errUnknown)
	}
	signed := *public
	signed.Secret = c.Secret
	return inPlace(path, signed.AppendSecret, secretInPlace)
}

// other returns the new content of the identity's other file, and whether the signature
// can also be put there.
func (s *signer) other(cmd *cobra.Command, path, signedPath string, public *cert.Certificate) (f atomicfile.File, ok bool, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return f, false, nil
	}
	c, err := load(cmd, path)
	if errors.Is(err, fs.ErrPermission) { // the user who signs need not be able to read secrets
		cli.Warn(cmd, "not signed: %v", err)
		return f, false, nil
	}
	if err != nil {
		return f, false, err
	}
	if c.Public != public.Public {
		cli.Warn(cmd, "%s: not signed: its key is not the key of %s", cli.Subject(path), signedPath)
		return f, false, nil
	}
	if _, locked := c.Locked(); locked {
		cli.Warn(cmd, "%s: not signed: it is locked; unlock it and sign again", cli.Subject(path))
		return f, false, nil
	}
	if err := s.check(path, c); err != nil {
		return f, false, err
	}
	f, err = merged(path, c, public)
	if errors.Is(err, errUnknown) {
		cli.Warn(cmd, "not signed: %v", err)
		return f, false, nil
	}
	return f, true, err
}

// randomSerial returns a random serial number, which practically no other certificate has.
func randomSerial() uint64 {
	var raw [8]byte
	rand.Read(raw[:])
	return binary.BigEndian.Uint64(raw[:])>>1 | 1 // not 0, and not too large for a signed integer
}
