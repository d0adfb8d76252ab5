package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"

	"github.com/sethvargo/go-diceware/diceware"
	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
)

// maxPassphrase is the size of the longest passphrase in bytes.
const maxPassphrase = 1024

// madeWords is the number of words in a generated passphrase, each one of 7,776:
// 90 bits.
const madeWords = 7

// errMismatch means that a new passphrase and its repetition differ.
var errMismatch = errors.New("passphrases do not match")

// passphraseFlag adds --passphrase-file to a command.
func passphraseFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "passphrase-file", "", "read the passphrase from `FILE` (- for stdin); a final newline is ignored")
}

// passphrase reads the passphrase that unlocks path from a file, or from the terminal
// if file is empty. The caller clears it.
func passphrase(cmd *cobra.Command, path, file string) ([]byte, error) {
	if file != "" {
		return readPassphrase(cmd, file)
	}
	tty, err := cli.OpenTerminal("a passphrase", "--passphrase-file FILE")
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	return tty.Ask(cmd.Context(), fmt.Sprintf("Passphrase for %s: ", path))
}

// Minimums of a new passphrase, in characters.
const (
	minPassphrase = 8
	minDifferent  = 4
)

// errWeak means that a passphrase is easy to guess.
var errWeak = fmt.Errorf("weak passphrase: expected at least %d characters, %d of them different", minPassphrase, minDifferent)

// checkStrength refuses a passphrase that is easy to guess.
func checkStrength(p []byte) error {
	different := map[rune]bool{}
	for _, r := range string(p) {
		different[r] = true
	}
	if utf8.RuneCount(p) < minPassphrase || len(different) < minDifferent {
		return errWeak
	}
	return nil
}

// newPassphrase reads a new passphrase from a file, or asks for it twice at the
// terminal if file is empty; flag is the flag for the file. At the terminal, an empty
// answer generates one. The caller clears it.
func newPassphrase(cmd *cobra.Command, file, flag string) ([]byte, error) {
	if file != "" {
		p, err := readPassphrase(cmd, file)
		if err != nil {
			return nil, err
		}
		if err := checkStrength(p); err != nil {
			clear(p)
			return nil, fmt.Errorf("%s: %w", cli.Subject(file), err)
		}
		return p, nil
	}
	tty, err := cli.OpenTerminal("a passphrase", flag)
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	first, err := tty.Ask(cmd.Context(), "New passphrase (leave empty to generate one): ")
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		words, err := diceware.Generate(madeWords)
		if err != nil {
			return nil, fmt.Errorf("generating a passphrase: %w", err)
		}
		made := strings.Join(words, "-")
		tty.Printf("Generated passphrase: %s\nWrite it down: it will not be shown again.\n", made)
		return []byte(made), nil
	}
	if err := checkStrength(first); err != nil {
		clear(first)
		return nil, cli.Hint(err, "leave it empty to generate one")
	}
	again, err := tty.Ask(cmd.Context(), "Repeat passphrase: ")
	if err != nil {
		clear(first)
		return nil, err
	}
	defer clear(again)
	if !bytes.Equal(first, again) {
		clear(first)
		return nil, errMismatch
	}
	return first, nil
}

// readPassphrase reads a passphrase from a file, which can be a pipe, or from stdin
// if file is "-".
func readPassphrase(cmd *cobra.Command, file string) ([]byte, error) {
	if file != "-" {
		if err := (input{path: file}).checkMode(cmd, "passphrase"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	p, err := cli.ReadSecret(cmd, file, maxPassphrase+2)
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	p = bytes.TrimSuffix(bytes.TrimSuffix(p, []byte("\n")), []byte("\r"))
	if len(p) > maxPassphrase {
		return nil, fmt.Errorf("%s: passphrase longer than %d bytes", cli.Subject(file), maxPassphrase)
	}
	if len(p) == 0 {
		return nil, fmt.Errorf("%s: empty passphrase", cli.Subject(file))
	}
	return p, nil
}
