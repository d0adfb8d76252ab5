package cli

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxSecret is the size of the longest secret that can be typed, in octets.
const maxSecret = 1024

// Terminal is where the user sits, whatever stdin and stdout are.
type Terminal struct{ in, out *os.File }

// OpenTerminal opens the terminal of the process, to ask for what. If there is
// none, the hint is to give it by a flag instead.
func OpenTerminal(cmd *cobra.Command, what, flag string) (Terminal, error) {
	var t Terminal
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
		return t, Hint(fmt.Errorf("%s is wanted, and there is no terminal to ask for it", what),
			fmt.Sprintf("give it with %s: %s --help", flag, cmd.CommandPath()))
	}
	return t, nil
}

// Close closes the terminal.
func (t Terminal) Close() {
	t.in.Close()
	if t.out != t.in {
		t.out.Close()
	}
}

// Printf writes to the terminal.
func (t Terminal) Printf(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }

// Ask asks for a secret, which isn't echoed. The caller clears it.
func (t Terminal) Ask(ctx context.Context, prompt string) ([]byte, error) {
	fd := int(t.in.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("asking the terminal failed: %w", err)
	}
	t.Printf("%s", prompt)
	secret, err := Await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	if ctx.Err() != nil { // the read goes on, with the echo off
		term.Restore(fd, state)
	}
	t.Printf("\n")
	if err != nil {
		return nil, fmt.Errorf("asking the terminal failed: %w", err)
	}
	if len(secret) > maxSecret {
		return nil, fmt.Errorf("what was typed has more than %d octets", maxSecret)
	}
	return secret, nil
}
