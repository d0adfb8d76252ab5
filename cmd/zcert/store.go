package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

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
by its name if only one has it.`,
		Args: cli.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return cli.Usagef(`no command: try "zcert store ls URL" or "zcert store --help"`)
		},
	}
	cmd.AddCommand(newStoreLs(), newStoreAdd(), newStoreRm(), newStoreRevoke(), newStoreExport(), newStoreImport())
	return cmd
}

// openStore opens a keystore. What is wrong in it goes to stderr.
func openStore(cmd *cobra.Command, url string) (keystore.Store, error) {
	s, err := keystore.Open(url, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if errors.Is(err, fs.ErrNotExist) {
		err = cli.Hint(err, "a keystore is made with its directory: mkdir PATH")
	}
	return s, err
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

// state is what becomes of an identity that comes now.
func state(id *keystore.Identity, now time.Time) string {
	switch err := id.Certificate.Validity.Check(now); {
	case id.Revoked != nil:
		return "revoked"
	case errors.Is(err, cert.ErrNotYetValid):
		return "not valid yet"
	case err != nil:
		return "expired"
	}
	return "active"
}

// apply returns the identities that are wanted, by name.
func (f *storeFilter) apply(s keystore.Store) []*keystore.Identity {
	now := time.Now()
	var found []*keystore.Identity
	for id := range s.All() {
		is := state(id, now)
		if f.group != "" && !id.InGroup(f.group) || !strings.Contains(id.Name, f.name) ||
			f.active && is != "active" || f.revoked && is != "revoked" || f.expired && is != "expired" {
			continue
		}
		found = append(found, id)
	}
	slices.SortFunc(found, func(a, b *keystore.Identity) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), strings.Compare(a.Key().String(), b.Key().String()))
	})
	return found
}

// listed is an identity as ls prints it.
type listed struct {
	Name      string     `json:"name"`
	PublicKey string     `json:"public_key"`
	State     string     `json:"state"`
	Groups    []string   `json:"groups,omitempty"`
	NotAfter  *time.Time `json:"not_after,omitempty"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Source    string     `json:"source,omitempty"`
}

