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

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// maxPassphrase is the size of the longest passphrase in octets.
const maxPassphrase = 1024

// madeWords is how many words a passphrase has that is made here: of 7,776 each,
// which is 90 bits.
const madeWords = 7

// errMismatch means that a passphrase was not typed twice the same.
var errMismatch = errors.New("the two passphrases differ")

// passphraseFlag adds --passphrase-file to a command.
func passphraseFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "passphrase-file", "", "read the passphrase from `FILE` (- for stdin), without its last line end")
}

// passphrase gets the passphrase that unlocks what is in path: from a file if one
// is given, else from the terminal. The caller clears it.
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

// What a passphrase must have, at least: in characters.
const (
	minPassphrase = 8
	minDifferent  = 4
)

// errWeak means that a passphrase is soon guessed.
var errWeak = fmt.Errorf("weak passphrase: expected at least %d characters, %d of them different", minPassphrase, minDifferent)

// checkStrength refuses a passphrase that is soon guessed.
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

// newPassphrase gets a passphrase to lock with: from a file if one is given, by
// flag, else from the terminal, twice. Who gives none there is offered one. The
// caller clears it.
func newPassphrase(cmd *cobra.Command, file, flag string) ([]byte, error) {
	if file != "" {
		p, err := readPassphrase(cmd, file)
		if err != nil {
			return nil, err
		}
		if err := checkStrength(p); err != nil {
			clear(p)
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return p, nil
	}
	tty, err := cli.OpenTerminal("a passphrase", flag)
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	first, err := tty.Ask(cmd.Context(), "New passphrase (leave empty to have one made): ")
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		words, err := diceware.Generate(madeWords)
		if err != nil {
			return nil, fmt.Errorf("making a passphrase failed: %w", err)
		}
		made := strings.Join(words, "-")
		tty.Printf("Your passphrase is: %s\nWrite it down: it is shown this once.\n", made)
		return []byte(made), nil
	}
	if err := checkStrength(first); err != nil {
		clear(first)
		return nil, cli.Hint(err, "leave it empty to have one made")
	}
	again, err := tty.Ask(cmd.Context(), "The same again: ")
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

// readPassphrase reads a passphrase from a file, which may be a pipe, or, for "-",
// stdin.
func readPassphrase(cmd *cobra.Command, file string) ([]byte, error) {
	if file != "-" {
		if err := (input{path: file}).checkMode(cmd, "passphrase"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	p, err := cli.ReadSecret(cmd, file, maxPassphrase+2)
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase failed: %w", err)
	}
	p = bytes.TrimSuffix(bytes.TrimSuffix(p, []byte("\n")), []byte("\r"))
	if len(p) > maxPassphrase {
		return nil, fmt.Errorf("%s: the passphrase has more than %d octets", file, maxPassphrase)
	}
	if len(p) == 0 {
		return nil, fmt.Errorf("%s: %w", file, cert.ErrNoPassphrase)
	}
	return p, nil
}
