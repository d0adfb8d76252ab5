// Zauth is the authentication daemon for ZeroMQ: one process that tells any
// number of services, in any language, who may connect. The services ask it
// over ZAP (RFC 27).
package main

import (
	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	_ "github.com/zcurve/zcurve/keystore/boltstore"
)

func main() { cli.Main(newRoot()) }

func newRoot() *cobra.Command {
	root := cli.Root(&cobra.Command{
		Use:   "zauth",
		Short: "Decide who may connect to ZeroMQ services",
		Long: `Zauth is the authentication daemon for ZeroMQ. Services in any language ask it
over ZAP (RFC 27) who may connect to them.`,
	}, "zauth serve")
	root.AddCommand(newServe(), newCheck(), newDecide(), newHash(), newPasswd(), cli.Man(root))
	return root
}
