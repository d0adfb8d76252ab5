package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/regular"
)

// addModeFlags adds what says how strict to be with secrets that others can
// read.
func addModeFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.Bool("strict", false, "refuse a secret file that other users can read, instead of warning")
	flags.Bool("allow-group", false, "let the group of a secret file read it")
}

// stdinName is what messages call stdin.
const stdinName = "stdin"

// input is a file, or stdin, that can be read as more than one thing.
type input struct {
	path   string
	text   []byte // what came from stdin
	isRead bool   // from stdin
}

// open takes a file or, for "-", all of stdin.
func open(cmd *cobra.Command, path string) (input, error) {
	if path != "-" {
		return input{path: path}, nil
	}
	text, err := cli.Await(cmd.Context(), func() ([]byte, error) { return readAll(cmd.InOrStdin(), stdinName) })
	return input{path: stdinName, text: text, isRead: true}, err
}

// maxText is the size in octets of the longest text that is read. Only a test
// changes it.
var maxText = 64 << 20

func readAll(r io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(maxText)+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s failed: %w", name, err)
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("%s: larger than %d octets", name, maxText)
	}
	return text, nil
}

// read returns the whole text.
func (in input) read() ([]byte, error) {
	if in.isRead {
		return in.text, nil
	}
	// Without a writer, a pipe would block until there is one.
	f, err := os.OpenFile(in.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %w", in.path, regular.ErrNotRegular)
	}
	return readAll(f, in.path)
}

// checkMode tells of a file with a secret that other users can read, which is what.
func (in input) checkMode(cmd *cobra.Command, what string) error {
	if in.isRead || runtime.GOOS == "windows" {
		return nil
	}
	info, err := os.Stat(in.path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return tell(cmd, in.path, cert.Warning{Mode: info.Mode(),
		Text: fmt.Sprintf("mode %04o: other users can read this %s: chmod 600 %s", info.Mode().Perm(), what, in.path)})
}

// withPipeHint tells what to do about an argument that is a pipe or a device.
func withPipeHint(cmd *cobra.Command, path string, err error) error {
	if !errors.Is(err, regular.ErrNotRegular) || !slices.Contains(cmd.Flags().Args(), path) {
		return err
	}
	if info, statErr := os.Stat(path); statErr == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return cli.Hint(err, fmt.Sprintf("to read a pipe, give - as FILE: %s - < %s", cmd.CommandPath(), path))
	}
	return err
}

// certificate reads it as a certificate. Warnings go to stderr, as with all that
// is read here.
func (in input) certificate(cmd *cobra.Command) (*cert.Certificate, error) {
	return readAs(cmd, in, cert.Load, cert.Parse, func(c *cert.Certificate) []cert.Warning { return c.Warnings })
}

// authority reads it as an authority.
func (in input) authority(cmd *cobra.Command) (*cert.Authority, error) {
	return readAs(cmd, in, cert.LoadAuthority, cert.ParseAuthority, func(a *cert.Authority) []cert.Warning { return a.Warnings })
}

// plain reads it as credentials of PLAIN.
func (in input) plain(cmd *cobra.Command) (*cert.Plain, error) {
	return readAs(cmd, in, cert.LoadPlain, cert.ParsePlain, func(p *cert.Plain) []cert.Warning { return p.Warnings })
}

// revocations reads it as a revocation list of an authority that is trusted.
func (in input) revocations(cmd *cobra.Command, isAuthority func(cert.AuthorityKey) bool) (*cert.RevocationList, error) {
	return readAs(cmd, in, func(path string) (*cert.RevocationList, error) {
		return cert.LoadRevocations(path, isAuthority)
	}, func(text []byte) (*cert.RevocationList, error) {
		return cert.ParseRevocations(text, isAuthority)
	}, func(l *cert.RevocationList) []cert.Warning { return l.Warnings })
}

