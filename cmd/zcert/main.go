// Zcert creates, protects, signs and revokes CURVE certificates, which hold the keys
// of ZeroMQ peers.
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
		Use:   "zcert",
		Short: "Create and manage ZeroMQ certificates",
		Long: `Zcert creates and manages CURVE certificates, which hold the keys of ZeroMQ
peers.

An identity has two files: NAME.key is public, and NAME.key_secret holds the
secret key. An authority, which signs certificates, has NAME.authority and
NAME.authority_secret.

Zcert reads secrets from a file, stdin or the terminal, never from the command
line. A command that creates files overwrites none without --force. These commands
change a file in place, completely or not at all: sign, revoke, lock, unlock and
passphrase. The store commands add, rm, revoke, unrevoke and import change a
keystore.`,
	}, "zcert gen NAME")
	addModeFlags(root)
	root.AddCommand(
		newGen(), newShow(), newFingerprint(), newPubkey(), newConvert(),
		newLock(), newUnlock(), newPassphraseCommand(),
		newArmor(), newExtract(), newSeal(), newOpen(),
		newAuthority(), newSign(), newVerify(), newRevoke(), newStore(),
		cli.Man(root, manTexts),
	)
	addCompletions(root)
	return root
}
