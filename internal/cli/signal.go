package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Main runs a program and ends the process with its exit code. SIGINT and SIGTERM
// cancel the context of its command.
func Main(root *cobra.Command) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { cancel(interrupted{<-signals}) }()
	os.Exit(Run(ctx, root, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// interrupted is the cause of a context that a signal canceled.
type interrupted struct{ signal os.Signal }

func (i interrupted) Error() string { return fmt.Sprintf("ended by a signal: %v", i.signal) }

// code is the exit code that shells use for a program that the signal ended: 130 or
// 143.
func (i interrupted) code() int {
	if number, ok := i.signal.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return ExitFailed
}

// Await calls f and returns its results, or the cause of ctx as soon as ctx is done. f
// then continues until the process ends: it may read from a pipe or a terminal, but must
// not write.
func Await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
