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
		cli.Note(cmd, "%s: %s", done, w)
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
					cli.Warn(cmd, "%s: not revoked in this keystore: noted for a zauth that remembers it", w)
				}
				if err := s.Unrevoke(w.key, now, reason); err != nil {
					return err
				}
				if _, ok := s.Lookup(w.key); !ok {
					cli.Warn(cmd, "%s: its certificate wasn't kept, or another has its name: add it with zcert store add", w)
				}
				return nil
			}, "no longer revoked")
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	return cmd
}
