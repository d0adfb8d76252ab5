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

// revokedSuffix is what the name of an authority's revocation list ends with.
const revokedSuffix = ".revoked"

// Times of the lock on a list: how often it is tried, and for how long.
const (
	lockRetry    = 10 * time.Millisecond
	lockPatience = time.Minute
)

// revoker is what revoke was told to do.
type revoker struct {
	authority *cert.Authority
	list      string // the list's file
	isNew     bool
	valid     time.Duration
	reason    string
	keys      keys
	serials   serials
}

func newRevoke() *cobra.Command {
	var authorityFile, passphraseFile string
	var valid = duration(30 * 24 * time.Hour)
	var r revoker
	var files fileList
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "revoke [FILE|-...] --authority NAME.authority_secret",
		Short: "Revoke certificates as an authority",
		Long: `Revoke puts the keys of certificates on an authority's revocation list,
NAME.revoked, and signs the list again. Verifiers that have the list refuse all
certificates of these keys. --key revokes a key without its certificate. --serial
revokes one certificate only, for instance one with wrong metadata.

--new begins a list. Without it, a list that is missing is an error: a new one would
revoke nothing of what the old one did.

The list expires after --valid, so that someone who withholds it cannot keep a
stolen key in use. Renew it in time with zcert revoke and no FILE.`,
		Example: `  zcert revoke --new --authority acme.authority_secret
  zcert revoke alice.key --authority acme.authority_secret --reason "laptop stolen"
  zcert revoke --serial 4711 --authority acme.authority_secret
  zcert revoke --authority acme.authority_secret --valid 30d`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if authorityFile == "" {
				return cli.Usagef("want --authority NAME.authority_secret")
			}
			paths, err := files.names(cmd, args)
			if err != nil {
				return err
			}
			if files.from != "" && len(paths) == 0 {
				return fmt.Errorf("%s: no names of files in it", files.from)
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
				return writeJSON(cmd, newShownRevocations(l))
			}
			if len(named) <= shownEach {
				for _, n := range named {
					cli.Note(cmd, "revoked: %s", n.what)
				}
			}
			cli.Note(cmd, "revocation list: %s, %d revoked, %d of them new, expires %s", r.list, l.Len(), added, l.Expires.Format(time.RFC3339))
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&authorityFile, "authority", "", "the authority's secret `FILE`")
	flags.StringVar(&r.list, "list", "", "the revocation list's `FILE` (default NAME.revoked beside the authority)")
	flags.BoolVar(&r.isNew, "new", false, "begin a list, which must not exist")
	flags.StringVar(&r.reason, "reason", "", "why, for people")
	flags.Var(&valid, "valid", "how long the list can be relied on")
	flags.Var(&r.keys, "key", "a public `key` to revoke, whose certificate isn't at hand; repeatable")
	flags.Var(&r.serials, "serial", "a serial `number` to revoke; repeatable")
	flags.BoolVar(&asJSON, "json", false, "print the list as JSON")
	files.addFlag(cmd)
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

// namedRevocation is a revocation, and what to call it.
type namedRevocation struct {
	cert.Revocation
	what string
}

// read reads what is to be revoked.
func (r *revoker) read(cmd *cobra.Command, paths []string) (named []namedRevocation, err error) {
	for _, path := range paths {
		c, err := load(cmd, path)
		if err != nil {
			return nil, err
		}
		c.Secret.Wipe()
		named = append(named, namedRevocation{cert.Revocation{Key: c.Public, Reason: r.reason},
			fmt.Sprintf("key %s (%s)", c.Public, printable(path))})
	}
	for _, key := range r.keys {
		named = append(named, namedRevocation{cert.Revocation{Key: key, Reason: r.reason}, fmt.Sprintf("key %s", key)})
	}
	for _, serial := range r.serials {
		named = append(named, namedRevocation{cert.Revocation{Serial: serial, Reason: r.reason}, fmt.Sprintf("serial %d", serial)})
	}
	return named, nil
}

// revoke adds revocations to the list, and returns it and how many were not on it.
// Of all that change the list at a time, each has it from reading to renaming.
func (r *revoker) revoke(cmd *cobra.Command, named []namedRevocation) (l *cert.RevocationList, added int, err error) {
	if _, err := os.Stat(r.list); err != nil && !r.isNew { // nor is there anything to lock
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

// load reads the list, or begins one.
func (r *revoker) load(cmd *cobra.Command) (*cert.RevocationList, error) {
	l, err := input{path: r.list}.revocations(cmd, func(k cert.AuthorityKey) bool { return k == r.authority.Key })
	switch {
	case errors.Is(err, fs.ErrNotExist) && r.isNew:
		return new(cert.RevocationList), nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, missingList(r.list, err)
	case err == nil && r.isNew:
		return nil, cli.Hint(fmt.Errorf("%s: %w", r.list, fs.ErrExist), "leave out --new to add to it")
	}
	return l, err
}

// missingList tells what to do about a list that isn't there.
func missingList(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return cli.Hint(fmt.Errorf("%s: no such revocation list", path),
		"--list FILE says where it is; --new begins one, which does not revoke what another did")
}

// maxIssueWait is how long revoke waits for a time to issue a list at.
const maxIssueWait = 5 * time.Second

// issueTime returns when a list is issued: a little before now, for those whose
// clocks are slow, and always later than the list before it, so that everybody can
// tell which is the newest. After hundreds of lists in minutes, it waits.
func issueTime(ctx context.Context, path string, before, now time.Time) (time.Time, error) {
	issued := now.Add(-backdate)
	if next := before.Add(time.Second); issued.Before(next) {
		issued = next
	}
	wait := time.Until(issued)
	if wait > maxIssueWait {
		return issued, fmt.Errorf("%s: issued %s, which is in the future: one of two clocks is wrong", path, before.Format(time.RFC3339))
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

// lockFile keeps a file for this process: others that do the same wait. The lock is
// on a hidden file beside it, which stays.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	// Whatever name leads to it, it has one lock.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	dir, base := filepath.Split(path)
	lock := flock.New(dir + "." + base + ".lock")
	ctx, cancel := context.WithTimeoutCause(ctx, lockPatience, fmt.Errorf("another process has had the lock for %v", lockPatience))
	defer cancel()
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("locking %s failed: %w", path, err)
	}
	return func() { lock.Unlock() }, nil
}

// keys is a flag's value: public keys.
type keys []curve.PublicKey

func (k *keys) Set(text string) error {
	key, err := curve.ParsePublicKey(text)
	if err == nil {
		*k = append(*k, key)
	}
	return err
}

func (k *keys) String() string { return strings.Trim(fmt.Sprint([]curve.PublicKey(*k)), "[]") }

func (*keys) Type() string { return "key" }

// serials is a flag's value: serial numbers.
type serials []uint64

func (s *serials) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return errors.New("expected a number from 1 to 2^64-1")
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

func (*serials) Type() string { return "number" }
