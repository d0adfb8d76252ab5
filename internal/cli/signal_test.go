package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/ztest"
)

// run runs a program with one command, and returns its exit code and stderr.
func run(ctx context.Context, stdout io.Writer, command func(cmd *cobra.Command) error) (code int, message string) {
	var stderr strings.Builder
	root := Root(&cobra.Command{Use: "program"}, "program")
	root.RunE = func(cmd *cobra.Command, _ []string) error { return command(cmd) }
	code = Run(ctx, root, nil, strings.NewReader(""), stdout, &stderr)
	return code, stderr.String()
}

// TestExitCodes: each kind of error has its exit code, however it is wrapped.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interrupted{syscall.SIGTERM})
	for _, tt := range []struct {
		ctx  context.Context
		err  error
		want int
	}{
		{t.Context(), nil, ExitDone},
		{t.Context(), failed, ExitFailed},
		{t.Context(), fmt.Errorf("it %w", Usage(failed)), ExitUsage},
		{t.Context(), fmt.Errorf("it %w", WithCode(failed, 7)), 7},
		{t.Context(), Hint(WithCode(failed, 7), "repair it"), 7},
		{t.Context(), fmt.Errorf("it %w", interrupted{os.Interrupt}), 130},
		{ctx, context.Canceled, 143},
		{ctx, context.Cause(ctx), 143},
		{ctx, nil, ExitDone}, // it was done already
		{ctx, failed, ExitFailed},
	} {
		if got, message := run(tt.ctx, io.Discard, func(*cobra.Command) error { return tt.err }); got != tt.want {
			t.Errorf("%v: exit code %d, want %d: %s", tt.err, got, tt.want, message)
		}
	}
}

// TestFullStdout: a command whose output cannot be written fails, even if it ignores the
// error.
func TestFullStdout(t *testing.T) {
	t.Parallel()
	code, message := run(t.Context(), &writes{limit: 0}, func(cmd *cobra.Command) error {
		fmt.Fprintln(cmd.OutOrStdout(), "done")
		return nil
	})
	if code != ExitFailed || message != "program: error: writing to stdout: full\n" {
		t.Errorf("exit code %d: %s", code, message)
	}
}

// TestAwait: Await waits until the context is done.
func TestAwait(t *testing.T) {
	t.Parallel()
	if got, err := Await(t.Context(), func() (int, error) { return 7, errFull }); got != 7 || err != errFull {
		t.Errorf("got %d, %v", got, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	began, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	result := make(chan error)
	go func() {
		_, err := Await(ctx, func() (int, error) {
			close(began)
			<-end
			return 7, nil
		})
		result <- err
	}()
	ztest.Receive(t, "it has begun", began)
	cancel(errFull)
	if err := ztest.Receive(t, "Await returns", result); err != errFull {
		t.Errorf("got %v, want %v", err, errFull)
	}
}
