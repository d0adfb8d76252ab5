package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/keystore"
)

// who is the identity that an argument names.
type who struct {
	key  curve.PublicKey
	name string // in the keystore, or ""
}

func (w who) String() string {
	if w.name == "" {
		return w.key.String()
	}
	return shown(w.name) + " " + w.key.String()
}

// whose returns the identities that arguments name by certificate, key or name. Each
// must name exactly one.
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
			return nil, cli.Hint(fmt.Errorf("%s: not found: not a file, and not a key or a name in the keystore", shown(name)), "list the identities: zcert store ls URL")
		default:
			return nil, cli.Hint(fmt.Errorf("%s: ambiguous: names %d keys, as a file or in the keystore", shown(name), len(found)),
				"pass its key instead; list the keys with: zcert store ls URL --name "+name)
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

// changeEach changes each identity that an argument names, and prints it.
func changeEach(cmd *cobra.Command, s keystore.Store, names []string, change func(who) error, done string) error {
	all, err := whose(cmd, s, names)
	if err != nil {
		return err
	}
	for _, w := range all {
		if err := change(w); err != nil {
			return changeHint(err)
		}
		cli.Note(cmd, "%s: %s", done, w)
	}
	return nil
}

func newStoreRm() *cobra.Command {
	return &cobra.Command{
		Use:   "rm URL FILE|KEY|NAME...",
		Short: "Remove identities",
		Long: `Rm removes identities from a keystore. Their keys are then unknown and refused, but
you can add them again; to refuse a key for good, revoke it. Rm does not undo
revocations.`,
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
		Short: "Revoke keys in a keystore",
		Long: `Revoke refuses keys from now on, in any certificate, even if the keystore does not
know them. Adding, importing or copying a certificate of a revoked key does not admit
it again; zcert store unrevoke does.`,
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
	cmd.Flags().StringVar(&reason, "reason", "", "record `TEXT` as the reason")
	return cmd
}

func newStoreUnrevoke() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "unrevoke URL FILE|KEY|NAME...",
		Short: "Undo the revocation of keys",
		Long: `Unrevoke undoes revocations in a keystore, so that these keys can connect again. It
restores the identity of a key if the keystore still has its certificate, and records
when and why. A zauth that remembers the revocation forgets it. Revocations by an
authority remain.`,
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
					cli.Warn(cmd, "%s: not revoked in this keystore; recorded anyway, for a zauth that remembers a revocation", w)
				}
				if err := s.Unrevoke(w.key, now, reason); err != nil {
					return err
				}
				if _, ok := s.Lookup(w.key); !ok {
					cli.Warn(cmd, "%s: no certificate in the keystore, or its name is taken: add it with zcert store add", w)
				}
				return nil
			}, "no longer revoked")
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "record `TEXT` as the reason")
	return cmd
}
