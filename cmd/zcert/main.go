// Zcert makes and shows CURVE certificates, the keys of ZeroMQ peers.
package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
)

func main() {
	os.Exit(cli.Run(context.Background(), newRoot(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func newRoot() *cobra.Command {
	root := cli.Root(&cobra.Command{
		Use:   "zcert",
		Short: "Make and show ZeroMQ certificates",
		Long: `Zcert makes and shows CURVE certificates, the keys of ZeroMQ peers. An identity
has two files: NAME.key is public, NAME.key_secret is secret.`,
	}, "zcert gen NAME")
	root.AddCommand(newGen(), newShow())
	return root
}
