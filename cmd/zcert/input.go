package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/cert/armor"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/regular"
)

// addModeFlags adds the flags for secret files that other users can read.
func addModeFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.Bool("strict", false, "fail, instead of warning, if other users can read a secret file")
	flags.Bool("allow-group", false, "accept secret files that their group can read")
}

// stdinName stands for stdin in messages.
const stdinName = "stdin"

// input is a file or stdin, which can be parsed as several kinds of content.
type input struct {
	path   string
	text   []byte // of stdin
	isRead bool   // whether it is stdin
}

// open returns a file as input or, for "-", all of stdin.
func open(cmd *cobra.Command, path string) (input, error) {
	if path != "-" {
		return input{path: path}, nil
	}
	text, err := cli.Await(cmd.Context(), func() ([]byte, error) { return readAll(cmd.InOrStdin(), stdinName) })
	return input{path: stdinName, text: text, isRead: true}, err
}

// maxText is the size of the largest input in bytes. Only a test changes it.
var maxText = 64 << 20

func readAll(r io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(maxText)+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxText)
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

// checkMode warns if other users can read the file. what names the secret in it.
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

// withPipeHint adds a hint to err if path is an argument, and a pipe or a device.
func withPipeHint(cmd *cobra.Command, path string, err error) error {
	if !errors.Is(err, regular.ErrNotRegular) || !slices.Contains(cmd.Flags().Args(), path) {
		return err
	}
	if info, statErr := os.Stat(path); statErr == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return cli.Hint(err, fmt.Sprintf("to read a pipe, pass - as FILE: %s - < %s", cmd.CommandPath(), cli.Quote(path)))
	}
	return err
}

// withNameHint adds a hint to err if path is a name without the end of its file.
func withNameHint(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, end := range []string{".key", ".authority", ".revoked"} {
		if _, statErr := os.Stat(path + end); statErr == nil {
			return cli.Hintf(err, "did you mean %s%s?", path, end)
		}
	}
	return err
}

// withKeyHint adds a hint to err if the input is a bare key.
func (in input) withKeyHint(err error) error {
	if _, ok := errors.AsType[*cert.SyntaxError](err); !ok {
		return err
	}
	text, readErr := in.read()
	if readErr != nil {
		return err
	}
	if _, keyErr := parseKeyText(string(bytes.TrimSpace(text))); keyErr != nil {
		return err
	}
	return cli.Hint(err, "this is a bare key: write a certificate for it with zcert convert --to czmq")
}

// certificate parses the input as a certificate. Like the methods below, it prints
// warnings.
func (in input) certificate(cmd *cobra.Command) (*cert.Certificate, error) {
	return readAs(cmd, in, cert.Load, cert.Parse, func(c *cert.Certificate) []cert.Warning { return c.Warnings })
}

// authority parses the input as an authority.
func (in input) authority(cmd *cobra.Command) (*cert.Authority, error) {
	return readAs(cmd, in, cert.LoadAuthority, cert.ParseAuthority, func(a *cert.Authority) []cert.Warning { return a.Warnings })
}

// plain parses the input as PLAIN credentials.
func (in input) plain(cmd *cobra.Command) (*armor.Login, error) {
	return readAs(cmd, in, armor.LoadLogin, armor.ParseLogin, func(p *armor.Login) []cert.Warning { return p.Warnings })
}

// revocations parses the input as a revocation list, which must be signed by an authority
// that isAuthority accepts.
func (in input) revocations(cmd *cobra.Command, isAuthority func(cert.AuthorityKey) bool) (*cert.RevocationList, error) {
	l, err := readAs(cmd, in, cert.LoadRevocations, cert.ParseRevocations, func(l *cert.RevocationList) []cert.Warning { return l.Warnings })
	if err == nil && !isAuthority(l.Authority) {
		return nil, fmt.Errorf("%s: revocation list signed by an unknown authority: %s", cli.Subject(in.path), l.Authority)
	}
	return l, err
}

// readAs parses the input as a T.
func readAs[T any](cmd *cobra.Command, in input,
	load func(path string) (*T, error), parse func(text []byte) (*T, error), warnings func(*T) []cert.Warning,
) (*T, error) {
	var t *T
	var err error
	if in.isRead {
		t, err = parse(in.text)
		if place, ok := errors.AsType[*cert.SyntaxError](err); ok {
			place.File = in.path
		}
	} else {
		t, err = load(in.path)
	}
	if err != nil {
		return nil, in.withKeyHint(withNameHint(in.path, withPipeHint(cmd, in.path, err)))
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

// tell prints a warning about a file. With --strict, it returns an error if other
// users can read a secret. The file's group may read it with --allow-group, and in a
// volume of Kubernetes, where it is the pod's group.
func tell(cmd *cobra.Command, path string, w cert.Warning) error {
	if w.Mode != 0 {
		allowGroup, _ := cmd.Flags().GetBool("allow-group")
		if w.Mode.Perm()&0o037 == 0 && (allowGroup || isKubernetesMount(path)) {
			return nil
		}
		if strict, _ := cmd.Flags().GetBool("strict"); strict {
			return cli.Hint(fmt.Errorf("%s: mode %04o: other users can read this secret", cli.Subject(path), w.Mode.Perm()), "chmod 600 "+cli.Quote(path))
		}
	}
	place := path
	if w.Line > 0 {
		place = fmt.Sprintf("%s:%d", path, w.Line)
	}
	cli.Warn(cmd, "%s: %s", cli.Subject(place), w.Text)
	return nil
}

// isKubernetesMount reports whether path is in a volume of Kubernetes: a link through
// a directory ..data, which Kubernetes replaces as a whole.
func isKubernetesMount(path string) bool {
	target, err := os.Readlink(path)
	return err == nil && strings.HasPrefix(target, "..data/")
}

// printAll prints all errors except the last, which it returns for cli.Run to print. It
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
		return fmt.Errorf("%s: %w", cli.Subject(path), err)
	}
	return nil
}

// metadataFlag adds --meta to a command.
func metadataFlag(cmd *cobra.Command, meta *[]string) {
	cmd.Flags().StringArrayVar(meta, "meta", nil, "add `NAME=VALUE` to the metadata; repeatable")
}

// parseMetadata parses the values of --meta.
func parseMetadata(meta []string) (cert.Metadata, error) {
	var metadata cert.Metadata
	for _, m := range meta {
		name, value, ok := strings.Cut(m, "=")
		if !ok {
			return nil, cli.Usagef("--meta %q: must be NAME=VALUE", m)
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

// has reports whether metadata has a value of that name, even an empty one.
func has(m cert.Metadata, name string) bool {
	return slices.ContainsFunc(m, func(p struct{ Name, Value string }) bool { return strings.EqualFold(p.Name, name) })
}
