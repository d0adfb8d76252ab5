package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/policy"
)

// maxPassword is the size of the longest password of PLAIN in octets (RFC 24).
const maxPassword = 255

func newHash() *cobra.Command {
	return &cobra.Command{
		Use:   "hash",
		Short: "Hash a password for a policy file",
		Long: `Hash reads a password, from the terminal or else from stdin without its last line
end, and prints its hash by Argon2id, to be put into a policy between quotes. Someone
who reads the policy can't log in with the hash. To convert a whole file of
passwords, use zauth passwd.`,
		Example: `  zauth hash
  echo "$PASSWORD" | zauth hash`,
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
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), policy.HashPassword(password)); err != nil {
				return fmt.Errorf("writing failed: %w", err)
			}
			return nil
		},
	}
}

// readPassword reads a password from a file, from stdin for "-", or from the
// terminal for "", there twice if it is a new one.
func readPassword(cmd *cobra.Command, file string, isNew bool) ([]byte, error) {
	if file == "" {
		return askPassword(cmd, isNew)
	}
	password, err := cli.ReadSecret(cmd, file, maxPassword+3)
	if err != nil {
		return nil, fmt.Errorf("reading the password failed: %w", err)
	}
	return checkPassword(bytes.TrimSuffix(bytes.TrimSuffix(password, []byte("\n")), []byte("\r")))
}

func askPassword(cmd *cobra.Command, isNew bool) ([]byte, error) {
	tty, err := cli.OpenTerminal("a password", "stdin or --password-file")
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	password, err := tty.Ask(cmd.Context(), "Password: ")
	if err != nil {
		return nil, err
	}
	if isNew {
		again, err := tty.Ask(cmd.Context(), "The same again: ")
		if err != nil {
			return nil, err
		}
		defer clear(again)
		if !bytes.Equal(password, again) {
			return nil, errors.New("the two passwords differ")
		}
	}
	return checkPassword(password)
}

func checkPassword(password []byte) ([]byte, error) {
	if len(password) == 0 {
		return nil, errors.New("empty password")
	}
	if len(password) > maxPassword {
		return nil, fmt.Errorf("the password has more than %d octets, which PLAIN can't carry", maxPassword)
	}
	return password, nil
}
