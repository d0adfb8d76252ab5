package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/sethvargo/go-diceware/diceware"
	"github.com/spf13/cobra"
	"golang.org/x/term"

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
	tty, err := openTerminal(cmd)
	if err != nil {
		return nil, err
	}
	defer tty.close()
	return tty.ask(cmd.Context(), fmt.Sprintf("Passphrase for %s: ", path))
}

// newPassphrase gets a passphrase to lock with: from a file if one is given, else
// from the terminal, twice. Who gives none is offered one. The caller clears it.
func newPassphrase(cmd *cobra.Command, file string) ([]byte, error) {
	if file != "" {
		return readPassphrase(cmd, file)
	}
	tty, err := openTerminal(cmd)
	if err != nil {
		return nil, err
	}
	defer tty.close()
	first, err := tty.ask(cmd.Context(), "New passphrase (leave empty to have one made): ")
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		words, err := diceware.Generate(madeWords)
		if err != nil {
			return nil, fmt.Errorf("making a passphrase failed: %w", err)
		}
		made := strings.Join(words, "-")
		fmt.Fprintf(tty.out, "Your passphrase is: %s\nWrite it down: it is shown this once.\n", made)
		return []byte(made), nil
	}
	again, err := tty.ask(cmd.Context(), "The same again: ")
	if err != nil {
		return nil, err
	}
	defer clear(again)
	if !bytes.Equal(first, again) {
		clear(first)
		return nil, errMismatch
	}
	return first, nil
}

// readPassphrase reads a passphrase from a file or, for "-", stdin.
func readPassphrase(cmd *cobra.Command, file string) ([]byte, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("reading the passphrase failed: %w", err)
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			w := cert.Warning{Mode: info.Mode(),
				Text: fmt.Sprintf("mode %04o: other users can read this passphrase: chmod 600 %s", info.Mode().Perm(), file)}
			if err := tell(cmd, file, w); err != nil {
				return nil, err
			}
		}
		in = f
	}
	p, err := io.ReadAll(io.LimitReader(in, maxPassphrase+2))
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

// terminal is where the user sits, whatever stdin and stdout are.
type terminal struct{ in, out *os.File }

// openTerminal opens the terminal of the process.
func openTerminal(cmd *cobra.Command) (terminal, error) {
	var t terminal
	var err error
	if runtime.GOOS == "windows" {
		if t.in, err = os.OpenFile("CONIN$", os.O_RDWR, 0); err == nil {
			t.out, err = os.OpenFile("CONOUT$", os.O_WRONLY, 0)
		}
	} else {
		t.in, err = os.OpenFile("/dev/tty", os.O_RDWR, 0)
		t.out = t.in
	}
	if err != nil {
		return t, cli.Hint(errors.New("a passphrase is wanted, and there is no terminal to ask for it"),
			"give it with --passphrase-file FILE: "+cmd.CommandPath()+" --help")
	}
	return t, nil
}

func (t terminal) close() {
	t.in.Close()
	if t.out != t.in {
		t.out.Close()
	}
}

// ask asks for a secret, which isn't echoed.
func (t terminal) ask(ctx context.Context, prompt string) ([]byte, error) {
	fd := int(t.in.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("asking for a passphrase failed: %w", err)
	}
	// Whoever interrupts wants the echo back. The read can't be ended; it ends
	// with the program.
	defer context.AfterFunc(ctx, func() {
		term.Restore(fd, state)
		fmt.Fprintln(t.out)
		os.Exit(cli.ExitFailed)
	})()
	fmt.Fprint(t.out, prompt)
	p, err := term.ReadPassword(fd)
	fmt.Fprintln(t.out)
	if err != nil {
		return nil, fmt.Errorf("asking for a passphrase failed: %w", err)
	}
	if len(p) > maxPassphrase {
		return nil, fmt.Errorf("the passphrase has more than %d octets", maxPassphrase)
	}
	return p, nil
}
