package main

import (
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

// publicSuffix is the suffix of a public certificate's file name.
const publicSuffix = ".key"

// maxCount limits --count.
const maxCount = 1_000_000

// generator holds the options of gen.
type generator struct {
	metadata cert.Metadata
	force    bool
	asJSON   bool
	quiet    bool
	password []byte // empty: do not lock the secret keys
}

func newGen() *cobra.Command {
	var meta []string
	var force, asJSON, lock, quiet bool
	var list nameList
	var count int
	var passphraseFile string
	cmd := &cobra.Command{
		Use:     "gen NAME...",
		Aliases: []string{"generate", "keygen", "create"},
		Short:   "Generate a key pair: NAME.key and NAME.key_secret",
		Long: `Gen generates a key pair and writes it to two files: NAME.key, which is public,
and NAME.key_secret, which only you can read. czmq and pyzmq read both, unless the
secret key is locked.

NAME can be a path. Its last element becomes the certificate's name, unless you
set another with --meta name=OTHER.

With --count N, gen creates N identities, NAME-1 to NAME-N, numbered with leading
zeros. With several names or --count, if one of them fails, gen removes the others;
with --force it keeps those it has already replaced. With --lock, all of them get
the same passphrase.`,
		Example: `  zcert gen alice
  zcert gen alice --meta email=alice@example.org --meta group=traders
  zcert gen alice --lock
  zcert gen devices/sensor --count 1000
  zcert gen --names-from serial-numbers.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := list.some(cmd, args, "NAME")
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("count") && (count < 1 || count > maxCount) {
				return cli.Usagef("--count %d: must be between 1 and %d", count, maxCount)
			}
			if cmd.Flags().Changed("count") && len(names) > 1 {
				return cli.Usagef("--count takes exactly one NAME, got %d", len(names))
			}
			if err := checkFileNames(names); err != nil {
				return err
			}
			g := generator{force: force, asJSON: asJSON, quiet: quiet}
			if g.metadata, err = parseMetadata(meta); err != nil {
				return err
			}
			if lock || passphraseFile != "" {
				if g.password, err = newPassphrase(cmd, passphraseFile, "--passphrase-file FILE"); err != nil {
					return err
				}
				defer clear(g.password)
			}
			switch {
			case cmd.Flags().Changed("count"):
				return g.many(cmd, numbered(names[0], count))
			case len(names) > 1:
				return g.many(cmd, names)
			}
			return g.one(cmd, names[0])
		},
	}
	flags := cmd.Flags()
	metadataFlag(cmd, &meta)
	flags.BoolVar(&force, "force", false, "overwrite existing files")
	flags.BoolVar(&asJSON, "json", false, "print the result as JSON")
	flags.IntVar(&count, "count", 1, "create `N` identities with numbered names")
	flags.BoolVar(&lock, "lock", false, "lock the secret key with a passphrase")
	list.addFlag(cmd)
	quietFlag(cmd, &quiet)
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// checkFileName refuses a name that cannot be a certificate's file name, or whose
// directory does not exist.
func checkFileName(name string) error {
	base := filepath.Base(name)
	if name == "" || strings.HasSuffix(name, "/") || base == "." || base == ".." {
		return cli.Hint(cli.Usagef("%q is not a file name", name), "pass a name or a path, such as alice or devices/alice")
	}
	if strings.HasSuffix(name, publicSuffix) || strings.HasSuffix(name, publicSuffix+cert.SecretSuffix) {
		return cli.Hint(cli.Usagef("NAME %q already has a suffix", name), "leave it off; zcert adds it")
	}
	dir := filepath.Dir(name)
	if info, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return cli.Hint(fmt.Errorf("%s: no such directory", cli.Subject(dir)), "create it first: mkdir -p "+cli.Quote(dir))
	} else if err == nil && !info.IsDir() {
		return fmt.Errorf("%s: not a directory", cli.Subject(dir))
	}
	return nil
}

// checkFileNames checks each name, and that no name is given twice.
func checkFileNames(names []string) error {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if err := checkFileName(name); err != nil {
			return err
		}
		if clean := filepath.Clean(name); seen[clean] {
			return cli.Usagef("duplicate NAME %q", name)
		} else {
			seen[clean] = true
		}
	}
	return nil
}

// numbered returns count names, NAME-1 and so on, with leading zeros so that all have the
// same width.
func numbered(name string, count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%0*d", name, len(fmt.Sprint(count)), i+1)
	}
	return names
}

// generated is an identity that gen created, and its files.
type generated struct {
	writtenJSON
	public, secret string
}

// make creates an identity and writes its files.
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
			err = cli.Hint(err, "choose another name, or pass --force to overwrite both files; the old keys are lost")
		}
		return generated{}, err
	}
	secret := path + cert.SecretSuffix
	return generated{writtenJSON{newCertificateJSON(c), []string{path, secret}}, path, secret}, nil
}

// one creates one identity.
func (g *generator) one(cmd *cobra.Command, name string) error {
	made, err := g.make(name)
	if err != nil {
		return err
	}
	// Reading it again prints warnings about the metadata.
	if _, err := load(cmd, made.public); err != nil {
		return err
	}
	if g.asJSON {
		return printJSON(cmd, made.writtenJSON)
	}
	if g.quiet {
		return nil
	}
	cli.Note(cmd, `public certificate: %[1]s
secret certificate: %[2]s (keep it secret)
next: zcert show %[4]s
      cp %[4]s CLIENTS/   admits %[3]s, if zauth serves --keystore dir:CLIENTS`, made.public, made.secret, cli.Printable(filepath.Base(name)), cli.Quote(made.public))
	return nil
}

// many creates identities with these names. If one fails, it removes the others.
func (g *generator) many(cmd *cobra.Command, names []string) error {
	start := time.Now()
	made := make([]generated, len(names))
	if err := each(cmd, len(names), "creating identities", g.quiet, func(i int) (err error) {
		made[i], err = g.make(names[i])
		return err
	}); err != nil {
		if !g.force {
			for _, m := range made {
				if m.public != "" {
					os.Remove(m.public)
					os.Remove(m.secret)
				}
			}
		}
		return err
	}
	if g.asJSON {
		lines := make([]writtenJSON, len(made))
		for i, m := range made {
			lines[i] = m.writtenJSON
		}
		return printJSON(cmd, lines...)
	}
	if g.quiet {
		return nil
	}
	took := time.Since(start)
	first, last := made[0], made[len(made)-1]
	cli.Note(cmd, `public certificates: %s to %s
secret certificates: %s to %s (keep them secret)
created %d in %.1f s: %.0f per second`, first.public, last.public, first.secret, last.secret,
		len(made), took.Seconds(), float64(len(made))/took.Seconds())
	return nil
}
