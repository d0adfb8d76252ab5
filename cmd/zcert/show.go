package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/cert/armor"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/regular"
)

func newShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show FILE|-",
		Aliases: []string{"cat", "inspect"},
		Short:   "Show a certificate, authority or revocation list",
		Long: `Show prints a certificate, public or secret, an authority, or a revocation list.
It reads the files of zcert, czmq and pyzmq, and never prints a secret key. If FILE
is -, show reads stdin.

Show refuses a certificate with an invalid signature. Use zcert verify to check
whether you trust the authority that signed it.`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := open(cmd, args[0])
			if err != nil {
				return err
			}
			s, err := in.shown(cmd)
			if err != nil {
				if errors.Is(err, regular.ErrNotRegular) || errors.Is(err, regular.ErrTooLarge) {
					return err
				}
				if text, readErr := in.read(); readErr == nil && hasArmor(text) {
					err = cli.Hint(err, "extract the armored certificate first: zcert extract "+cli.Quote(args[0]))
				}
				return err
			}
			if asJSON {
				return printJSON(cmd, s)
			}
			p := cli.NewPainter(cmd)
			return cli.Print(cmd, func(out io.Writer) { s.print(out, p) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printer is something that show prints, as JSON or with print for people.
type printer interface {
	print(out io.Writer, p cli.Painter)
}

// shown parses the input as a certificate, an authority or a revocation list.
func (in input) shown(cmd *cobra.Command) (printer, error) {
	c, err := in.certificate(cmd)
	if err == nil {
		return newCertificateJSON(c), nil
	}
	if !errors.Is(err, cert.ErrKind) {
		return nil, err
	}
	a, authorityErr := in.authority(cmd)
	if authorityErr == nil {
		return newAuthorityJSON(a), nil
	}
	if !errors.Is(authorityErr, cert.ErrKind) {
		return nil, authorityErr
	}
	l, listErr := in.revocations(cmd, func(cert.AuthorityKey) bool { return true })
	if listErr == nil {
		switch now := time.Now(); {
		case !now.Before(l.Expires):
			cli.Warn(cmd, "%s: revocation list expired on %s: until you renew it, every certificate of its authority is refused", cli.Subject(in.path), l.Expires.Format(time.RFC3339))
		case expiresSoon(l, now):
			cli.Warn(cmd, "%s: revocation list expires on %s: renew it before then", cli.Subject(in.path), l.Expires.Format(time.RFC3339))
		}
		return newRevocationsJSON(in.path, l), nil
	}
	if !errors.Is(listErr, cert.ErrKind) {
		return nil, listErr
	}
	return nil, err
}

func newCertificateJSON(c *cert.Certificate) *certificateJSON {
	s := &certificateJSON{
		Identity:    c.Name(),
		Key:         c.Public.String(),
		Fingerprint: c.Public.Fingerprint(),
		HasSecret:   hasSecret(c),
		NotBefore:   timeOrNil(c.Validity.NotBefore),
		NotAfter:    timeOrNil(c.Validity.NotAfter),
		Metadata:    shownMetadata(c.Metadata),
	}
	s.Locked, _ = c.Locked()
	if c.Serial != 0 {
		s.Serial = strconv.FormatUint(c.Serial, 10)
	}
	if c.Authority != (cert.AuthorityKey{}) {
		s.Authority = c.Authority.String()
	}
	if !c.Service.IsZero() {
		s.ServerKey, s.Endpoints = c.Service.Key.String(), c.Service.Endpoints
	}
	return s
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func shownMetadata(m cert.Metadata) []propertyJSON {
	var list []propertyJSON
	for _, p := range m {
		list = append(list, propertyJSON(p))
	}
	return list
}

func printMetadata(out io.Writer, m []propertyJSON) {
	for _, p := range m {
		fmt.Fprintf(out, "%s = %q\n", cli.Printable(p.Name), p.Value)
	}
}

func (s *certificateJSON) print(out io.Writer, p cli.Painter) {
	kind := "public"
	switch {
	case s.ServerKey != "":
		kind = "bundle"
	case s.HasSecret:
		kind = "secret"
	}
	fmt.Fprintf(out, "certificate: %s\n", kind)
	fmt.Fprintf(out, "public key:  %s\n", s.Key)
	fmt.Fprintf(out, "fingerprint: %s\n", s.Fingerprint)
	if s.Locked != "" {
		fmt.Fprintf(out, "secret key:  locked with a passphrase (%s)\n", s.Locked)
	}
	if s.Serial != "" {
		fmt.Fprintf(out, "serial:      %s\n", s.Serial)
	}
	if s.NotBefore != nil {
		fmt.Fprintf(out, "not before:  %s\n", s.NotBefore.Format(time.RFC3339))
	}
	if s.NotAfter != nil {
		fmt.Fprintf(out, "not after:   %s\n", s.NotAfter.Format(time.RFC3339))
	}
	if s.Authority != "" {
		fmt.Fprintf(out, "authority:   %s\n", s.Authority)
		fmt.Fprintf(out, "signature:   %s\n", p.Good("valid"))
	}
	if s.ServerKey != "" {
		fmt.Fprintf(out, "server key:  %s\n", s.ServerKey)
	}
	for _, at := range s.Endpoints {
		fmt.Fprintf(out, "endpoint:    %s\n", cli.Printable(at))
	}
	printMetadata(out, s.Metadata)
}

func newAuthorityJSON(a *cert.Authority) *authorityJSON {
	s := &authorityJSON{
		Name:        a.Name(),
		Authority:   a.Key.String(),
		Fingerprint: a.Key.Fingerprint(),
		HasSecret:   a.HasSecret(),
		Metadata:    shownMetadata(a.Metadata),
	}
	if scheme, locked := a.Locked(); locked {
		s.HasSecret, s.Locked = true, scheme
	}
	return s
}

func (s *authorityJSON) print(out io.Writer, p cli.Painter) {
	kind := "public"
	if s.HasSecret {
		kind = "secret"
	}
	fmt.Fprintf(out, "authority:   %s\n", kind)
	fmt.Fprintf(out, "key:         %s\n", s.Authority)
	fmt.Fprintf(out, "fingerprint: %s\n", s.Fingerprint)
	if s.Locked != "" {
		fmt.Fprintf(out, "secret key:  locked with a passphrase (%s)\n", s.Locked)
	}
	printMetadata(out, s.Metadata)
}

func newRevocationsJSON(file string, l *cert.RevocationList) *revocationsJSON {
	s := &revocationsJSON{File: file, Authority: l.Authority.String(), Issued: l.Issued, Expires: l.Expires}
	for r := range l.All() {
		shown := revocationJSON{RevokedAt: r.Time, Reason: r.Reason}
		if r.Serial != 0 {
			shown.Serial = strconv.FormatUint(r.Serial, 10)
		} else {
			shown.Key = r.Key.String()
		}
		s.Revocations = append(s.Revocations, shown)
	}
	return s
}

func (s *revocationsJSON) print(out io.Writer, p cli.Painter) {
	fmt.Fprintf(out, "revocations: %d\n", len(s.Revocations))
	fmt.Fprintf(out, "authority:   %s\n", s.Authority)
	fmt.Fprintf(out, "signature:   %s\n", p.Good("valid")) // checked when it was read
	fmt.Fprintf(out, "issued:      %s\n", s.Issued.Format(time.RFC3339))
	fmt.Fprintf(out, "expires:     %s\n", s.Expires.Format(time.RFC3339))
	for _, r := range s.Revocations {
		what := "key " + r.Key
		if r.Serial != "" {
			what = "serial " + r.Serial
		}
		fmt.Fprintf(out, "%s  %s", r.RevokedAt.Format(time.RFC3339), what)
		if r.Reason != "" {
			fmt.Fprintf(out, "  %q", r.Reason)
		}
		fmt.Fprintln(out)
	}
}

// hasArmor reports whether a text has an armored certificate, damaged or not.
func hasArmor(text []byte) bool {
	for range armor.Find(text) {
		return true
	}
	return false
}
