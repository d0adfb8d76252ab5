package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// errDue means that a certificate is good and expires soon.
var errDue = errors.New("expires soon")

// verified is what verify found of one certificate.
type verified struct {
	File     string     `json:"file"`
	OK       bool       `json:"ok"`
	Error    string     `json:"error,omitempty"`
	Name     string     `json:"name,omitempty"`
	NotAfter *time.Time `json:"not_after,omitempty"`
}

func newVerify() *cobra.Command {
	var authorityFiles, revokedFiles []string
	var expiresIn duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE|-...",
		Short: "Tell whether certificates are to be trusted",
		Long: `Verify checks a certificate: that its keys are sound and belong together, that it
is valid now, and that its signature is right. With --authority, it must be signed
by one of these; with --revoked, it must not be on the list, which must be signed
by one of these authorities and not have expired.

The exit code is 0 if all is well and 1 if not. With --expires-in 30d it is also 1
if the certificate, or a revocation list, expires within that time.`,
		Example: `  zcert verify alice.key --authority acme.authority --revoked acme.revoked
  zcert verify alice.key --expires-in 30d || echo "renew it"`,
		Args: cli.SomeArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(revokedFiles) > 0 && len(authorityFiles) == 0 {
				return cli.Usagef("--revoked needs --authority: whose list is to be trusted?")
			}
			v := verifier{due: time.Now().Add(time.Duration(expiresIn))}
			if err := v.loadTrust(cmd, authorityFiles, revokedFiles); err != nil {
				return err
			}
			results := []verified{}
			var failed error
			for _, path := range args {
				result, err := v.verify(cmd, path)
				if err != nil {
					if failed != nil {
						fmt.Fprintf(cmd.ErrOrStderr(), "zcert: error: %v\n", failed)
					}
					failed = err
				} else if !asJSON {
					until := ""
					if result.NotAfter != nil {
						until = ", until " + result.NotAfter.Format(time.RFC3339)
					}
					fmt.Fprintf(cmd.OutOrStdout(), "%s: good%s\n", result.File, until)
				}
				results = append(results, result)
			}
			if asJSON {
				if err := writeJSON(cmd, results); err != nil {
					return err
				}
			}
			return failed
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&authorityFiles, "authority", nil, "`FILE` of an authority that is trusted; repeatable")
	flags.StringArrayVar(&revokedFiles, "revoked", nil, "`FILE` of a revocation list; repeatable")
	flags.Var(&expiresIn, "expires-in", "fail also if it expires within this time, such as 30d")
	flags.BoolVar(&asJSON, "json", false, "print the results as JSON")
	return cmd
}

// verifier is what certificates are verified against.
type verifier struct {
	checker     cert.Checker
	due         time.Time
	revocations []*cert.RevocationList
}

// loadTrust reads the authorities and revocation lists.
func (v *verifier) loadTrust(cmd *cobra.Command, authorityFiles, revokedFiles []string) error {
	if len(authorityFiles) == 0 {
		return nil
	}
	trusted := map[cert.AuthorityKey]bool{}
	for _, path := range authorityFiles {
		a, err := input{path: path}.authority(cmd)
		if err != nil {
			return err
		}
		trusted[a.Key] = true
	}
	v.checker.IsAuthority = func(k cert.AuthorityKey) bool { return trusted[k] }
	for _, path := range revokedFiles {
		l, err := input{path: path}.revocations(cmd, v.checker.IsAuthority)
		if err != nil {
			return err
		}
		// That one expired is told whatever certificate is asked about.
		if err := l.CheckTime(time.Now()); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if !l.Expires.After(v.due) {
			return fmt.Errorf("%s: %w: on %s", path, errDue, l.Expires.Format(time.RFC3339))
		}
		v.revocations = append(v.revocations, l)
	}
	v.checker.Revoked = func(c *cert.Certificate, now time.Time) error {
		for _, l := range v.revocations {
			if err := l.Check(c, now); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// verify verifies the certificate in a file.
func (v *verifier) verify(cmd *cobra.Command, path string) (verified, error) {
	result := verified{File: path}
	c, err := load(cmd, path)
	if err == nil {
		result.Name, result.NotAfter = c.Name(), timeOrNil(c.Validity.NotAfter)
		if err = v.checker.Check(c); err == nil && result.NotAfter != nil && !result.NotAfter.After(v.due) {
			err = fmt.Errorf("%w: on %s", errDue, result.NotAfter.Format(time.RFC3339))
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}
	if err != nil {
		result.Error = err.Error()
		return result, err
	}
	result.OK = true
	return result, nil
}
