package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/keystore"
)

// identityArg is the placeholder in help for an argument that names an identity.
const identityArg = "FILE, KEY or NAME"

// subject is the identity that an argument names.
type subject struct {
	key  curve.PublicKey
	name string // in the keystore, or ""
}

func (w subject) String() string {
	if w.name == "" {
		return w.key.String()
	}
	return shown(w.name) + " " + w.key.String()
}

// identify returns the identities that arguments name by certificate, key or name. Each
// must name exactly one. One that is named twice is returned once.
func identify(cmd *cobra.Command, s keystore.Store, names []string) ([]subject, error) {
	identities, revoked := map[string][]curve.PublicKey{}, map[string][]curve.PublicKey{}
	for id := range s.All() {
		identities[id.Name] = append(identities[id.Name], id.Key())
	}
	for key, r := range s.Revocations() {
		revoked[r.Name] = append(revoked[r.Name], key)
	}
	all, seen := make([]subject, 0, len(names)), map[curve.PublicKey]bool{}
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
		for _, key := range identities[name] {
			found[key] = true
		}
		if len(found) == 0 {
			for _, key := range revoked[name] {
				found[key] = true
			}
		}
		switch len(found) {
		case 1:
		case 0:
			return nil, cli.Hint(fmt.Errorf("%s: not found: not a file, and not a key or a name in the keystore", shown(name)), "list the identities: zcert store ls URL")
		default:
			return nil, cli.Hint(fmt.Errorf("%s: ambiguous: names %d keys, as a file or in the keystore", shown(name), len(found)),
				"pass its key instead; list the keys with: zcert store ls URL --name "+cli.Quote(name))
		}
		for key := range found {
			if seen[key] {
				continue
			}
			seen[key] = true
			w := subject{key: key}
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

// A change removes, revokes or otherwise changes identities in a keystore, by name.
type change struct {
	list  nameList
	quiet bool
}

func (c *change) addFlags(cmd *cobra.Command) {
	cmd.Args = func(cmd *cobra.Command, args []string) error { return c.list.urlAndMore(identityArg)(cmd, args) }
	c.list.addFlag(cmd)
	quietFlag(cmd, &c.quiet)
}

// each changes each identity that an argument or the list names, and prints each, or only
// the number if there are many. doing and done are verbs for messages.
func (c *change) each(cmd *cobra.Command, s keystore.Store, args []string, doing, done string, change func(subject) error) error {
	names, err := c.list.some(cmd, args, identityArg)
	if err != nil {
		return err
	}
	all, err := identify(cmd, s, names)
	if err != nil {
		return err
	}
	bar := cli.Progress(cmd, len(all), doing, c.quiet || len(all) <= shownEach)
	for i, w := range all {
		err := context.Cause(cmd.Context())
		if err == nil {
			err = change(w)
		}
		if err != nil {
			bar.Exit()
			if len(all) > shownEach {
				err = fmt.Errorf("stopped after %d of %d: %w", i, len(all), err)
			}
			return changeHint(err)
		}
		bar.Add(1)
		if len(all) <= shownEach && !c.quiet {
			cli.Note(cmd, "%s: %s", done, w)
		}
	}
	bar.Finish()
	if len(all) > shownEach && !c.quiet {
		cli.Note(cmd, "%s: %d", done, len(all))
	}
	return nil
}

func newStoreRm() *cobra.Command {
	var c change
	cmd := &cobra.Command{
		Use:     "rm URL FILE|KEY|NAME...",
		Aliases: []string{"remove", "delete", "del"},
		Short:   "Remove identities",
		Long: `Rm removes identities from a keystore. Their keys are then unknown and refused, but
you can add them again; to refuse a key for good, revoke it. Rm does not undo
revocations.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openStore(cmd, args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			return c.each(cmd, s, args[1:], "removing identities", "removed", func(w subject) error { return s.Remove(w.key) })
		},
	}
	c.addFlags(cmd)
	return cmd
}

func newStoreRevoke() *cobra.Command {
	var c change
	var reason string
	cmd := &cobra.Command{
		Use:   "revoke URL FILE|KEY|NAME...",
		Short: "Revoke keys in a keystore",
		Long: `Revoke refuses keys from now on, in any certificate, even if the keystore does not
know them. Adding, importing or copying a certificate of a revoked key does not admit
it again; zcert store unrevoke does.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openOrCreateStore(cmd, args[0], c.quiet)
			if err != nil {
				return err
			}
			defer s.Close()
			now := time.Now()
			return c.each(cmd, s, args[1:], "revoking keys", "revoked", func(w subject) error { return s.Revoke(w.key, now, reason) })
		},
	}
	c.addFlags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "record `TEXT` as the reason")
	return cmd
}

func newStoreUnrevoke() *cobra.Command {
	var c change
	var reason string
	cmd := &cobra.Command{
		Use:   "unrevoke URL FILE|KEY|NAME...",
		Short: "Undo the revocation of keys",
		Long: `Unrevoke undoes revocations in a keystore, so that these keys can connect again. It
restores the identity of a key if the keystore still has its certificate, and records
when and why. A zauth that remembers the revocation forgets it. Revocations by an
authority remain.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openStore(cmd, args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			now := time.Now()
			return c.each(cmd, s, args[1:], "restoring keys", "no longer revoked", func(w subject) error {
				if _, revoked := s.Revocation(w.key); !revoked {
					cli.Warn(cmd, "%s: not revoked in this keystore; recorded anyway, for a zauth that remembers a revocation", w)
				}
				if err := s.Unrevoke(w.key, now, reason); err != nil {
					return err
				}
				if _, ok := s.Lookup(w.key); !ok {
					cli.Warn(cmd, "%s: no certificate in the keystore, or its name is taken: add it with zcert store add", w)
				}
				return nil
			})
		},
	}
	c.addFlags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "record `TEXT` as the reason")
	return cmd
}