// readAs reads the input as a T.
func readAs[T any](cmd *cobra.Command, in input,
	load func(path string) (*T, error), parse func(text []byte) (*T, error), warnings func(*T) []cert.Warning,
) (*T, error) {
	var t *T
	var err error
	if in.isRead {
		t, err = parse(in.text)
		if place, ok := errors.AsType[*cert.SyntaxError](err); ok {
			place.File = in.path
		} else if err != nil {
			err = fmt.Errorf("%s: %w", in.path, err)
		}
	} else {
		t, err = load(in.path)
	}
	if err != nil {
		return nil, withPipeHint(cmd, in.path, err)
	}
	for _, w := range warnings(t) {
		if err := tell(cmd, in.path, w); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// load reads a certificate from a file or, for "-", stdin.
func load(cmd *cobra.Command, path string) (*cert.Certificate, error) {
	in, err := open(cmd, path)
	if err != nil {
		return nil, err
	}
	return in.certificate(cmd)
}

// tell tells a warning about what was read from path. A secret that others can
// read is refused if it should be. The group may read it with --allow-group, and
// where Kubernetes mounted it: there the group is that of the pod.
func tell(cmd *cobra.Command, path string, w cert.Warning) error {
	if w.Mode != 0 {
		allowGroup, _ := cmd.Flags().GetBool("allow-group")
		if w.Mode.Perm()&0o037 == 0 && (allowGroup || isKubernetesMount(path)) {
			return nil
		}
		if strict, _ := cmd.Flags().GetBool("strict"); strict {
			return cli.Hint(fmt.Errorf("%s: mode %04o: other users can read this secret", path, w.Mode.Perm()), "chmod 600 "+path)
		}
	}
	place := path
	if w.Line > 0 {
		place = fmt.Sprintf("%s:%d", path, w.Line)
	}
	cli.Warn(cmd, "%s: %s", place, w.Text)
	return nil
}

// isKubernetesMount reports whether path is a file of a volume that Kubernetes
// mounted: a link through a directory ..data, which it exchanges as a whole.
func isKubernetesMount(path string) bool {
	target, err := os.Readlink(path)
	return err == nil && strings.HasPrefix(target, "..data/")
}

// printable returns a text that does nothing to a terminal: as it is, or quoted.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// printAll prints all errors but the last, which it returns for cli.Run to print. It
// ignores nil.
func printAll(cmd *cobra.Command, errs []error) error {
	var last error
	for _, err := range errs {
		if err == nil {
			continue
		}
		if last != nil {
			cli.PrintError(cmd, last)
		}
		last = err
	}
	return last
}

// unlockWith unlocks the secret key in path.
func unlockWith(cmd *cobra.Command, path, passphraseFile string, unlock func([]byte) error) error {
	p, err := passphrase(cmd, path, passphraseFile)
	if err != nil {
		return err
	}
	defer clear(p)
	if err := unlock(p); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// metadataFlag adds --meta to a command.
func metadataFlag(cmd *cobra.Command, meta *[]string) {
	cmd.Flags().StringArrayVar(meta, "meta", nil, "`name=value` to say of the owner; repeatable")
}

// parseMetadata reads what --meta gave.
func parseMetadata(meta []string) (cert.Metadata, error) {
	var metadata cert.Metadata
	for _, m := range meta {
		name, value, ok := strings.Cut(m, "=")
		if !ok {
			return nil, cli.Usagef("--meta %q: want name=value", m)
		}
		metadata = append(metadata, struct{ Name, Value string }{name, value})
	}
	return metadata, nil
}

// withName returns the metadata with a name in front, unless it has one.
func withName(m cert.Metadata, name string) cert.Metadata {
	if has(m, "name") {
		return m
	}
	return append(cert.Metadata{{"name", name}}, m...)
}

// has reports whether metadata has a value of that name, if only an empty one.
func has(m cert.Metadata, name string) bool {
	return slices.ContainsFunc(m, func(p struct{ Name, Value string }) bool { return strings.EqualFold(p.Name, name) })
}
