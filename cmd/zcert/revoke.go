package main

import (
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// revokedSuffix is what the name of an authority's revocation list ends with.
const revokedSuffix = ".revoked"

func newRevoke() *cobra.Command {
	var authorityFile, listFile, reason, passphraseFile string
	var valid = duration(30 * 24 * time.Hour)
	var serials []uint
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "revoke [FILE|-...] --authority NAME.authority_secret",
		Short: "Take certificates back as an authority",
		Long: `Revoke puts the keys of certificates on an authority's revocation list, and signs
it again: NAME.revoked, which is made if it isn't there. Whoever trusts the
authority refuses all certificates of these keys from then on. --serial takes back
one certificate only, for instance one with wrong metadata.

The list expires after --valid, because who could keep it from you could keep a
key in use. Renew it in time with zcert revoke and no FILE.`,
		Example: `  zcert revoke alice.key --authority acme.authority_secret --reason "laptop stolen"
  zcert revoke --serial 4711 --authority acme.authority_secret
  zcert revoke --authority acme.authority_secret --valid 30d`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if authorityFile == "" {
				return cli.Usagef("want --authority NAME.authority_secret")
			}
			if listFile == "" {
				listFile = strings.TrimSuffix(strings.TrimSuffix(authorityFile, cert.SecretSuffix), authoritySuffix) + revokedSuffix
			}
			a, err := loadSigningAuthority(cmd, authorityFile, passphraseFile)
			if err != nil {
				return err
			}
			isNew := false
			l, err := input{path: listFile}.revocations(cmd, func(k cert.AuthorityKey) bool { return k == a.Key })
			if errors.Is(err, fs.ErrNotExist) {
				l, isNew = new(cert.RevocationList), true
			} else if err != nil {
				return err
			}
			now := time.Now().UTC().Truncate(time.Second)
			added, err := addRevocations(cmd, l, args, serials, reason, now)
			if err != nil {
				return err
			}
			if err := a.SignRevocations(l, now.Add(-backdate), now.Add(time.Duration(valid))); err != nil {
				return err
			}
			save := func() error { return saveInPlace(cmd, listFile, l.Append, false) }
			if isNew {
				save = func() error { return l.Save(listFile, false) }
			}
			if err := save(); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd, newShownRevocations(l))
			}
			note(cmd, "revocation list: %s, %d revoked, %d of them new, expires %s", listFile, l.Len(), added, l.Expires.Format(time.RFC3339))
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&authorityFile, "authority", "", "the authority's secret `FILE`")
	flags.StringVar(&listFile, "list", "", "the revocation list's `FILE` (default NAME.revoked beside the authority)")
	flags.StringVar(&reason, "reason", "", "why, for people")
	flags.Var(&valid, "valid", "how long the list can be relied on")
	flags.UintSliceVar(&serials, "serial", nil, "a serial `number` to revoke; repeatable")
	flags.BoolVar(&asJSON, "json", false, "print the list as JSON")
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// addRevocations adds the keys of these files and these serial numbers to a
// list, and returns how many were not on it.
func addRevocations(cmd *cobra.Command, l *cert.RevocationList, paths []string, serials []uint, reason string, now time.Time) (added int, err error) {
	var revocations []cert.Revocation
	for _, path := range paths {
		c, err := load(cmd, path)
		if err != nil {
			return 0, err
		}
		revocations = append(revocations, cert.Revocation{Key: c.Public, Time: now, Reason: reason})
	}
	for _, serial := range serials {
		revocations = append(revocations, cert.Revocation{Serial: uint64(serial), Time: now, Reason: reason})
	}
	for _, r := range revocations {
		isNew, err := l.Revoke(r)
		if err != nil {
			return 0, err
		}
		if isNew {
			added++
		}
	}
	return added, nil
}
