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

// authoritySuffix is the suffix of an authority's public file.
const authoritySuffix = ".authority"

func newAuthority() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "authority",
		Aliases: []string{"ca"},
		Short:   "Manage authorities, which sign certificates",
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
		Use:     "new NAME",
		Aliases: []string{"gen", "generate", "create"},
		Short:   "Create an authority: NAME.authority and NAME.authority_secret",
		Long: `New creates an authority in two files: NAME.authority, which you give to everyone
who should trust its signatures, and NAME.authority_secret, which signs. Lock the
secret file, and keep it off the machines that run services.`,
		Example: `  zcert authority new acme --lock
  zcert sign alice.key --authority acme.authority_secret --valid 90d
  zcert verify alice.key --authority acme.authority`,
		Args: cli.OneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if strings.HasSuffix(name, authoritySuffix) || strings.HasSuffix(name, authoritySuffix+cert.SecretSuffix) {
				return cli.Hint(cli.Usagef("NAME %q already has a suffix", name), "leave it off; zcert adds it")
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
				return cli.Hint(err, "choose another name, or pass --force to overwrite both files; the old authority key is lost")
			} else if err != nil {
				return err
			}
			if asJSON {
				shown := newAuthorityJSON(a)
				shown.Files = []string{path, path + cert.SecretSuffix}
				return printJSON(cmd, shown)
			}
			cli.Note(cmd, `authority:        %[1]s (give it to everyone who should trust %[3]s)
secret authority: %[1]s%[2]s (keep it off the machines that run services)
next: zcert sign FILE.key --authority %[4]s --valid 90d`, path, cert.SecretSuffix, cli.Printable(filepath.Base(name)), cli.Quote(path+cert.SecretSuffix))
			return nil
		},
	}
	flags := cmd.Flags()
	metadataFlag(cmd, &meta)
	flags.BoolVar(&force, "force", false, "overwrite existing files")
	flags.BoolVar(&asJSON, "json", false, "print the result as JSON")
	flags.BoolVar(&lock, "lock", false, "lock the secret key with a passphrase")
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}
