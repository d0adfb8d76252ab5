package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

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
		Args: cli.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return cli.Usagef(`no command: try "zcert store ls URL" or "zcert store --help"`)
		},
	}
	cmd.AddCommand(newStoreLs(), newStoreAdd(), newStoreRm(), newStoreRevoke(), newStoreUnrevoke(), newStoreExport(), newStoreImport())
	return cmd
}

// openStore opens a keystore. What is wrong in it goes to stderr.
func openStore(cmd *cobra.Command, url string) (keystore.Store, error) {
	s, err := keystore.Open(url, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})))
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
				note(cmd, "made %s", path)
			}
		}
	}
	return openStore(cmd, url)
}

// urlAndMore wants a URL and at least one more argument.
func urlAndMore(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return cli.Usagef("want a URL and at least one %s: try \"%s --help\"", what, cmd.CommandPath())
		}
		return nil
	}
}

// storeFilter is which identities are wanted.
type storeFilter struct {
	group, name              string
	active, revoked, expired bool
}

func (f *storeFilter) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.group, "group", "", "only identities in this group")
	flags.StringVar(&f.name, "name", "", "only identities whose name has this in it")
	flags.BoolVar(&f.active, "active", false, "only identities that are neither revoked nor out of their validity")
	flags.BoolVar(&f.revoked, "revoked", false, "only identities that are revoked")
	flags.BoolVar(&f.expired, "expired", false, "only identities that have expired")
	cmd.MarkFlagsMutuallyExclusive("active", "revoked", "expired")
}

