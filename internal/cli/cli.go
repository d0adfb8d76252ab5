// Package cli runs the commands of zcert and zauth. Both print errors, hints,
// progress and colors in the same way, and end with the same exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// codeError is an error with its own exit code.
type codeError struct {
	error
	code int
}

func (e codeError) Unwrap() error { return e.error }

// WithCode returns err with an exit code other than ExitFailed.
func WithCode(err error, code int) error { return codeError{err, code} }

// usageError means that the command line is wrong.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usage returns err with ExitUsage as its exit code.
func Usage(err error) error { return usageError{err} }

// Usagef is like fmt.Errorf, with ExitUsage as the exit code of the error.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// hintError is an error with advice on what to do about it.
type hintError struct {
	error
	hint string
}

func (e hintError) Unwrap() error { return e.error }

// Hint returns err with a hint for the user, which is printed on a separate line: an
// imperative sentence, or a command that can be pasted.
func Hint(err error, hint string) error { return hintError{err, hint} }

// Hintf is like Hint, with a format.
func Hintf(err error, format string, args ...any) error {
	return Hint(err, fmt.Sprintf(format, args...))
}

// HintOf returns the hint of an error, or "".
func HintOf(err error) string {
	var hint hintError
	errors.As(err, &hint)
	return hint.hint
}

// Run runs a program and returns its exit code. Its error goes to stderr. A command
// whose output cannot be written fails, whether or not it checks for errors.
func Run(ctx context.Context, root *cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &output{to: stdout}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	checkHelp(root)
	err := root.ExecuteContext(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("writing to stdout: %w", out.err)
	}
	if err == nil {
		return ExitDone
	}
	PrintError(root, withDashHint(err, args))
	var usage usageError
	var coded codeError
	var signaled interrupted
	switch {
	case errors.As(err, &signaled):
		return signaled.code()
	case errors.As(context.Cause(ctx), &signaled) && errors.Is(err, context.Canceled):
		return signaled.code()
	case errors.As(err, &usage):
		return ExitUsage
	case errors.As(err, &coded):
		return coded.code
	}
	return ExitFailed
}

// output is a command's stdout. It keeps the first error. Safe for concurrent use.
type output struct {
	to  io.Writer
	mu  sync.Mutex
	err error
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.to.Write(p)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// StdoutFile returns the file that is a command's stdout, or nil.
func StdoutFile(cmd *cobra.Command) *os.File {
	to := cmd.OutOrStdout()
	if o, ok := to.(*output); ok {
		to = o.to
	}
	f, _ := to.(*os.File)
	return f
}
