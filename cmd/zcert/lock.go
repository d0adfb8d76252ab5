package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// lockable is a certificate or an authority. The secret key of either can be locked.
type lockable interface {
	Lock(passphrase []byte) error
	Unlock(passphrase []byte) error
	AppendSecret(dst []byte) ([]byte, error)
}

// lockState is the state of the secret key in a file.
type lockState int

const (
	noSecret lockState = iota
	unlockedSecret
	lockedSecret
)

func lockStateOf(hasSecret, locked bool) lockState {
	switch {
	case locked:
		return lockedSecret
	case hasSecret:
		return unlockedSecret
	}
	return noSecret
}

// loadLockable reads a certificate or an authority, and returns its state.
func loadLockable(cmd *cobra.Command, path string) (l lockable, state lockState, err error) {
	if path == "-" {
		return nil, 0, cli.Usagef("FILE is -: %s changes a file in place, and cannot change stdin", cmd.CommandPath())
	}
	in := input{path: path}
	c, err := in.certificate(cmd)
	if err == nil {
		_, locked := c.Locked()
		return c, lockStateOf(!c.Secret.IsZero(), locked), nil
	}
	if !errors.Is(err, cert.ErrKind) {
		return nil, 0, err
	}
	a, authorityErr := in.authority(cmd)
	if errors.Is(authorityErr, cert.ErrKind) {
		return nil, 0, err
	}
	if authorityErr != nil {
		return nil, 0, authorityErr
	}
	_, locked := a.Locked()
	return a, lockStateOf(a.HasSecret(), locked), nil
}

// lockInPlace locks a secret with a new passphrase, from a file or the terminal, and
// writes it to path. flag is the flag for the passphrase's file.
func lockInPlace(cmd *cobra.Command, path string, secret lockable, passphraseFile, flag string) error {
	p, err := newPassphrase(cmd, passphraseFile, flag)
	if err != nil {
		return err
	}
	defer clear(p)
	if err := secret.Lock(p); err != nil {
		return fmt.Errorf("%s: %w", cli.Subject(path), err)
	}
	return saveInPlace(path, secret.AppendSecret, secretInPlace)
}

func newLock() *cobra.Command {
	var passphraseFile string
	cmd := &cobra.Command{
		Use:   "lock FILE",
		Short: "Encrypt a secret key with a passphrase",
		Long: `Lock encrypts the secret key of a certificate or an authority with a passphrase, in
place. The name, the public key and the validity period stay readable, but nothing
in the file can change until you unlock it. Other programs cannot use a locked key.`,
		Example: `  zcert lock alice.key_secret
  zcert lock acme.authority_secret --passphrase-file passphrase.txt`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0]
			secret, state, err := loadLockable(cmd, path)
			if err != nil {
				return err
			}
			switch state {
			case lockedSecret:
				return cli.Hint(fmt.Errorf("%s: already locked", cli.Subject(path)), "to change the passphrase: zcert passphrase "+cli.Quote(path))
			case noSecret:
				return withSecretHint(fmt.Errorf("%s: no secret key in this file", cli.Subject(path)), path)
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
		Short: "Remove the passphrase from a secret key",
		Long: `Unlock decrypts a locked secret key in its file. Afterwards, anyone who can read
the file can use the key.`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0]
			secret, state, err := loadLockable(cmd, path)
			if err != nil {
				return err
			}
			if state != lockedSecret {
				return fmt.Errorf("%s: not locked", cli.Subject(path))
			}
			if err := unlockWith(cmd, path, passphraseFile, secret.Unlock); err != nil {
				return err
			}
			if err := saveInPlace(path, secret.AppendSecret, secretInPlace); err != nil {
				return err
			}
			cli.Note(cmd, "unlocked: %s (anyone who can read this file can use the key)", path)
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
		Long: `Passphrase decrypts a locked secret key with the old passphrase and encrypts it with
a new one, in place. The unlocked key is never written to disk. The old passphrase
still opens copies that you made before.`,
		Example: `  zcert passphrase acme.authority_secret
  zcert passphrase acme.authority_secret --passphrase-file old.txt --new-passphrase-file new.txt`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0]
			if oldFile == "-" && newFile == "-" {
				return cli.Usagef("--passphrase-file - and --new-passphrase-file - both read stdin")
			}
			secret, state, err := loadLockable(cmd, path)
			if err != nil {
				return err
			}
			if state != lockedSecret {
				return cli.Hint(fmt.Errorf("%s: not locked", cli.Subject(path)), "to lock it: zcert lock "+cli.Quote(path))
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
	cmd.Flags().StringVar(&newFile, "new-passphrase-file", "", "read the new passphrase from `FILE` (- for stdin); a final newline is ignored")
	return cmd
}