// listed is an identity, or a revoked key, as ls prints it.
type listed struct {
	Name      string     `json:"name"`
	UserID    string     `json:"user_id,omitempty"`
	PublicKey string     `json:"public_key"`
	State     string     `json:"state"`
	Groups    []string   `json:"groups,omitempty"`
	NotAfter  *time.Time `json:"not_after,omitempty"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Source    string     `json:"source,omitempty"`
}

// state is what becomes of an identity that connects now.
func state(id *keystore.Identity, now time.Time) string {
	switch err := id.Certificate.Validity.Check(now); {
	case errors.Is(err, cert.ErrNotYetValid):
		return "not valid yet"
	case err != nil:
		return "expired"
	}
	return "active"
}

// apply returns what is wanted, by name.
func (f *storeFilter) apply(s keystore.Store) []listed {
	now := time.Now()
	found := []listed{}
	for id := range f.identities(s) {
		found = append(found, listed{Name: id.Name, UserID: id.UserID, PublicKey: id.Key().String(), State: state(id, now), Groups: id.Groups,
			NotAfter: timeOrNil(id.Certificate.Validity.NotAfter), Source: id.Source})
	}
	for key, r := range s.Revocations() {
		if r.InForce() && !f.active && !f.expired && f.matches(r.Name, r.Groups) {
			found = append(found, listed{Name: r.Name, PublicKey: key.String(), State: "revoked", Groups: r.Groups,
				RevokedAt: timeOrNil(r.Time), Reason: r.Reason})
		}
	}
	slices.SortFunc(found, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.PublicKey, b.PublicKey))
	})
	return found
}

// identities yields the identities that are wanted.
func (f *storeFilter) identities(s keystore.Store) iter.Seq[*keystore.Identity] {
	now := time.Now()
	return func(yield func(*keystore.Identity) bool) {
		for id := range s.All() {
			is := state(id, now)
			if f.revoked || !f.matches(id.Name, id.Groups) || f.active && is != "active" || f.expired && is != "expired" {
				continue
			}
			if !yield(id) {
				return
			}
		}
	}
}

func (f *storeFilter) matches(name string, groups []string) bool {
	return strings.Contains(name, f.name) && (f.group == "" || slices.Contains(groups, f.group))
}

// shown is a name as it is safe to print on a terminal.
func shown(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == '"' }) {
		return strconv.Quote(name)
	}
	return name
}

func newStoreLs() *cobra.Command {
	var f storeFilter
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls URL",
		Short: "List the identities and the revoked keys",
		Args:  cli.OneArg("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openStore(cmd, args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			list := f.apply(s)
			if asJSON {
				return writeJSON(cmd, list)
			}
			return cli.Print(cmd, func(out io.Writer) {
				for _, l := range list {
					fmt.Fprintf(out, "%s  %-8s", l.PublicKey, l.State)
					if l.Name != "" { // a key can be revoked whose owner isn't known
						fmt.Fprintf(out, "  %s", shown(l.Name))
					}
					if len(l.Groups) > 0 {
						fmt.Fprintf(out, "  (%s)", shown(strings.Join(l.Groups, ", ")))
					}
					fmt.Fprintln(out)
				}
			})
		},
	}
	f.addFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print them as JSON")
	return cmd
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
			entries := make([]keystore.Entry, 0, len(files))
			for _, path := range files {
				c, err := load(cmd, path)
				if err != nil {
					return err
				}
				c.Secret.Wipe()
				c.Secret, c.Locked = curve.SecretKey{}, nil
				e := keystore.Entry{Name: name, Certificate: c, Groups: groups}
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
func putAll(cmd *cobra.Command, s keystore.Store, entries []keystore.Entry, quiet bool) error {
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
		note(cmd, "added: %d", len(entries))
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

// who is whom an argument names.
type who struct {
	key  curve.PublicKey
	name string // in the store, or ""
}

func (w who) String() string {
	if w.name == "" {
		return w.key.String()
	}
	return shown(w.name) + " " + w.key.String()
}

// whose returns whom arguments name: by certificate, by key or by name. One that names
// several is an error.
func whose(cmd *cobra.Command, s keystore.Store, names []string) ([]who, error) {
	var all []who
	for _, name := range names {
		found := map[curve.PublicKey]bool{}
		if key, err := curve.ParsePublicKey(name); err == nil {
			found[key] = true
		}
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			c, err := load(cmd, name)
			if err != nil {
				return nil, err
			}
			c.Secret.Wipe()
			found[c.Public] = true
		}
		for id := range s.All() {
			if id.Name == name {
				found[id.Key()] = true
			}
		}
		if len(found) == 0 {
			for key, r := range s.Revocations() {
				if r.Name == name {
					found[key] = true
				}
			}
		}
		switch len(found) {
		case 1:
		case 0:
			return nil, fmt.Errorf("%s: no such file, key or name in the keystore", shown(name))
		default:
			return nil, cli.Hint(fmt.Errorf("%s: names %d keys, as a file or in the keystore", shown(name), len(found)),
				"say which by its key: zcert store ls URL --name "+name)
		}
		for key := range found {
			w := who{key: key}
			if id, ok := s.Lookup(key); ok {
				w.name = id.Name
			} else if r, ok := s.Revocation(key); ok {
				w.name = r.Name
			}
			all = append(all, w)
		}
	}
	return all, nil
}

// changeEach changes what arguments name in a store, and says whom.
func changeEach(cmd *cobra.Command, s keystore.Store, names []string, change func(who) error, done string) error {
	all, err := whose(cmd, s, names)
	if err != nil {
		return err
	}
	for _, w := range all {
		if err := change(w); err != nil {
			return err
		}
		note(cmd, "%s: %s", done, w)
	}
	return nil
}

func newStoreRm() *cobra.Command {
	return &cobra.Command{
		Use:   "rm URL FILE|KEY|NAME...",
		Short: "Forget identities",
		Long: `Rm removes identities from a keystore. Their keys are unknown then, and can be added
again: to keep a key out, revoke it. A revocation stays.`,
		Args: urlAndMore("FILE, KEY or NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openStore(cmd, args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			return changeEach(cmd, s, args[1:], func(w who) error { return s.Remove(w.key) }, "removed")
		},
	}
}

func newStoreRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke URL FILE|KEY|NAME...",
		Short: "Refuse keys from now on, and remember why",
		Long: `Revoke refuses keys from now on, whatever certificate they come with, also keys that
the keystore doesn't know. The keystore remembers each by the key alone: to add, import
or copy its certificate again doesn't bring it back. zcert store unrevoke does.`,
		Args: urlAndMore("FILE, KEY or NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openOrCreateStore(cmd, args[0], false)
			if err != nil {
				return err
			}
			defer s.Close()
			now := time.Now()
			return changeEach(cmd, s, args[1:], func(w who) error { return s.Revoke(w.key, now, reason) }, "revoked")
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	return cmd
}

func newStoreUnrevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "unrevoke URL FILE|KEY|NAME...",
		Short: "Lift the revocation of keys",
		Long: `Unrevoke lifts revocations of a keystore: the owners of these keys can connect again.
The identity that had the key is there again, if the keystore kept its certificate. When
and why the revocation was lifted is noted in the keystore, and a zauth that remembers
the revocation forgets it. Revocations by an authority stay.`,
		Args: urlAndMore("FILE, KEY or NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openStore(cmd, args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			now := time.Now()
			return changeEach(cmd, s, args[1:], func(w who) error {
				if _, revoked := s.Revocation(w.key); !revoked {
					warn(cmd, "%s: not revoked in this keystore: noted for a zauth that remembers it", w)
				}
				if err := s.Unrevoke(w.key, now, reason); err != nil {
					return err
				}
				if _, ok := s.Lookup(w.key); !ok {
					warn(cmd, "%s: its certificate wasn't kept, or another has its name: add it with zcert store add", w)
				}
				return nil
			}, "no longer revoked")
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	return cmd
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
				return cli.Usagef("expected a URL and one FILE, got %d arguments: try \"%s --help\"", len(args), cmd.CommandPath())
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
			all, err := keystore.Import(text)
			if err != nil {
				return cli.Hint(fmt.Errorf("%s: %w", in.path, err), "import reads what zcert store export printed")
			}
			s, err := openOrCreateStore(cmd, args[0], false)
			if err != nil {
				return err
			}
			defer s.Close()
			revoked := 0
			for key, r := range all.Revocations {
				_, already := s.Revocation(key)
				if err := s.Restore(key, r); err != nil {
					return err
				}
				if !already && r.InForce() {
					revoked++
				}
			}
			entries := slices.DeleteFunc(all.Entries, func(e keystore.Entry) bool {
				r, isRevoked := s.Revocation(e.Certificate.Public)
				if isRevoked {
					warn(cmd, "%s: not added: key %v", shown(e.Name), r)
				}
				return isRevoked
			})
			if err := putAll(cmd, s, entries, false); err != nil {
				return err
			}
			if revoked > 0 {
				note(cmd, "revoked: %d", revoked)
			}
			return nil
		},
	}
}
