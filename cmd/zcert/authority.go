package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// authoritySuffix is what the name of an authority's public file ends with.
const authoritySuffix = ".authority"

func newAuthority() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "authority",
		Short: "Make an authority, which signs certificates",
	}
	cli.Group(cmd, "zcert authority new NAME")
	cmd.AddCommand(newAuthorityNew())
	return cmd
}

func newAuthorityNew() *cobra.Command {
	var meta []string
	var force, asJSON, lock bool
	var passphraseFile string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make an authority: NAME.authority and NAME.authority_secret",
		Long: `New makes an authority and writes it to two files: NAME.authority, which goes to
whoever should trust the certificates that it signs, and NAME.authority_secret,
with which certificates are signed. Keep that one off the machines that run
services, and lock it.`,
		Example: `  zcert authority new acme --lock
  zcert sign alice.key --authority acme.authority_secret --valid 90d
  zcert verify alice.key --authority acme.authority`,
		Args: cli.OneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if strings.HasSuffix(name, authoritySuffix) || strings.HasSuffix(name, authoritySuffix+cert.SecretSuffix) {
				return cli.Usagef("NAME is %q: give it without the suffix, which is added", name)
			}
			if err := checkFileName(name); err != nil {
				return err
			}
			metadata, err := parseMetadata(meta)
			if err != nil {
				return err
			}
			a := cert.GenerateAuthority("")
			a.Metadata = withName(metadata, filepath.Base(name))
			if lock || passphraseFile != "" {
				p, err := newPassphrase(cmd, passphraseFile, "--passphrase-file FILE")
				if err != nil {
					return err
				}
				defer clear(p)
				if err := a.Lock(p); err != nil {
					return err
				}
			}
			path := name + authoritySuffix
			if err := a.Save(path, replaceIf(force)...); errors.Is(err, fs.ErrExist) {
				return cli.Hint(err, "choose another name, or give --force to replace both files: nobody can sign with the old key then")
			} else if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd, struct {
					Name      string `json:"name"`
					Authority string `json:"authority"`
					Public    string `json:"public"`
					Secret    string `json:"secret"`
				}{a.Name(), a.Key.String(), path, path + cert.SecretSuffix})
			}
			cli.Note(cmd, `authority:        %[1]s (give it to whoever should trust what it signs)
secret authority: %[1]s%[2]s (keep it off the machines that run services)
next: zcert sign FILE.key --authority %[1]s%[2]s --valid 90d`, path, cert.SecretSuffix)
			return nil
		},
	}
	flags := cmd.Flags()
	metadataFlag(cmd, &meta)
	flags.BoolVar(&force, "force", false, "replace files that exist")
	flags.BoolVar(&asJSON, "json", false, "say what was written as JSON on stdout")
	flags.BoolVar(&lock, "lock", false, "lock the secret key with a passphrase")
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}
