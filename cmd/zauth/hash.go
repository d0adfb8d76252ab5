package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
)

// maxPassword is the size in bytes of the longest password of PLAIN (RFC 24).
const maxPassword = 255

// kinds selects what to derive from a password. If neither is set, a hash for PLAIN.
type kinds struct{ plain, scram bool }

// add adds the flags --plain and --scram.
func (k *kinds) add(flags *pflag.FlagSet) {
	flags.BoolVar(&k.plain, "plain", false, "make an Argon2id hash for PLAIN (the default)")
	flags.BoolVar(&k.scram, "scram", false, "make a verifier for SCRAM; with --plain, make both")
}

// hash returns the value of the property password.
func (k kinds) hash(password []byte) (string, error) {
	var values []string
	if k.plain || !k.scram {
		values = append(values, policy.HashPassword(password))
	}
	if k.scram {
		verifier, err := sasl.NewVerifier(password)
		if err != nil {
			return "", err
		}
		values = append(values, verifier.Encode())
	}
	return strings.Join(values, " "), nil
}

func newHash() *cobra.Command {
	var k kinds
	cmd := &cobra.Command{
		Use:        "hash",
		Short:      "Hash a password for a policy file",
		SuggestFor: []string{"password"},
		Long: `Hash reads a password from the terminal or from stdin and prints its Argon2id hash,
to put in a policy between quotes. Someone who reads the policy cannot log in with
the hash. A final newline is not part of the password.

With --scram, it prints a verifier for SCRAM-SHA-256 (SASL), by which a client proves
its password without sending it. Passwords are faster to guess from a verifier than
from an Argon2id hash, so choose a long one. With --plain --scram, it prints both on
one line, for an account that works with PLAIN and with SCRAM.

To convert a file of passwords, use zauth passwd.`,
		Example: `  zauth hash
  zauth hash --scram
  echo "$PASSWORD" | zauth hash --plain --scram`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file := "-"
			if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
				file = ""
			}
			password, err := readPassword(cmd, file, true)
			if err != nil {
				return err
			}
			defer clear(password)
			if k.scram {
				if err := checkPrepared("password", password); err != nil {
					return err
				}
			}
			value, err := k.hash(password)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), value); err != nil {
				return fmt.Errorf("writing to stdout: %w", err)
			}
			return nil
		},
	}
	k.add(cmd.Flags())
	return cmd
}

// readPassword reads a password from a file, from stdin if file is "-", or from the
// terminal if it is "". The terminal asks twice for a new password.
func readPassword(cmd *cobra.Command, file string, isNew bool) ([]byte, error) {
	if file == "" {
		return askPassword(cmd, isNew)
	}
	password, err := cli.ReadSecret(cmd, file, maxPassword+3)
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	return checkPassword(bytes.TrimSuffix(bytes.TrimSuffix(password, []byte("\n")), []byte("\r")))
}

func askPassword(cmd *cobra.Command, isNew bool) ([]byte, error) {
	instead := "--password-file FILE; if FILE is -, it is stdin"
	if isNew {
		instead = "stdin"
	}
	tty, err := cli.OpenTerminal("a password", instead)
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	password, err := tty.Ask(cmd.Context(), "Password: ")
	if err != nil {
		return nil, err
	}
	if isNew {
		again, err := tty.Ask(cmd.Context(), "Repeat the password: ")
		if err != nil {
			return nil, err
		}
		defer clear(again)
		if !bytes.Equal(password, again) {
			return nil, errors.New("the passwords do not match")
		}
	}
	return checkPassword(password)
}

func checkPassword(password []byte) ([]byte, error) {
	if len(password) == 0 {
		return nil, errors.New("empty password")
	}
	if len(password) > maxPassword {
		return nil, fmt.Errorf("password longer than %d bytes, the limit of PLAIN", maxPassword)
	}
	return password, nil
}
