package cli

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/term"
)

// maxSecret is the size of the longest secret that can be typed, in bytes.
const maxSecret = 1024

// A Terminal is the terminal of the process, even if stdin and stdout are redirected.
type Terminal struct{ in, out *os.File }

// OpenTerminal opens the terminal of the process to ask for a secret, which what
// describes. Without a terminal, the error has a hint to use flag instead.
func OpenTerminal(what, flag string) (Terminal, error) {
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
		return t, Hintf(fmt.Errorf("cannot ask for %s: no terminal", what), "use %s", flag)
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

// Ask asks for a secret and does not echo it. The caller clears it.
func (t Terminal) Ask(ctx context.Context, prompt string) ([]byte, error) {
	fd := int(t.in.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("asking at the terminal: %w", err)
	}
	t.Printf("%s", prompt)
	secret, err := Await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	if ctx.Err() != nil { // ReadPassword still waits, and has turned off the echo
		term.Restore(fd, state)
	}
	t.Printf("\n")
	if err != nil {
		return nil, fmt.Errorf("asking at the terminal: %w", err)
	}
	if len(secret) > maxSecret {
		return nil, fmt.Errorf("input longer than %d bytes", maxSecret)
	}
	return secret, nil
}
