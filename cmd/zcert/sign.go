package main

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
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
	serial    uint64
	force     bool
}

func newSign() *cobra.Command {
	var authorityFile, passphraseFile string
	var valid duration
	var meta []string
	var serial uint64
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:   "sign FILE|-... --authority NAME.authority_secret --valid DURATION",
		Short: "Sign certificates as an authority",
		Long: `Sign gives a certificate a validity, a serial number and the signature of an
authority, in place. --meta adds what the authority vouches for, or replaces what
the certificate says by that name; all other metadata is signed as it is, so look
at it first. A certificate that was signed before is renewed. FILE - is stdin,
and the signed certificate then goes to stdout.

It is valid from five minutes ago, for those whose clocks are slow.`,
		Example: `  zcert sign alice.key --authority acme.authority_secret --valid 90d
  zcert sign alice.key --authority acme.authority_secret --valid 12h --meta group=traders`,
		Args: cli.SomeArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if authorityFile == "" {
				return cli.Usagef("want --authority NAME.authority_secret: zcert authority new NAME makes one")
			}
			if valid == 0 {
				return cli.Usagef("want --valid DURATION, such as --valid 90d")
			}
			if cmd.Flags().Changed("serial") && (serial == 0 || len(args) > 1) {
				return cli.Usagef("--serial is a number from 1 on, for one FILE")
			}
			if asJSON && slices.Contains(args, "-") {
				return cli.Usagef("--json and FILE - both want stdout")
			}
			s := signer{serial: serial, force: force}
			var err error
			if s.metadata, err = parseMetadata(meta); err != nil {
				return err
			}
			if s.authority, err = loadSigningAuthority(cmd, authorityFile, passphraseFile); err != nil {
				return err
			}
			now := time.Now().UTC().Truncate(time.Second)
			s.validity = cert.Validity{NotBefore: now.Add(-backdate), NotAfter: now.Add(time.Duration(valid))}
			signed := []printer{}
			for _, path := range args {
				c, err := s.sign(cmd, path)
				if err != nil {
					return err
				}
				signed = append(signed, newShownCertificate(c))
				if !asJSON {
					note(cmd, "signed: %s, serial %d, valid until %s", path, c.Serial, c.Validity.NotAfter.Format(time.RFC3339))
				}
			}
			if asJSON {
				return writeJSON(cmd, signed)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&authorityFile, "authority", "", "the authority's secret `FILE`")
	flags.Var(&valid, "valid", "how long it is valid, such as 90d, 12h or 30m")
	metadataFlag(cmd, &meta)
	flags.Uint64Var(&serial, "serial", 0, "the serial `number`; else a random one")
	flags.BoolVar(&force, "force", false, "replace the signature of another authority")
	flags.BoolVar(&asJSON, "json", false, "say what was signed as JSON on stdout; not with FILE -")
	passphraseFlag(cmd, &passphraseFile)
	return cmd
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

// sign signs the certificate in a file, in place.
func (s *signer) sign(cmd *cobra.Command, path string) (*cert.Certificate, error) {
	c, err := load(cmd, path)
	if err != nil {
		return nil, err
	}
	if !c.Authority.IsZero() && c.Authority != s.authority.Key && !s.force {
		return nil, cli.Hint(fmt.Errorf("%s: signed by another authority, %s", path, c.Authority), "--force replaces its signature")
	}
	if c.Locked != nil {
		return nil, cli.Hint(fmt.Errorf("%s: %w", path, cert.ErrLocked), "sign the public certificate, or unlock this one first")
	}
	c.Validity = s.validity
	if c.Serial = s.serial; c.Serial == 0 {
		c.Serial = randomSerial()
	}
	for _, p := range s.metadata {
		c.Metadata.Set(p.Name, p.Value)
	}
	if err := s.authority.Sign(c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// Nobody should be told of a refusal by those who trust it.
	if err := (&cert.Checker{}).Check(c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	write := c.AppendPublic
	if !c.Secret.IsZero() {
		write = c.AppendSecret
	}
	if path == "-" {
		text, err := write(nil)
		if err == nil {
			_, err = cmd.OutOrStdout().Write(text)
		}
		return c, err
	}
	return c, saveInPlace(cmd, path, write, !c.Secret.IsZero())
}

// randomSerial makes a serial number that no other certificate has.
func randomSerial() uint64 {
	var octets [8]byte
	rand.Read(octets[:])
	return binary.BigEndian.Uint64(octets[:])>>1 | 1 // not 0, and what signed integers hold
}
