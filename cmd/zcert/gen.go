package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// publicSuffix is what the name of a public certificate's file ends with.
const publicSuffix = ".key"

// maxCount is how many identities are made at once, at most.
const maxCount = 1_000_000

// generator is what gen was told to do.
type generator struct {
	metadata cert.Metadata
	force    bool
	password []byte // empty: the secrets are not locked
}

func newGen() *cobra.Command {
	var meta []string
	var force, asJSON, lock bool
	var count int
	var passphraseFile string
	cmd := &cobra.Command{
		Use:   "gen NAME",
		Short: "Make a new identity: NAME.key and NAME.key_secret",
		Long: `Gen makes a new key pair and writes it to two files: NAME.key, which is public,
and NAME.key_secret, which only you can read. czmq, pyzmq, goczmq and JeroMQ
read both, unless the secret is locked with a passphrase.

With --count, it makes many: NAME-1, NAME-2 and so on, with as many digits as
the last one has. If one can't be made, none are.`,
		Example: `  zcert gen alice
  zcert gen alice --meta email=alice@example.org --meta group=traders
  zcert gen alice --lock
  zcert gen devices/sensor --count 1000`,
		Args: cli.OneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFileName(args[0]); err != nil {
				return err
			}
			if cmd.Flags().Changed("count") && (count < 1 || count > maxCount) {
				return cli.Usagef("--count %d: want 1 to %d", count, maxCount)
			}
			g := generator{force: force}
			var err error
			if g.metadata, err = parseMetadata(meta); err != nil {
				return err
			}
			if lock || passphraseFile != "" {
				if g.password, err = newPassphrase(cmd, passphraseFile, "--passphrase-file FILE"); err != nil {
					return err
				}
				defer clear(g.password)
			}
			if cmd.Flags().Changed("count") {
				return g.many(cmd, args[0], count, asJSON)
			}
			return g.one(cmd, args[0], asJSON)
		},
	}
	flags := cmd.Flags()
	metadataFlag(cmd, &meta)
	flags.BoolVar(&force, "force", false, "replace files that exist")
	flags.BoolVar(&asJSON, "json", false, "say what was written as JSON on stdout")
	flags.IntVar(&count, "count", 1, "make `N` identities, with numbered names")
	flags.BoolVar(&lock, "lock", false, "lock the secret key with a passphrase")
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// checkFileName refuses a name that no certificate's file can have, or whose
// directory isn't there.
func checkFileName(name string) error {
	base := filepath.Base(name)
	if name == "" || strings.HasSuffix(name, "/") || base == "." || base == ".." {
		return cli.Usagef("%q is no name for a file", name)
	}
	if strings.HasSuffix(name, publicSuffix) || strings.HasSuffix(name, publicSuffix+cert.SecretSuffix) {
		return cli.Usagef("NAME is %q: give it without the suffix, which is added", name)
	}
	dir := filepath.Dir(name)
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return cli.Hint(fmt.Errorf("%s: no such directory", dir), "mkdir -p "+dir)
	} else if err == nil && !info.IsDir() {
		return fmt.Errorf("%s: not a directory", dir)
	}
	return nil
}

// generated is what gen says as JSON.
type generated struct {
	Name      string `json:"name"`
	PublicKey string `json:"public_key"`
	Public    string `json:"public"`
	Secret    string `json:"secret"`
}

// make makes an identity and writes its files.
func (g *generator) make(name string) (generated, error) {
	c := cert.Generate("")
	c.Metadata = withName(g.metadata, filepath.Base(name))
	defer c.Secret.Wipe()
	if len(g.password) > 0 {
		if err := c.Lock(g.password); err != nil {
			return generated{}, err
		}
	}
	path := name + publicSuffix
	if err := c.Save(path, replaceIf(g.force)...); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = cli.Hint(err, "choose another name, or give --force to replace both files: the keys in them will be lost")
		}
		return generated{}, err
	}
	return generated{Name: c.Name(), PublicKey: c.Public.String(), Public: path, Secret: path + cert.SecretSuffix}, nil
}

// one makes one identity.
func (g *generator) one(cmd *cobra.Command, name string, asJSON bool) error {
	made, err := g.make(name)
	if err != nil {
		return err
	}
	// What was written may have to be warned of.
	if _, err := load(cmd, made.Public); err != nil {
		return err
	}
	if asJSON {
		return writeJSON(cmd, made)
	}
	cli.Note(cmd, `public certificate: %[1]s
secret certificate: %[2]s (keep it where it is used)
next: zcert show %[1]s
      cp %[1]s CLIENTS/   lets its owner in where zauth serves --keystore dir:CLIENTS`, made.Public, made.Secret)
	return nil
}

// many makes count identities, or none.
func (g *generator) many(cmd *cobra.Command, name string, count int, asJSON bool) error {
	start := time.Now()
	made := make([]generated, count)
	if err := each(cmd, count, "making identities", false, func(i int) (err error) {
		made[i], err = g.make(fmt.Sprintf("%s-%0*d", name, len(fmt.Sprint(count)), i+1))
		return err
	}); err != nil {
		if !g.force {
			for _, m := range made {
				if m.Public != "" {
					os.Remove(m.Public)
					os.Remove(m.Secret)
				}
			}
		}
		return err
	}
	if asJSON {
		return writeJSON(cmd, made)
	}
	took := time.Since(start)
	first, last := made[0], made[count-1]
	cli.Note(cmd, `public certificates: %s to %s
secret certificates: %s to %s (keep each where it is used)
made %d in %.1f s: %.0f a second`, first.Public, last.Public, first.Secret, last.Secret,
		count, took.Seconds(), float64(count)/took.Seconds())
	return nil
}

// writeJSON writes v to stdout.
func writeJSON(cmd *cobra.Command, v any) error {
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
