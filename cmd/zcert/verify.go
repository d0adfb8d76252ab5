package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// exitUntrusted is the exit code of verify if it finds nothing wrong, but no authority
// was given.
const exitUntrusted = 3

var (
	// errDue means that a certificate or list expires within --expires-in.
	errDue = errors.New("expires soon")
	// errNoAnchor means that no authority was given to trust.
	errNoAnchor = errors.New("well-formed, not trusted: no --authority given")
)

func newVerify() *cobra.Command {
	var authorityFiles, revokedFiles []string
	var files nameList
	var expiresIn duration
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:     "verify FILE|-... --authority NAME.authority",
		Aliases: []string{"check"},
		Short:   "Check certificates: keys, validity, signature, revocation",
		Long: `Verify checks that the keys of each certificate are sound and match, that it is
valid now, that an authority given with --authority signed it, and that no list
given with --revoked revokes it. A revocation list must be signed by one of these
authorities and must not have expired. Verify prints what it checked and what it
could not check.

Verify exits 0 if all certificates are trusted, and 1 if it refuses any. Without
--authority, it trusts none: if it finds nothing wrong, it prints "well-formed, not
trusted" and exits 3. With --expires-in, it also exits 1 if a certificate or a
revocation list expires within that time.`,
		Example: `  zcert verify alice.key --authority acme.authority --revoked acme.revoked
  zcert verify alice.key --authority acme.authority --expires-in 30d || echo "renew it"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			paths, err := files.some(cmd, args, "FILE")
			if err != nil {
				return err
			}
			if len(revokedFiles) > 0 && len(authorityFiles) == 0 {
				return cli.Hint(cli.Usagef("--revoked requires --authority"), "pass the authority that signed the list: --authority NAME.authority")
			}
			v := verifier{now: time.Now(), expiresIn: time.Duration(expiresIn)}
			if err := v.loadTrust(cmd, authorityFiles, revokedFiles); err != nil {
				return err
			}
			results, errs := make([]verdictJSON, len(paths)), make([]error, len(paths))
			if err := each(cmd, len(paths), "verifying", quiet || asJSON, func(i int) error {
				results[i], errs[i] = v.verify(cmd, paths[i])
				return nil // verify the others, too
			}); err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd, results...)
			} else if !quiet {
				p := cli.NewPainter(cmd)
				err = cli.Print(cmd, func(out io.Writer) {
					for _, result := range results {
						result.print(out, p)
					}
				})
			}
			if failed := cmp.Or(printAll(cmd, errs), err); failed != nil || v.authorities != nil {
				return failed
			}
			return cli.WithCode(cli.Hint(errNoAnchor, "pass the authority that signs these certificates: --authority NAME.authority"), exitUntrusted)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&authorityFiles, "authority", nil, "trust the authority in `FILE`; repeatable")
	flags.StringArrayVar(&revokedFiles, "revoked", nil, "check the revocation list in `FILE`; repeatable")
	flags.Var(&expiresIn, "expires-in", "also fail if it expires within `DURATION`, such as 30d")
	flags.BoolVar(&asJSON, "json", false, "print the results as JSON")
	quietFlag(cmd, &quiet)
	files.addFlag(cmd)
	return cmd
}

// print prints the result. It does not print refused certificates, which PrintError does.
func (r *verdictJSON) print(out io.Writer, p cli.Painter) {
	switch {
	case r.Trusted:
		fmt.Fprintf(out, "%s: %s", r.File, p.Good("trusted"))
	case r.Err == errNoAnchor.Error():
		fmt.Fprintf(out, "%s: %s", r.File, p.Doubtful("well-formed, not trusted"))
	default:
		return
	}
	if r.NotAfter != nil {
		fmt.Fprintf(out, ", valid until %s", r.NotAfter.Format(time.RFC3339))
	}
	fmt.Fprintf(out, "\n    checked: %s\n", strings.Join(r.Checked, ", "))
	if len(r.NotChecked) > 0 {
		fmt.Fprintf(out, "    not checked: %s\n", strings.Join(r.NotChecked, ", "))
	}
}

// verifier holds what certificates are checked against.
type verifier struct {
	checker     cert.Checker
	now         time.Time
	expiresIn   time.Duration
	authorities map[cert.AuthorityKey]string // the files of the trusted ones
}

// isDue reports whether t is within --expires-in.
func (v *verifier) isDue(t time.Time) bool { return !t.After(v.now.Add(v.expiresIn)) }

// loadTrust reads the authorities and revocation lists.
func (v *verifier) loadTrust(cmd *cobra.Command, authorityFiles, revokedFiles []string) error {
	if len(authorityFiles) == 0 {
		return nil
	}
	v.authorities = map[cert.AuthorityKey]string{}
	for _, path := range authorityFiles {
		a, err := input{path: path}.authority(cmd)
		if err != nil {
			return err
		}
		v.authorities[a.Key] = path
		v.checker.Authorities = append(v.checker.Authorities, a.Key)
	}
	for _, path := range revokedFiles {
		if err := v.loadRevocations(cmd, path); err != nil {
			return err
		}
	}
	return nil
}

// loadRevocations reads a revocation list. It fails if the list has expired, and warns
// if it soon will.
func (v *verifier) loadRevocations(cmd *cobra.Command, path string) error {
	l, err := input{path: path}.revocations(cmd, func(k cert.AuthorityKey) bool { return v.authorities[k] != "" })
	if err != nil {
		return err
	}
	renew := "run zcert revoke --authority " + cli.Quote(strings.TrimSuffix(v.authorities[l.Authority], cert.SecretSuffix)+cert.SecretSuffix)
	expires := l.Expires.Format(time.RFC3339)
	switch {
	case !v.now.Before(l.Expires):
		return cli.Hint(fmt.Errorf("%s: revocation list expired on %s", cli.Subject(path), expires), "on the authority's machine, "+renew)
	case v.now.Before(l.Issued):
		return fmt.Errorf("%s: revocation list not yet valid: issued on %s", cli.Subject(path), l.Issued.Format(time.RFC3339))
	case v.isDue(l.Expires):
		return cli.Hint(fmt.Errorf("%s: revocation list %w, on %s", cli.Subject(path), errDue, expires), "on the authority's machine, "+renew)
	case expiresSoon(l, v.now):
		cli.Warn(cmd, "%s: revocation list expires on %s: on the authority's machine, %s", cli.Subject(path), expires, renew)
	}
	v.checker.Revocations = append(v.checker.Revocations, l)
	return nil
}

// expiresSoon reports whether it is time to renew a list: a week before it expires,
// or in the last third of its validity period if that is shorter.
func expiresSoon(l *cert.RevocationList, now time.Time) bool {
	return l.Expires.Sub(now) < min(7*24*time.Hour, l.Expires.Sub(l.Issued)/3)
}

// verify checks the certificate in a file.
func (v *verifier) verify(cmd *cobra.Command, path string) (verdictJSON, error) {
	result := verdictJSON{File: path}
	c, err := load(cmd, path)
	if err == nil {
		result.certificateJSON = newCertificateJSON(c)
		v.list(&result, c)
		if err = v.check(c); err == nil && result.NotAfter != nil && v.isDue(*result.NotAfter) {
			err = fmt.Errorf("%w, on %s", errDue, result.NotAfter.Format(time.RFC3339))
		}
		if err != nil {
			result.Err = cli.Message(err)
			err = withVerifyHint(fmt.Errorf("%s: %w", cli.Subject(path), err), path, c)
		}
	} else {
		result.Err = cli.Message(err)
	}
	switch {
	case err != nil:
	case v.authorities == nil:
		result.Err = errNoAnchor.Error()
	default:
		result.Trusted = true
	}
	return result, err
}

// check checks a certificate. Without authorities, it checks as much as possible.
func (v *verifier) check(c *cert.Certificate) error {
	if v.authorities == nil {
		return c.Check(v.now)
	}
	return v.checker.Check(c)
}

// withVerifyHint adds a hint to err about a refused certificate.
func withVerifyHint(err error, path string, c *cert.Certificate) error {
	sign := "zcert sign " + cli.Quote(path) + " --authority NAME.authority_secret --valid 90d"
	switch {
	case errors.Is(err, cert.ErrExpired) || errors.Is(err, errDue):
		return cli.Hint(err, "renew it: "+sign)
	case errors.Is(err, cert.ErrUntrusted) && c.Authority == (cert.AuthorityKey{}):
		return cli.Hint(err, "sign it: "+sign)
	case errors.Is(err, cert.ErrUntrusted):
		return cli.Hint(err, "if you trust its authority, pass that too: --authority FILE")
	}
	return err
}

// list adds to result the checks that were made, and those that could not be made.
func (v *verifier) list(result *verdictJSON, c *cert.Certificate) {
	add := func(checked bool, what, instead string) {
		if checked {
			result.Checked = append(result.Checked, what)
		} else {
			result.NotChecked = append(result.NotChecked, instead)
		}
	}
	result.Checked = append(result.Checked, "keys")
	add(c.Validity != cert.Validity{}, "validity period", "validity period (it has none)")
	isSigned := c.Authority != (cert.AuthorityKey{})
	add(isSigned, "signature", "signature (it has none)")
	file, isTrusted := v.authorities[c.Authority]
	add(isTrusted, "authority "+file, "authority (no --authority)")
	covered := false
	for _, l := range v.checker.Revocations {
		if l.Authority == c.Authority {
			covered = true
			add(true, "revocation list of "+l.Issued.Format(time.RFC3339), "")
		}
	}
	if !covered {
		add(false, "", "revocation (no --revoked)")
	}
}
