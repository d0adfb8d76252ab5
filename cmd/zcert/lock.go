package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// lockable is what has a secret key that can be locked: a certificate or an
// authority.
type lockable interface {
	Lock(passphrase []byte) error
	Unlock(passphrase []byte) error
	AppendSecret(dst []byte) ([]byte, error)
}

// loadLockable reads the file of either, and tells whether it is locked.
func loadLockable(cmd *cobra.Command, path string) (l lockable, locked bool, err error) {
	if path == "-" {
		return nil, false, cli.Usagef("FILE is -: %s changes a file in place, and stdin isn't one", cmd.CommandPath())
	}
	in := input{path: path}
	c, err := in.certificate(cmd)
	if err == nil {
		return c, c.Locked != nil, nil
	}
	if !errors.Is(err, cert.ErrNoPublicKey) {
		return nil, false, err
	}
	a, authorityErr := in.authority(cmd)
	if errors.Is(authorityErr, cert.ErrNoAuthority) {
		return nil, false, err
	}
	if authorityErr != nil {
		return nil, false, authorityErr
	}
	return a, a.Locked != nil, nil
}

// lockInPlace locks a secret with a new passphrase, from a file or the terminal, and
// writes it to path. flag is the one that gives the file.
func lockInPlace(cmd *cobra.Command, path string, secret lockable, passphraseFile, flag string) error {
	p, err := newPassphrase(cmd, passphraseFile, flag)
	if err != nil {
		return err
	}
	defer clear(p)
	if err := secret.Lock(p); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return saveInPlace(path, secret.AppendSecret, secretInPlace)
}

func newLock() *cobra.Command {
	var passphraseFile string
	cmd := &cobra.Command{
		Use:   "lock FILE",
		Short: "Lock a secret key with a passphrase",
		Long: `Lock puts the secret key of a certificate, or of an authority, under a
passphrase, in place. The file still shows name, public key and validity. Nothing
in it can be changed until it is unlocked. Programs other than these can't use
the key meanwhile.`,
		Example: `  zcert lock alice.key_secret
  zcert lock acme.authority_secret --passphrase-file passphrase.txt`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0]
			secret, locked, err := loadLockable(cmd, path)
			if err != nil {
				return err
			}
			if locked {
				return cli.Hint(fmt.Errorf("%s: %w already", path, cert.ErrLocked), "zcert unlock "+path)
			}
			// What can't be locked needs no passphrase.
			if err := secret.Lock(nil); !errors.Is(err, cert.ErrNoPassphrase) {
				return fmt.Errorf("%s: %w", path, err)
			}
			if err := lockInPlace(cmd, path, secret, passphraseFile, "--passphrase-file FILE"); err != nil {
				return err
			}
			cli.Note(cmd, "locked: %s", path)
			return nil
		},
	}
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

func newUnlock() *cobra.Command {
	var passphraseFile string
	cmd := &cobra.Command{
		Use:   "unlock FILE",
		Short: "Unlock a secret key, which then lies in clear",
		Long: `Unlock takes the passphrase off the secret key of a certificate, or of an authority,
in place. Who can read the file can use the key then.`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0]
			secret, locked, err := loadLockable(cmd, path)
			if err != nil {
				return err
			}
			if !locked {
				return fmt.Errorf("%s: the secret key isn't locked", path)
			}
			if err := unlockWith(cmd, path, passphraseFile, secret.Unlock); err != nil {
				return err
			}
			if err := saveInPlace(path, secret.AppendSecret, secretInPlace); err != nil {
				return err
			}
			cli.Note(cmd, "unlocked: %s (who can read it can use the key)", path)
			return nil
		},
	}
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

func newPassphraseCommand() *cobra.Command {
	var oldFile, newFile string
	cmd := &cobra.Command{
		Use:   "passphrase FILE",
		Short: "Change the passphrase of a locked secret key",
		Long: `Passphrase unlocks the secret key of a certificate, or of an authority, and locks
it with another passphrase, in place. The key never lies on the disk unlocked. Copies
of the file that were made before still open with the old passphrase.`,
		Example: `  zcert passphrase acme.authority_secret
  zcert passphrase acme.authority_secret --passphrase-file old.txt --new-passphrase-file new.txt`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0]
			if oldFile == "-" && newFile == "-" {
				return cli.Usagef("--passphrase-file - and --new-passphrase-file - both read stdin")
			}
			secret, locked, err := loadLockable(cmd, path)
			if err != nil {
				return err
			}
			if !locked {
				return cli.Hint(fmt.Errorf("%s: the secret key isn't locked", path), "zcert lock "+path)
			}
			if err := unlockWith(cmd, path, oldFile, secret.Unlock); err != nil {
				return err
			}
			if err := lockInPlace(cmd, path, secret, newFile, "--new-passphrase-file FILE"); err != nil {
				return err
			}
			cli.Note(cmd, "passphrase changed: %s", path)
			return nil
		},
	}
	passphraseFlag(cmd, &oldFile)
	cmd.Flags().StringVar(&newFile, "new-passphrase-file", "", "read the new passphrase from `FILE` (- for stdin), without its last line end")
	return cmd
}
