package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/storeurl"
	"github.com/zcurve/zcurve/keystore"
)

func newStore() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "store",
		Aliases: []string{"keystore"},
		Short:   "List and change the identities in a keystore",
		Long: `Store lists and changes the identities in a keystore. URL names the keystore:

  dir:PATH    a directory of certificates
  bolt:FILE   one database file, for large sets
  file:FILE   a backup, or armored certificates, in a file (read-only)
  env:NAME    the same in an environment variable (read-only)

Name an identity by its certificate file, by its key, or by its name in the
keystore, if only one identity has that name. A running zauth notices all changes.`,
	}
	cli.Group(cmd, "zcert store ls URL")
	cmd.AddCommand(newStoreLs(), newStoreAdd(), newStoreRm(), newStoreRevoke(), newStoreUnrevoke(), newStoreExport(), newStoreImport())
	return cmd
}

// openStore opens a keystore. It prints what the keystore logs.
func openStore(cmd *cobra.Command, url string) (keystore.Store, error) {
	s, err := keystore.Open(url, cli.Log(cmd))
	if errors.Is(err, fs.ErrNotExist) {
		if path, ok := strings.CutPrefix(url, "bolt:"); ok {
			err = cli.Hintf(err, "create %s by adding certificates: zcert store add %s FILE", path, cli.Quote(url))
		} else if path = strings.TrimPrefix(url, "dir:"); !strings.HasPrefix(url, "file:") {
			err = cli.Hint(err, "create the directory first: mkdir "+cli.Quote(path))
		}
	}
	return s, err
}

// openOrCreateStore is openStore for commands that add to a keystore. It creates the file
// of a bolt: keystore.
func openOrCreateStore(cmd *cobra.Command, url string, quiet bool) (keystore.Store, error) {
	if kind, path := storeurl.Split(url); kind == storeurl.Bolt && path != "" {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			if err := keystore.Create(url); err != nil {
				return nil, err
			}
			if !quiet {
				cli.Note(cmd, "created %s", path)
			}
		}
	}
	return openStore(cmd, url)
}

func newStoreAdd() *cobra.Command {
	var groups []string
	var name string
	var quiet bool
	var list nameList
	cmd := &cobra.Command{
		Use:     "add URL FILE...",
		Aliases: []string{"put"},
		Short:   "Add certificates, replacing those with the same key",
		Long: `Add adds certificates to a keystore, replacing those with the same key. An identity
gets the name of its file without .key, or --name, and not the name in its
certificate. Add refuses keys that are revoked in the keystore.`,
		Example: `  zcert store add dir:clients alice.key --group traders
  zcert store add bolt:clients.db upload.key --name alice
  find devices -name '*.key' | zcert store add bolt:clients.db --names-from -`,
		Args: func(cmd *cobra.Command, args []string) error { return list.urlAndMore("FILE")(cmd, args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := list.some(cmd, args[1:], "FILE")
			if err != nil {
				return err
			}
			if name != "" && len(files) > 1 {
				return cli.Usagef("--name takes exactly one FILE, got %d", len(files))
			}
			groups, err := splitGroups(groups)
			if err != nil {
				return err
			}
			// Read all of them before adding any.
			entries := make([]*keystore.Identity, len(files))
			if err := each(cmd, len(files), "reading certificates", quiet, func(i int) error {
				path := files[i]
				c, err := load(cmd, path)
				if err != nil {
					return err
				}
				c.Secret.Wipe()
				e := &keystore.Identity{Name: name, Certificate: c.WithoutSecret(), Groups: groups}
				if name == "" && path == "-" {
					return cli.Usagef("stdin has no file name: pass --name")
				} else if name == "" {
					e.Name = nameOfFile(path)
				}
				entries[i] = e
				return nil
			}); err != nil {
				return err
			}
			s, err := openOrCreateStore(cmd, args[0], quiet)
			if err != nil {
				return err
			}
			defer s.Close()
			return putAll(cmd, s, entries, quiet)
		},
	}
	list.addFlag(cmd)
	quietFlag(cmd, &quiet)
	cmd.Flags().StringArrayVar(&groups, "group", nil, "add the identities to `GROUP`, or to several: \"a, b\"; repeatable")
	cmd.Flags().StringVar(&name, "name", "", "use `NAME` instead of the file's name")
	return cmd
}

// splitGroups splits values at commas.
func splitGroups(values []string) (groups []string, err error) {
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name == "" {
				return nil, cli.Usagef("--group %q: empty group name", value)
			}
			groups = append(groups, name)
		}
	}
	return groups, nil
}

