package main

import (
	"context"
	"sync/atomic"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/zcurve/zcurve/internal/cli"
)

// writers is the number of files that are written at once.
const writers = 16

// shownEach is the largest number of files that are listed one by one. For more, there is
// a summary.
const shownEach = 20

// each calls work with every number below count, several at a time, and shows the
// progress. It stops at the first error, or when ctx is canceled.
func each(cmd *cobra.Command, count int, what string, quiet bool, work func(i int) error) error {
	bar := cli.Progress(cmd, count, what, quiet)
	var next atomic.Int64
	group, ctx := errgroup.WithContext(cmd.Context())
	for range min(writers, count) {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= count {
					return nil
				}
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err := work(i); err != nil {
					return err
				}
				bar.Add(1)
			}
		})
	}
	if err := group.Wait(); err != nil {
		bar.Exit()
		return err
	}
	bar.Finish()
	return nil
}

// quietFlag adds --quiet to a command.
func quietFlag(cmd *cobra.Command, quiet *bool) {
	cmd.Flags().BoolVar(quiet, "quiet", false, "print only warnings and errors")
}
