// Zcert makes, shows, protects and signs CURVE certificates, the keys of ZeroMQ
// peers.
package main

import (
	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	_ "github.com/zcurve/zcurve/keystore/boltstore"
)

func main() { cli.Main(newRoot()) }

func newRoot() *cobra.Command {
	root := cli.Root(&cobra.Command{
		Use:   "zcert",
		Short: "Make, protect and sign ZeroMQ certificates",
		Long: `Zcert makes and looks after CURVE certificates, the keys of ZeroMQ peers. An
identity has two files: NAME.key is public, NAME.key_secret is secret. An
authority, which signs certificates, has NAME.authority and NAME.authority_secret.

No secret is ever given on the command line: it is read from a file, stdin, or
the terminal. Commands that make files replace none that exist without --force. Some
change a file in place, as a whole or not at all: sign, revoke, lock, unlock and
passphrase. So do store add, rm, revoke and import.`,
	}, "zcert gen NAME")
	addModeFlags(root)
	root.AddCommand(
		newGen(), newShow(), newFingerprint(), newPubkey(), newConvert(),
		newLock(), newUnlock(), newPassphraseCommand(),
		newArmor(), newExtract(), newSeal(), newOpen(),
		newAuthority(), newSign(), newVerify(), newRevoke(), newStore(),
		cli.Man(root),
	)
	return root
}
