// Zcert creates, protects, signs and revokes CURVE certificates, which hold the keys
// of ZeroMQ peers.
package main

import (
	"embed"
	"strconv"

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
		Example: `  zcert gen alice
  zcert authority new acme --lock
  zcert sign alice.key --authority acme.authority_secret --valid 90d
  zcert verify alice.key --authority acme.authority
  zcert store add dir:clients alice.key`,
	}, "zcert gen NAME")
	addModeFlags(root)
	for i, group := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Keys and certificates:", []*cobra.Command{newGen(), newShow(), newFingerprint(), newPubkey(), newConvert(), newBundle(), newSnippet()}},
		{"Passphrases:", []*cobra.Command{newLock(), newUnlock(), newPassphraseCommand()}},
		{"Email:", []*cobra.Command{newArmor(), newExtract(), newSeal(), newOpen()}},
		{"Authorities:", []*cobra.Command{newAuthority(), newSign(), newVerify(), newRevoke()}},
		{"Keystores:", []*cobra.Command{newStore()}},
		{"Network:", []*cobra.Command{newProbe(), newScan(), newDecode()}},
	} {
		id := strconv.Itoa(i)
		root.AddGroup(&cobra.Group{ID: id, Title: group.title})
		for _, cmd := range group.commands {
			cmd.GroupID = id
			root.AddCommand(cmd)
		}
	}
	root.AddCommand(cli.Man(root, manTexts))
	addCompletions(root)
	return root
}