func newStoreLs() *cobra.Command {
	var f storeFilter
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls URL",
		Short: "List the identities",
		Args:  cli.OneArg("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openStore(cmd, args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			now := time.Now()
			list := []listed{}
			for _, id := range f.apply(s) {
				l := listed{Name: id.Name, PublicKey: id.Key().String(), State: state(id, now), Groups: id.Groups,
					NotAfter: timeOrNil(id.Certificate.Validity.NotAfter), Source: id.Source}
				if id.Revoked != nil {
					l.RevokedAt, l.Reason = &id.Revoked.Time, id.Revoked.Reason
				}
				list = append(list, l)
			}
			if asJSON {
				return writeJSON(cmd, list)
			}
			return cli.Print(cmd, func(out io.Writer) {
				for _, l := range list {
					fmt.Fprintf(out, "%s  %-8s  %s", l.PublicKey, l.State, l.Name)
					if len(l.Groups) > 0 {
						fmt.Fprintf(out, "  (%s)", strings.Join(l.Groups, ", "))
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
	cmd := &cobra.Command{
		Use:   "add URL FILE...",
		Short: "Add the certificates in files, or replace those with their keys",
		Args:  urlAndMore("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			// All are read before any is added.
			var certificates []*cert.Certificate
			for _, path := range args[1:] {
				c, err := load(cmd, path)
				if err != nil {
					return err
				}
				c.Secret.Wipe()
				c.Secret, c.Locked = curve.SecretKey{}, nil
				certificates = append(certificates, c)
			}
			return putAll(cmd, args[0], certificates, groups)
		},
	}
	cmd.Flags().StringArrayVar(&groups, "group", nil, "put them in this `group`; in a bolt: store repeatable")
	return cmd
}

// storePart is how many certificates are added at a time.
const storePart = 1000

// putAll puts certificates into a store.
func putAll(cmd *cobra.Command, url string, certificates []*cert.Certificate, groups []string) error {
	s, err := openStore(cmd, url)
	if err != nil {
		return err
	}
	defer s.Close()
	bar := progress(cmd, len(certificates), "adding identities")
	added := 0
	for part := range slices.Chunk(certificates, storePart) {
		err := cmd.Context().Err()
		if err == nil {
			err = s.PutAll(part, groups...)
		}
		if err != nil {
			return fmt.Errorf("at least %d of %d were added: %w", added, len(certificates), err)
		}
		added += len(part)
		bar.Add(len(part))
	}
	bar.Finish()
	note(cmd, "added: %d", len(certificates))
	return nil
}

// progress is a bar on a terminal, for what takes long, and else nothing.
func progress(cmd *cobra.Command, count int, what string) *progressbar.ProgressBar {
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && count > 1 && term.IsTerminal(int(f.Fd())) {
		return progressbar.Default(int64(count), what)
	}
	return progressbar.DefaultSilent(int64(count))
}

// keysOf returns the keys of identities: by certificate, by key or by name.
func keysOf(cmd *cobra.Command, s keystore.Store, names []string) ([]curve.PublicKey, error) {
	var keys []curve.PublicKey
	for _, name := range names {
		if key, err := curve.ParsePublicKey(name); err == nil {
			keys = append(keys, key)
			continue
		}
		if _, err := os.Stat(name); err == nil {
			c, err := load(cmd, name)
			if err != nil {
				return nil, err
			}
			c.Secret.Wipe()
			keys = append(keys, c.Public)
			continue
		}
		var found []curve.PublicKey
		for id := range s.All() {
			if id.Name == name {
				found = append(found, id.Key())
			}
		}
		switch len(found) {
		case 1:
			keys = append(keys, found[0])
		case 0:
			return nil, fmt.Errorf("%s: no such file, key or name in the keystore", name)
		default:
			return nil, cli.Hint(fmt.Errorf("%s: %d identities have this name", name, len(found)), "say which by its key: zcert store ls URL --name "+name)
		}
	}
	return keys, nil
}

// changeEach changes identities of a store, all of which must be there.
func changeEach(cmd *cobra.Command, args []string, change func(keystore.Store, curve.PublicKey) error, done string) error {
	s, err := openStore(cmd, args[0])
	if err != nil {
		return err
	}
	defer s.Close()
	keys, err := keysOf(cmd, s, args[1:])
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, ok := s.Lookup(key); !ok {
			return fmt.Errorf("%v: %w", key, keystore.ErrNotFound)
		}
	}
	for _, key := range keys {
		if err := change(s, key); err != nil {
			return err
		}
	}
	note(cmd, "%s: %d", done, len(keys))
	return nil
}

func newStoreRm() *cobra.Command {
	return &cobra.Command{
		Use:   "rm URL FILE|KEY|NAME...",
		Short: "Forget identities",
		Args:  urlAndMore("FILE, KEY or NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeEach(cmd, args, keystore.Store.Remove, "removed")
		},
	}
}

func newStoreRevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke URL FILE|KEY|NAME...",
		Short: "Refuse identities from now on, and remember why",
		Args:  urlAndMore("FILE, KEY or NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			return changeEach(cmd, args, func(s keystore.Store, key curve.PublicKey) error {
				return s.Revoke(key, now, reason)
			}, "revoked")
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	return cmd
}

func newStoreExport() *cobra.Command {
	var f storeFilter
	cmd := &cobra.Command{
		Use:   "export URL",
		Short: "Print the certificates, armored, one behind the other",
		Long: `Export prints the public certificates of a keystore in one text, which zcert extract,
zcert store import and the keystores file:FILE and env:NAME read. Groups that aren't in
a certificate, and who is revoked, don't go along: give --active to leave out who is
refused.`,
		Args: cli.OneArg("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openStore(cmd, args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			for _, id := range f.apply(s) {
				e, err := cert.Armor(id.Certificate, false)
				if err != nil {
					return fmt.Errorf("%s: %w", id.Name, err)
				}
				if err := writeEnvelope(cmd, e); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.addFlags(cmd)
	return cmd
}

func newStoreImport() *cobra.Command {
	var groups []string
	cmd := &cobra.Command{
		Use:   "import URL FILE|-",
		Short: "Add all armored certificates in a text",
		Long: `Import finds the armored certificates in a text, as zcert extract does, and adds them
to a keystore. If one is damaged, none are added.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return cli.Usagef("want a URL and one FILE, got %d: try \"%s --help\"", len(args), cmd.CommandPath())
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
			var certificates []*cert.Certificate
			for _, block := range cert.Extract(text) {
				if block.Err != nil {
					return fmt.Errorf("%s:%d: %w", in.path, block.Line, errors.Unwrap(block.Err))
				}
				c, _, err := block.Envelope.Certificate()
				if err != nil {
					return fmt.Errorf("%s:%d: %w", in.path, block.Line, err)
				}
				certificates = append(certificates, c)
			}
			if len(certificates) == 0 {
				return fmt.Errorf("%s: no armored certificate in it", in.path)
			}
			return putAll(cmd, args[0], certificates, groups)
		},
	}
	cmd.Flags().StringArrayVar(&groups, "group", nil, "put them in this `group`; in a bolt: store repeatable")
	return cmd
}
