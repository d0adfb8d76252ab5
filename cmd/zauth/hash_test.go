package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/ztest"
)

// silent is an input that reports when it is read, and then blocks.
type silent chan struct{}

func (s silent) Read([]byte) (int, error) {
	close(s)
	select {}
}

// TestHashCanceled: a signal ends zauth while it waits for a password.
func TestHashCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	input := make(silent)
	code := make(chan int)
	var stdout, stderr strings.Builder
	go func() { code <- cli.Run(ctx, newRoot(), []string{"hash"}, input, &stdout, &stderr) }()
	ztest.Receive(t, "zauth reads its input", input)
	cancel(errors.New("that is enough"))
	if got := ztest.Receive(t, "zauth hash ends", code); got != cli.ExitFailed {
		t.Errorf("exit code %d", got)
	}
	if !strings.Contains(stderr.String(), "that is enough") || stdout.String() != "" {
		t.Errorf("got %q and %q", stdout.String(), stderr.String())
	}
}
