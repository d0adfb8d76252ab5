package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
)

// revokedSuffix is the suffix of an authority's revocation list.
const revokedSuffix = ".revoked"

// How often, and for how long, revoke tries to lock a list.
const (
	lockRetry    = 10 * time.Millisecond
	lockPatience = time.Minute
)

// revoker holds the options of revoke.
type revoker struct {
	authority *cert.Authority
	list      string // the list's file
	isNew     bool
	valid     time.Duration
	reason    string
	quiet     bool
	keys      keys
	serials   serials
}

func newRevoke() *cobra.Command {
	var authorityFile, passphraseFile string
	var valid = duration(30 * 24 * time.Hour)
	var r revoker
	var files nameList
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "revoke [FILE|-...] --authority NAME.authority_secret",
		Short: "Add certificates to an authority's revocation list",
		Long: `Revoke adds keys to an authority's revocation list, NAME.revoked, and signs the list.
Give the new list to everyone who trusts the authority. With it, they refuse every
certificate for a revoked key. With --key, revoke needs no certificate. With
--serial, it revokes one certificate and not its key: for example, one with wrong
metadata.

Create the list with --new. Without --new, revoke fails if the list is missing,
because a new list would not revoke what the old one did.

The list expires after --valid. While it is expired, verifiers refuse every
certificate of this authority, so that no one can keep a revoked key in use by
withholding the new list. Run revoke without FILE to renew the list in time.`,
		Example: `  zcert revoke --new --authority acme.authority_secret
  zcert revoke alice.key --authority acme.authority_secret --reason "laptop stolen"
  zcert revoke --serial 4711 --authority acme.authority_secret
  zcert revoke --authority acme.authority_secret --valid 30d`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if authorityFile == "" {
				return cli.Hint(cli.Usagef("--authority is required"), "pass --authority NAME.authority_secret")
			}
			paths, err := files.names(cmd, args)
			if err != nil {
				return err
			}
			if files.from != "" && len(paths) == 0 {
				return fmt.Errorf("%s: contains no names", files.name())
			}
			if r.list == "" {
				r.list = strings.TrimSuffix(strings.TrimSuffix(authorityFile, cert.SecretSuffix), authoritySuffix) + revokedSuffix
			}
			r.valid = time.Duration(valid)
			if r.authority, err = loadSigningAuthority(cmd, authorityFile, passphraseFile); err != nil {
				return err
			}
			named, err := r.read(cmd, paths)
			if err != nil {
				return err
			}
			l, added, err := r.revoke(cmd, named)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, newRevocationsJSON(r.list, l))
			}
			if r.quiet {
				return nil
			}
			if len(named) <= shownEach {
				for _, n := range named {
					cli.Note(cmd, "revoked: %s", n.what)
				}
			}
			cli.Note(cmd, "wrote %s: %d revoked (%d new), expires %s", r.list, l.Len(), added, l.Expires.Format(time.RFC3339))
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&authorityFile, "authority", "", "sign with the authority's secret `FILE` (required)")
	flags.StringVar(&r.list, "list", "", "revocation list `FILE` (default NAME.revoked next to the authority)")
	flags.BoolVar(&r.isNew, "new", false, "create the list, which must not exist yet")
	flags.StringVar(&r.reason, "reason", "", "record `TEXT` as the reason")
	flags.Var(&valid, "valid", "time until the list expires, such as 30d")
	flags.Var(&r.keys, "key", "revoke the public `KEY`, without its certificate; repeatable")
	flags.Var(&r.serials, "serial", "revoke the certificate with serial `NUMBER`; repeatable")
	flags.BoolVar(&asJSON, "json", false, "print the new list as JSON")
	quietFlag(cmd, &r.quiet)
	files.addFlag(cmd)
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// namedRevocation is a revocation with a name for people.
type namedRevocation struct {
	cert.Revocation
	what string
}

// read reads the certificates to revoke, and adds the keys and serial numbers.
func (r *revoker) read(cmd *cobra.Command, paths []string) (named []namedRevocation, err error) {
	named = make([]namedRevocation, len(paths))
	if err := each(cmd, len(paths), "reading certificates", r.quiet, func(i int) error {
		c, err := load(cmd, paths[i])
		if err != nil {
			return err
		}
		c.Secret.Wipe()
		named[i] = namedRevocation{cert.Revocation{Key: c.Public, Reason: r.reason},
			fmt.Sprintf("key %s (%s)", c.Public, cli.Printable(paths[i]))}
		return nil
	}); err != nil {
		return nil, err
	}
	for _, key := range r.keys {
		named = append(named, namedRevocation{cert.Revocation{Key: key, Reason: r.reason}, fmt.Sprintf("key %s", key)})
	}
	for _, serial := range r.serials {
		named = append(named, namedRevocation{cert.Revocation{Serial: serial, Reason: r.reason}, fmt.Sprintf("serial %d", serial)})
	}
	return named, nil
}