// storePart is the number of certificates to add at once.
const storePart = 1000

// changeHint adds a hint with the next command to an error from changing a keystore.
func changeHint(err error) error {
	switch {
	case errors.Is(err, keystore.ErrRevoked):
		return cli.Hint(err, "to admit it again: zcert store unrevoke URL KEY")
	case errors.Is(err, keystore.ErrNotFound):
		return cli.Hint(err, "list the identities with: zcert store ls URL")
	case errors.Is(err, keystore.ErrReadOnly):
		return cli.Hint(err, "change the keystore that this text comes from, and export that: zcert store export URL")
	}
	return err
}

// putAll adds identities to a keystore, and prints how many.
func putAll(cmd *cobra.Command, s keystore.Store, entries []*keystore.Identity, quiet bool) error {
	bar := cli.Progress(cmd, len(entries), "adding identities", quiet)
	added := 0
	for part := range slices.Chunk(entries, storePart) {
		err := cmd.Context().Err()
		if err == nil {
			err = s.Put(part...)
		}
		err = changeHint(err)
		if err != nil && len(entries) > 1 {
			err = fmt.Errorf("stopped after adding at least %d of %d: %w", added, len(entries), err)
		}
		if err != nil {
			bar.Exit()
			return err
		}
		added += len(part)
		bar.Add(len(part))
	}
	bar.Finish()
	if !quiet {
		cli.Note(cmd, "added: %d", len(entries))
	}
	return nil
}

func newStoreExport() *cobra.Command {
	var f storeFilter
	cmd := &cobra.Command{
		Use:   "export URL",
		Short: "Print a backup of a keystore",
		Long: `Export prints the identities of a keystore with their names and groups, and all
revoked keys, as lines of JSON. Zcert store import and the keystores file:FILE and
env:NAME read them. The filters select identities; export always prints all revoked
keys.`,
		Args: cli.OneArg("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openStore(cmd, args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			identities := slices.SortedFunc(f.identities(s), func(a, b *keystore.Identity) int {
				return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key().String(), b.Key().String()))
			})
			return keystore.Export(cmd.OutOrStdout(), identities, maps.Collect(s.Revocations()))
		},
	}
	f.addFlags(cmd)
	return cmd
}

func newStoreImport() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "import URL FILE|-",
		Short: "Restore a backup of a keystore",
		Long: `Import adds the output of zcert store export to a keystore: identities with their
names and groups, and revoked keys. A key that is revoked in the keystore remains
revoked, and import does not add its identity. If FILE is damaged, import changes
nothing.

To add armored certificates, use zcert extract --out and zcert store add.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return cli.Usagef("expected URL and one FILE, got %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := open(cmd, args[1])
			if err != nil {
				return err
			}
			text, err := in.read()
			if err != nil {
				return err
			}
			ids, revocations, err := keystore.Import(text)
			if err != nil {
				return cli.Hint(fmt.Errorf("%s: %w", cli.Subject(in.path), err), "import reads the output of zcert store export")
			}
			s, err := openOrCreateStore(cmd, args[0], quiet)
			if err != nil {
				return err
			}
			defer s.Close()
			revoked := 0
			for key, r := range revocations {
				_, already := s.Revocation(key)
				if err := s.Restore(key, r); err != nil {
					return changeHint(err)
				}
				if !already && r.InForce() {
					revoked++
				}
			}
			ids = slices.DeleteFunc(ids, func(id *keystore.Identity) bool {
				r, isRevoked := s.Revocation(id.Key())
				if isRevoked {
					cli.Warn(cmd, "%s: not added: key %v", shown(id.Name), r)
				}
				return isRevoked
			})
			if err := putAll(cmd, s, ids, false); err != nil {
				return err
			}
			if revoked > 0 && !quiet {
				cli.Note(cmd, "revoked: %d", revoked)
			}
			return nil
		},
	}
	quietFlag(cmd, &quiet)
	return cmd
}
