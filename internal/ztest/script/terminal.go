package script

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/creack/pty"
)

// Terminal is the command "terminal INPUT SCREEN PROGRAM [argument ...]" for scripts: it
// runs a program at its own terminal, types the content of the file INPUT, and writes the
// terminal's output to the file SCREEN. The program's stdin is the terminal; its stdout,
// stderr and exit code are the command's.
//
// testscript's ttyout can miss the last output of a program.
func Terminal() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: terminal input screen program [argument ...]")
		os.Exit(2)
	}
	code, err := terminal(os.Args[1], os.Args[2], os.Args[3:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "terminal:", err)
		os.Exit(2)
	}
	os.Exit(code)
}

func terminal(input, screen string, command []string) (exitCode int, err error) {
	typed, err := os.ReadFile(input)
	if err != nil {
		return 0, err
	}
	shown, err := os.Create(screen)
	if err != nil {
		return 0, err
	}
	defer shown.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	keyboard, err := pty.Start(cmd)
	if err != nil {
		return 0, err
	}
	defer keyboard.Close()
	go keyboard.Write(append(typed, 4)) // and end the input, as Ctrl-D does
	// Reading ends with an error when the program has closed the terminal.
	io.Copy(shown, keyboard)
	if err := cmd.Wait(); !errors.As(err, new(*exec.ExitError)) {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}
