package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/keystore"
)

func newStore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Look after a keystore: the identities that a service knows",
		Long: `Store lists and changes a keystore, which is named by its URL: dir:PATH, a directory
of certificates, or bolt:FILE, one file for large sets; file:FILE and env:NAME can be
listed and exported. An identity is named by its certificate's file, by its key, or
by its name.`,
	}
	cli.Group(cmd, "zcert store ls URL")
	cmd.AddCommand(newStoreLs(), newStoreAdd(), newStoreRm(), newStoreRevoke(), newStoreUnrevoke(), newStoreExport(), newStoreImport())
	return cmd
}

// openStore opens a keystore. What is wrong in it goes to stderr.
func openStore(cmd *cobra.Command, url string) (keystore.Store, error) {
	s, err := keystore.Open(url, cli.Log(cmd))
	if errors.Is(err, fs.ErrNotExist) {
		err = cli.Hint(err, "a dir: keystore is made with its directory, mkdir PATH; a bolt: keystore by zcert store add, import or revoke")
	}
	return s, err
}

// openOrCreateStore is openStore for what adds to a keystore: the file of a bolt:
// keystore is made if it isn't there, and that is told unless it is to be quiet.
func openOrCreateStore(cmd *cobra.Command, url string, quiet bool) (keystore.Store, error) {
	if path, ok := strings.CutPrefix(url, "bolt:"); ok && path != "" {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			if err := keystore.Create(url); err != nil {
				return nil, err
			}
			if !quiet {
				cli.Note(cmd, "made %s", path)
			}
		}
	}
	return openStore(cmd, url)
}

// urlAndMore wants a URL and at least one more argument.
func urlAndMore(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return cli.Missing(cmd, "argument: expected URL and "+what)
		}
		return nil
	}
}

func newStoreAdd() *cobra.Command {
	var groups []string
	var name string
	var quiet bool
	var list fileList
	cmd := &cobra.Command{
		Use:   "add URL FILE...",
		Short: "Add the certificates in files, or replace those with their keys",
		Long: `Add adds certificates to a keystore, or replaces those with their keys. Services
know each under the name of its file without .key, or under --name; what a certificate
says of itself doesn't count. A key that is revoked in the keystore isn't added.`,
		Example: `  zcert store add dir:clients alice.key --group traders
  zcert store add bolt:clients.db upload.key --name alice
  find devices -name '*.key' | zcert store add bolt:clients.db --files-from -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if list.from != "" && len(args) == 1 {
				return nil
			}
			return urlAndMore("FILE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := list.some(cmd, args[1:])
			if err != nil {
				return err
			}
			if name != "" && len(files) > 1 {
				return cli.Usagef("--name is for one FILE, not for %d", len(files))
			}
			groups, err := splitGroups(groups)
			if err != nil {
				return err
			}
			// All are read before any is added.
			entries := make([]*keystore.Identity, 0, len(files))
			for _, path := range files {
				c, err := load(cmd, path)
				if err != nil {
					return err
				}
				c.Secret.Wipe()
				c.Secret, c.Locked = curve.SecretKey{}, nil
				e := &keystore.Identity{Name: name, Certificate: c, Groups: groups}
				if name == "" && path == "-" {
					return cli.Usagef("stdin has no file name: give --name")
				} else if name == "" {
					e.Name = strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), cert.SecretSuffix), keySuffix)
				}
				entries = append(entries, e)
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
	cmd.Flags().BoolVar(&quiet, "quiet", false, "print only warnings and errors")
	cmd.Flags().StringArrayVar(&groups, "group", nil, "put them in this `group`, or in several: \"a, b\"; repeatable")
	cmd.Flags().StringVar(&name, "name", "", "the `name` by which services know it, in place of the file's")
	return cmd
}

// splitGroups takes apart values that name a group or several, with commas between.
func splitGroups(values []string) (groups []string, err error) {
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name == "" {
				return nil, cli.Usagef("--group %q: empty name of a group", value)
			}
			groups = append(groups, name)
		}
	}
	return groups, nil
}

// keySuffix is what the name of a certificate's file ends with.
const keySuffix = ".key"

// storePart is how many certificates are added at a time.
const storePart = 1000

// putAll puts identities into a store, and says how many unless it is to be quiet.
func putAll(cmd *cobra.Command, s keystore.Store, entries []*keystore.Identity, quiet bool) error {
	bar := progress(cmd, len(entries), "adding identities", quiet)
	added := 0
	for part := range slices.Chunk(entries, storePart) {
		err := cmd.Context().Err()
		if err == nil {
			err = s.Put(part...)
		}
		if errors.Is(err, keystore.ErrRevoked) {
			err = cli.Hint(err, "zcert store unrevoke lifts a revocation")
		}
		if err != nil && len(entries) > 1 {
			err = fmt.Errorf("at least %d of %d were added: %w", added, len(entries), err)
		}
		if err != nil {
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

// progress is a bar on a terminal, for what takes long, and else, or if it is to be
// quiet, nothing.
func progress(cmd *cobra.Command, count int, what string, quiet bool) *progressbar.ProgressBar {
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && !quiet && count > 1 && term.IsTerminal(int(f.Fd())) {
		return progressbar.Default(int64(count), what)
	}
	return progressbar.DefaultSilent(int64(count))
}

func newStoreExport() *cobra.Command {
	var f storeFilter
	cmd := &cobra.Command{
		Use:   "export URL",
		Short: "Print all that is in a keystore, as a backup",
		Long: `Export prints the identities of a keystore with their names and groups, and all revoked
keys, as lines of JSON, which zcert store import and the keystores file:FILE and env:NAME
read. The filters choose identities; the revoked keys always go along.`,
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
	return &cobra.Command{
		Use:   "import URL FILE|-",
		Short: "Add all that an export holds",
		Long: `Import adds the identities that zcert store export printed to a keystore, with their
names and groups, and revokes the keys that were revoked there. A key that is revoked in
the keystore stays so, and its identity isn't added. If anything in FILE is damaged,
nothing is added. Certificates from elsewhere are added with zcert extract --out and
zcert store add.`,
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
				return cli.Hint(fmt.Errorf("%s: %w", in.path, err), "import reads what zcert store export printed")
			}
			s, err := openOrCreateStore(cmd, args[0], false)
			if err != nil {
				return err
			}
			defer s.Close()
			revoked := 0
			for key, r := range revocations {
				_, already := s.Revocation(key)
				if err := s.Restore(key, r); err != nil {
					return err
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
			if revoked > 0 {
				cli.Note(cmd, "revoked: %d", revoked)
			}
			return nil
		},
	}
}
