// Zauth is an authentication daemon for ZeroMQ: one process that decides, for any
// number of services in any language, which clients may connect. Services ask it
// over ZAP (RFC 27).
package main

import (
	"embed"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	_ "github.com/zcurve/zcurve/keystore/boltstore"
)

// manTexts are the texts of manual pages: see cli.Man.
//
//go:embed man
var manTexts embed.FS

func main() { cli.Main(newRoot()) }

func newRoot() *cobra.Command {
	root := cli.Root(&cobra.Command{
		Use:   "zauth",
		Short: "Authentication daemon for ZeroMQ services",
		Long: `Zauth is an authentication daemon for ZeroMQ. Services in any language ask it
over ZAP (RFC 27) whether a client may connect. Zauth decides from a directory
of certificates or from a policy file, and logs its decisions.`,
	}, "zauth serve")
	root.AddCommand(newServe(), newConfig(), newStatus(), newWatch(), newClients(), newPending(), newAdmit(), newDeny(), newAudit(), newCheck(), newDecide(), newHash(), newPasswd(), cli.Man(root, manTexts))
	return addCompletions(root)
}