// revoke adds revocations to the list, and returns the list and how many of them are
// new. It holds the lock from reading the list to replacing it.
func (r *revoker) revoke(cmd *cobra.Command, named []namedRevocation) (l *cert.RevocationList, added int, err error) {
	if _, err := os.Stat(r.list); err != nil && !r.isNew { // and nothing to lock
		return nil, 0, missingList(r.list, err)
	}
	unlock, err := lockFile(cmd.Context(), r.list)
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	if l, err = r.load(cmd); err != nil {
		return nil, 0, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	for _, n := range named {
		n.Time = now
		isNew, err := l.Revoke(n.Revocation)
		if err != nil {
			return nil, 0, err
		}
		if isNew {
			added++
		}
	}
	issued, err := issueTime(cmd.Context(), r.list, l.Issued, now)
	if err != nil {
		return nil, 0, err
	}
	if err := r.authority.SignRevocations(l, issued, now.Add(r.valid)); err != nil {
		return nil, 0, err
	}
	if r.isNew {
		return l, added, l.Save(r.list)
	}
	return l, added, saveInPlace(r.list, l.Append, publicInPlace)
}

// load reads the list, or returns an empty one with --new.
func (r *revoker) load(cmd *cobra.Command) (*cert.RevocationList, error) {
	l, err := input{path: r.list}.revocations(cmd, func(k cert.AuthorityKey) bool { return k == r.authority.Key })
	switch {
	case errors.Is(err, fs.ErrNotExist) && r.isNew:
		return new(cert.RevocationList), nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, missingList(r.list, err)
	case err == nil && r.isNew:
		return nil, cli.Hint(fmt.Errorf("%s: %w", cli.Subject(r.list), fs.ErrExist), "leave out --new to add to the list")
	}
	return l, err
}

// missingList adds a hint to err if the list does not exist.
func missingList(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return cli.Hint(fmt.Errorf("%s: no such revocation list", cli.Subject(path)),
		"pass --list FILE if it is elsewhere, or --new to create a list that revokes nothing yet")
}

// maxIssueWait is how long revoke waits until it can issue a list.
const maxIssueWait = 5 * time.Second

// issueTime returns the time at which to issue a list. It is a little in the past, for
// verifiers whose clocks are slow, and always later than the previous list, so that
// verifiers can tell which is newer. After hundreds of lists within minutes, it waits.
func issueTime(ctx context.Context, path string, before, now time.Time) (time.Time, error) {
	issued := now.Add(-backdate)
	if next := before.Add(time.Second); issued.Before(next) {
		issued = next
	}
	wait := time.Until(issued)
	if wait > maxIssueWait {
		return issued, fmt.Errorf("%s: issued %s, which is in the future: one of the two clocks is wrong", cli.Subject(path), before.Format(time.RFC3339))
	}
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return issued, context.Cause(ctx)
		}
	}
	return issued, nil
}

// lockFile locks a file against other processes that call lockFile, which wait. The
// lock is on a hidden file next to it, which remains.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	// All links to a file share one lock.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir, base := filepath.Split(path)
	lock := flock.New(dir + "." + base + ".lock")
	ctx, cancel := context.WithTimeoutCause(ctx, lockPatience, fmt.Errorf("another process has held the lock for %v", lockPatience))
	defer cancel()
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() { lock.Unlock() }, nil
}

// keys is the value of a flag that is repeated: public keys.
type keys []curve.PublicKey

func (k *keys) Set(text string) error {
	key, err := curve.ParsePublicKey(text)
	if err == nil {
		*k = append(*k, key)
	}
	return err
}

func (k *keys) String() string { return strings.Trim(fmt.Sprint([]curve.PublicKey(*k)), "[]") }

func (*keys) Type() string { return "KEY" }

// serials is the value of a flag that is repeated: serial numbers.
type serials []uint64

func (s *serials) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return errors.New("must be a number from 1 to 2^64-1")
	}
	*s = append(*s, n)
	return nil
}

func (s *serials) String() string {
	var texts []string
	for _, n := range *s {
		texts = append(texts, strconv.FormatUint(n, 10))
	}
	return strings.Join(texts, ",")
}

func (*serials) Type() string { return "NUMBER" }
