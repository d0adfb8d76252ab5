// Package cli is what the command lines of zcert and zauth have in common: exit
// codes, and how errors and hints are told.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// codeError is an error with an exit code of its own.
type codeError struct {
	error
	code int
}

func (e codeError) Unwrap() error { return e.error }

// WithCode gives err another exit code than ExitFailed.
func WithCode(err error, code int) error { return codeError{err, code} }

// usageError is a wrong use of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usage makes err a wrong use of the command line.
func Usage(err error) error { return usageError{err} }

// Usagef makes an error of a wrong use of the command line.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// hintError is an error that tells what to do about it.
type hintError struct {
	error
	hint string
}

func (e hintError) Unwrap() error { return e.error }

// Hint adds to err what to do about it.
func Hint(err error, hint string) error { return hintError{err, hint} }

// Root prepares the root command of a program, whose use of no command at all
// is wrong; try is a command to try instead.
func Root(root *cobra.Command, try string) *cobra.Command {
	root.Version = version()
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return Usagef("unknown command %q: try \"%s --help\"", args[0], root.Name())
		}
		return nil
	}
	root.RunE = func(*cobra.Command, []string) error {
		return Usagef("no command: try \"%s\" or \"%s --help\"", try, root.Name())
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return Usage(err) })
	return root
}

// version is what the module was built as.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

// Run runs a program and returns its exit code. Its error goes to stderr. A
// command whose output can't be written fails, whether it looks or not.
func Run(ctx context.Context, root *cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &output{to: stdout}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("writing to stdout failed: %w", out.err)
	}
	if err == nil {
		return ExitDone
	}
	fmt.Fprintf(stderr, "%s: error: %v\n", root.Name(), err)
	var hint hintError
	if errors.As(err, &hint) {
		fmt.Fprintf(stderr, "%s: hint: %s\n", root.Name(), hint.hint)
	}
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

// output is a command's stdout. Its err is the first of what it writes to. It is
// safe for concurrent use.
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

// NoArgs wants no arguments.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usagef("want no argument, got %q: try \"%s --help\"", args[0], cmd.CommandPath())
	}
	return nil
}

// OneArg wants one argument, which the usage calls name.
func OneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return Usagef("want one %s, got %d: try \"%s --help\"", name, len(args), cmd.CommandPath())
		}
		return nil
	}
}

// SomeArgs wants one argument or more, which the usage calls name.
func SomeArgs(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return Usagef("want at least one %s: try \"%s --help\"", name, cmd.CommandPath())
		}
		return nil
	}
}
