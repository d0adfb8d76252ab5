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

// backdate is how long before it is signed a certificate becomes valid, for
// those whose clocks are slow.
const backdate = 5 * time.Minute

// signer is what sign was told to do.
type signer struct {
	authority *cert.Authority
	validity  cert.Validity
	metadata  cert.Metadata
	onlyMeta  bool // no other metadata, and nothing that isn't known
	serial    uint64
	force     bool
}

func newSign() *cobra.Command {
	var authorityFile, passphraseFile string
	var valid duration
	var meta []string
	var files fileList
	var s signer
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:   "sign FILE|-... --authority NAME.authority_secret --valid DURATION",
		Short: "Sign certificates as an authority",
		Long: `Sign gives a certificate a validity, a serial number and the signature of an
authority, in place: in NAME.key, and in NAME.key_secret beside it if that is there
and not locked. A certificate that was signed before is renewed. FILE - is stdin,
and the signed public certificate then goes to stdout.

Everything in the certificate is signed, and sign prints it: what the applicant
wrote, and what --meta adds or replaces. With --only-meta, nothing is signed but the
key and what --meta gives.

It is valid from five minutes ago, for those whose clocks are slow.`,
		Example: `  zcert sign alice.key --authority acme.authority_secret --valid 90d
  zcert sign alice.key --authority acme.authority_secret --valid 12h --meta group=traders
  find devices -name '*.key' | zcert sign --files-from - --authority acme.authority_secret --valid 1d`,
		RunE: func(cmd *cobra.Command, args []string) error {
			paths, err := files.some(cmd, args)
			if err != nil {
				return err
			}
			if authorityFile == "" {
				return cli.Usagef("want --authority NAME.authority_secret: zcert authority new NAME makes one")
			}
			if valid == 0 {
				return cli.Usagef("want --valid DURATION, such as --valid 90d")
			}
			paths = identities(paths)
			if cmd.Flags().Changed("serial") && (s.serial == 0 || len(paths) > 1) {
				return cli.Usagef("--serial is a number from 1 on, for one FILE")
			}
			if asJSON && slices.Contains(paths, "-") {
				return cli.Usagef("--json and FILE - both want stdout")
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
	flags.StringVar(&authorityFile, "authority", "", "the authority's secret `FILE`")
	flags.Var(&valid, "valid", "how long it is valid, such as 90d, 12h or 30m")
	metadataFlag(cmd, &meta)
	flags.BoolVar(&s.onlyMeta, "only-meta", false, "sign nothing that the certificate says by itself, only --meta")
	flags.Uint64Var(&s.serial, "serial", 0, "the serial `number`; else a random one")
	flags.BoolVar(&s.force, "force", false, "replace the signature of another authority")
	flags.BoolVar(&asJSON, "json", false, "say what was signed as JSON on stdout; not with FILE -")
	flags.BoolVar(&quiet, "quiet", false, "print only warnings and errors")
	files.addFlag(cmd)
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// signAll signs the certificates in files, and tells what was signed, whatever
// becomes of the others.
func (s *signer) signAll(cmd *cobra.Command, paths []string, asJSON, quiet bool) error {
	all := make([]signed, len(paths))
	errs := make([]error, len(paths))
	interrupted := each(cmd, len(paths), "signing", quiet || asJSON, func(i int) error {
		all[i], errs[i] = s.sign(cmd, paths[i])
		return nil
	})
	all = slices.DeleteFunc(all, func(one signed) bool { return one.certificate == nil })
	if asJSON {
		shown := []*shownSigned{}
		for _, one := range all {
			shown = append(shown, &shownSigned{one.files, newShownCertificate(one.certificate)})
		}
		errs = append(errs, writeJSON(cmd, shown))
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
	if a.Locked != nil {
		if err := unlockWith(cmd, path, passphraseFile, a.Unlock); err != nil {
			return nil, err
		}
	}
	if !a.HasSecret() {
		err := fmt.Errorf("%s: %w", path, cert.ErrNoSeed)
		if !strings.HasSuffix(path, cert.SecretSuffix) {
			err = cli.Hint(err, "the file to sign with is "+path+cert.SecretSuffix)
		}
		return nil, err
	}
	return a, nil
}

// otherFile returns the name of the other file of an identity, "" if a name is
// none of both.
func otherFile(path string) string {
	if strings.HasSuffix(path, publicSuffix) {
		return path + cert.SecretSuffix
	}
	if other, ok := strings.CutSuffix(path, cert.SecretSuffix); ok && strings.HasSuffix(other, publicSuffix) {
		return other
	}
	return ""
}

// identities leaves out the files whose identity was named before.
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

// errUnknown means that the two files of an identity differ in what isn't known here,
// so that one signature can't be for both.
var errUnknown = errors.New("unknown sections in one of the identity's files only")

// signed is an identity that was signed.
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
	if c.Locked != nil {
		return signed{}, cli.Hint(fmt.Errorf("%s: %w", path, cert.ErrLocked), "sign the public certificate, or unlock this one first")
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
		return signed{}, fmt.Errorf("%s: %w", path, err)
	}
	// Nobody should be told of a refusal by those who trust it.
	if err := (&cert.Checker{}).Check(public); err != nil {
		return signed{}, fmt.Errorf("%s: %w", path, err)
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
			cli.Warn(cmd, "%s held a secret key: only the public certificate is printed", stdinName)
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
	if !c.Authority.IsZero() && c.Authority != s.authority.Key && !s.force {
		return cli.Hint(fmt.Errorf("%s: signed by another authority, %s", path, c.Authority), "--force replaces its signature")
	}
	return nil
}

// merged is what replaces c in its file: what was signed, with the secret key of c if
// it has one.
func merged(path string, c, public *cert.Certificate) (atomicfile.File, error) {
	if c.Secret.IsZero() {
		return inPlace(path, public.AppendPublic, publicInPlace)
	}
	// What isn't known here stays in the secret file. The signature holds for it if it
	// says what was signed.
	secret := *c
	secret.Metadata, secret.Validity, secret.Serial = public.Metadata, public.Validity, public.Serial
	secret.Authority, secret.Signature = public.Authority, public.Signature
	was, err := public.AppendCanonical(nil)
	if err != nil {
		return atomicfile.File{}, fmt.Errorf("%s: %w", path, err)
	}
	if is, err := secret.AppendCanonical(nil); err != nil || !bytes.Equal(is, was) {
		return atomicfile.File{}, fmt.Errorf("%s: %w", path, errUnknown)
	}
	return inPlace(path, secret.AppendSecret, secretInPlace)
}

// other is what replaces the other file of an identity, to say the same, and whether
// it can.
func (s *signer) other(cmd *cobra.Command, path, signedPath string, public *cert.Certificate) (f atomicfile.File, ok bool, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return f, false, nil
	}
	c, err := load(cmd, path)
	if errors.Is(err, fs.ErrPermission) { // an authority need not read secrets
		cli.Warn(cmd, "not signed: %v", err)
		return f, false, nil
	}
	if err != nil {
		return f, false, err
	}
	if c.Public != public.Public {
		cli.Warn(cmd, "%s: not signed: it holds another key than %s", path, signedPath)
		return f, false, nil
	}
	if c.Locked != nil {
		cli.Warn(cmd, "%s: locked, and not signed: to sign it too, unlock it first", path)
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

// randomSerial makes a serial number that no other certificate has.
func randomSerial() uint64 {
	var octets [8]byte
	rand.Read(octets[:])
	return binary.BigEndian.Uint64(octets[:])>>1 | 1 // not 0, and what signed integers hold
}
