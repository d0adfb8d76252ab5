package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/keystore"
)

// storeFilter selects identities.
type storeFilter struct {
	group, name              string
	active, revoked, expired bool
}

func (f *storeFilter) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.group, "group", "", "only identities in `GROUP`")
	flags.StringVar(&f.name, "name", "", "only identities whose name contains `TEXT`")
	flags.BoolVar(&f.active, "active", false, "only identities that would be admitted now")
	flags.BoolVar(&f.revoked, "revoked", false, "only revoked identities")
	flags.BoolVar(&f.expired, "expired", false, "only expired identities")
	cli.Exclusive(cmd, "active", "revoked", "expired")
}

// authorityOf returns the authority that signed c, or "".
func authorityOf(c *cert.Certificate) string {
	if c.Authority == (cert.AuthorityKey{}) {
		return ""
	}
	return c.Authority.String()
}

// state returns the state of an identity that is not revoked.
func state(id *keystore.Identity, now time.Time) string {
	switch err := id.Certificate.Validity.Check(now); {
	case errors.Is(err, cert.ErrNotYetValid):
		return "not yet valid"
	case err != nil:
		return "expired"
	}
	return "active"
}

// apply returns the selected identities and revoked keys, sorted by name.
func (f *storeFilter) apply(s keystore.Store) []identityJSON {
	now := time.Now()
	var found []identityJSON
	for id := range f.identities(s) {
		found = append(found, identityJSON{Identity: id.Name, User: id.UserID, Key: id.Key().String(), Fingerprint: id.Key().Fingerprint(), State: state(id, now), Groups: id.Groups,
			NotBefore: timeOrNil(id.Certificate.Validity.NotBefore), NotAfter: timeOrNil(id.Certificate.Validity.NotAfter),
			Authority: authorityOf(id.Certificate), File: id.Place})
	}
	for key, r := range s.Revocations() {
		if r.InForce() && !f.active && !f.expired && f.matches(r.Name, r.Groups) {
			found = append(found, identityJSON{Identity: r.Name, Key: key.String(), Fingerprint: key.Fingerprint(), State: "revoked", Groups: r.Groups,
				RevokedAt: timeOrNil(r.Time), Reason: r.Reason})
		}
	}
	slices.SortFunc(found, func(a, b identityJSON) int {
		return cmp.Or(cmp.Compare(a.Identity, b.Identity), cmp.Compare(a.Key, b.Key))
	})
	return found
}

// identities yields the selected identities.
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

// shown is like printable, but also quotes names that are empty, contain quotes, or look like a package in a message.
func shown(name string) string {
	if name == "" || cli.Subject(name) != name || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == '"' }) {
		return strconv.Quote(name)
	}
	return name
}

// paintState colors a state by what it means for a client.
func paintState(p cli.Painter, state string) string {
	switch strings.TrimSpace(state) {
	case "active":
		return p.Good(state)
	case "revoked":
		return p.Bad(state)
	}
	return p.Doubtful(state)
}

func newStoreLs() *cobra.Command {
	var f storeFilter
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "ls URL",
		Aliases: []string{"list"},
		Short:   "List identities and revoked keys",
		Args:    cli.OneArg("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openStore(cmd, args[0])
			if err != nil {
				return err
			}
			defer s.Close()
			list := f.apply(s)
			if asJSON {
				return printJSON(cmd, list...)
			}
			p := cli.NewPainter(cmd)
			return cli.Print(cmd, func(out io.Writer) {
				if len(list) > 0 && cli.IsTerminal(cmd.OutOrStdout()) {
					fmt.Fprintln(out, p.Head(fmt.Sprintf("%-40s  %-8s  %s", "KEY", "STATE", "NAME  (GROUPS)")))
				}
				for _, l := range list {
					fmt.Fprintf(out, "%s  %s", l.Key, paintState(p, fmt.Sprintf("%-8s", l.State)))
					if l.Identity != "" { // a key can be revoked without a name
						fmt.Fprintf(out, "  %s", shown(l.Identity))
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
