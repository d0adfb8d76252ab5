package cert

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

	"github.com/zcurve/zcurve/internal/zpl"
)

// MaxFile is the size in octets of the largest certificate file that is read.
const MaxFile = 64 << 10

// ErrFile means that a file is no certificate, before anything in it is looked
// at: it is a directory or a device, or too large.
var ErrFile = errors.New("cert: not a certificate file")

// Comments on top of the files.
var (
	publicComments = []string{
		"ZeroMQ CURVE Public Certificate",
		"Give it to whoever should know this key.",
	}
	secretComments = []string{
		"ZeroMQ CURVE **Secret** Certificate",
		"Keep it where it is used, and show it to nobody.",
	}
)

// Load reads a certificate file, public or secret. The error is ErrFile, one of
// package fs, or a *SyntaxError. If the file holds a secret that others can
// read, a warning with its Mode says what to do. It leaves no copy of the secret key
// in memory but Certificate.Secret; writing one does.
func Load(path string) (*Certificate, []Warning, error) {
	return load(path, MaxFile, Parse, func(c *Certificate) bool { return !c.Secret.IsZero() })
}

// Read reads a certificate from r, which error messages call name.
func Read(r io.Reader, name string) (*Certificate, []Warning, error) {
	return read(r, name, MaxFile, Parse)
}

// load reads a file of at most limit octets.
func load[T any](path string, limit int, parse func([]byte) (*T, []Warning, error), isSecret func(*T) bool) (*T, []Warning, error) {
	// A pipe or a device must not block, so it is opened without waiting, and what
	// was opened is looked at: the name could be another's by then.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		info, statErr := os.Stat(path)
		if statErr != nil {
			return nil, nil, fmt.Errorf("cert: %w", statErr)
		}
		if !info.Mode().IsRegular() { // a socket can't be opened
			return nil, nil, notRegular(path)
		}
		return nil, nil, fmt.Errorf("cert: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("cert: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, notRegular(path)
	}
	parsed, warnings, err := read(f, path, limit, parse)
	if err != nil {
		return nil, nil, err
	}
	if isSecret(parsed) {
		warnings = append(warnings, modeWarnings(path, info.Mode())...)
	}
	return parsed, warnings, nil
}

func notRegular(path string) error { return fmt.Errorf("%w: %s: not a regular file", ErrFile, path) }

// read reads at most limit octets from r, which error messages call name.
func read[T any](r io.Reader, name string, limit int, parse func([]byte) (*T, []Warning, error)) (*T, []Warning, error) {
	text, err := readAll(r, limit+1)
	defer clear(text)
	if err != nil {
		return nil, nil, fmt.Errorf("cert: reading %s failed: %w", name, err)
	}
	if len(text) > limit {
		return nil, nil, fmt.Errorf("%w: %s: larger than %d octets", ErrFile, name, limit)
	}
	parsed, warnings, err := parse(text)
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		syntax.File = name
	} else if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return parsed, warnings, err
}

// readAll is io.ReadAll of at most limit octets, which leaves no copy of a part.
func readAll(r io.Reader, limit int) ([]byte, error) {
	size := 4 << 10
	if known, ok := r.(interface{ Len() int }); ok { // it is in memory
		size = known.Len() + 1 // with room to see its end
	}
	text := make([]byte, 0, min(size, limit))
	for {
		if len(text) == cap(text) {
			if len(text) == limit {
				return text, nil
			}
			larger := make([]byte, len(text), min(2*len(text), limit))
			copy(larger, text)
			clear(text)
			text = larger
		}
		n, err := r.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		if err == io.EOF {
			return text, nil
		}
		if err != nil {
			return text, err
		}
	}
}

// modeWarnings warns of a secret that others than its owner can read. Windows
// has no such modes.
func modeWarnings(path string, mode fs.FileMode) []Warning {
	if runtime.GOOS == "windows" || mode.Perm()&0o077 == 0 {
		return nil
	}
	return []Warning{{
		Text: fmt.Sprintf("mode %04o: other users can read this secret key: chmod 600 %s", mode.Perm(), path),
		Mode: mode,
	}}
}

// AppendPublic appends the text of the public certificate to dst. The error is
// ErrMetadata, ErrProperty for a Validity that can't be, ErrLine, ErrFile for
// more than MaxFile octets, ErrUnsigned for an Authority without a Signature, or
// one of package curve for what can't be written; dst then comes back unchanged.
//
// Of a certificate that was read with its secret key, sections that this version
// doesn't know are left out unless they are signed: they could be secret.
func (c *Certificate) AppendPublic(dst []byte) ([]byte, error) {
	if err := c.checkWhole(); err != nil {
		return dst, fmt.Errorf("cert: %w", err)
	}
	public := *c
	if c.hasPrivate() {
		public.extra = nil
	}
	return appendText(dst, publicComments, public.nodes(), MaxFile)
}

// hasPrivate reports whether there are unknown sections that nobody has made public.
func (c *Certificate) hasPrivate() bool {
	return c.private && len(c.extra) > 0 && c.VerifySignature() != nil
}

// AppendSecret appends the text of the secret certificate to dst, locked or not,
// as AppendPublic does. A certificate without a secret key is an error:
// an error if there is no secret key.
func (c *Certificate) AppendSecret(dst []byte) ([]byte, error) {
	if err := c.checkWhole(); err != nil {
		return dst, fmt.Errorf("cert: %w", err)
	}
	nodes := c.nodes()
	i := slices.IndexFunc(nodes, func(n *zpl.Node) bool { return n.Name == curveSection })
	switch {
	case c.Locked != nil:
		nodes = slices.Insert(nodes, i+1, c.Locked.node())
	case !c.Secret.IsZero():
		nodes[i].Children = append(nodes[i].Children, property(secretKeyName, string(c.Secret.AppendZ85(nil))))
	default:
		return dst, fmt.Errorf("cert: %w", errNoSecretKey)
	}
	return appendText(dst, secretComments, nodes, MaxFile)
}

// AppendCanonical appends to dst the certificate without its secret key, in its one
// form: whatever the order and spacing in which it was read, and whoever wrote
// it. It is what an authority signs, and has everything but the signature
// itself. The error is that of AppendPublic but ErrUnsigned.
func (c *Certificate) AppendCanonical(dst []byte) ([]byte, error) {
	if err := c.check(); err != nil {
		return dst, fmt.Errorf("cert: %w", err)
	}
	canonical := *c
	canonical.Metadata = c.Metadata.canonical()
	canonical.Signature = Signature{}
	canonical.extra = slices.Clone(c.extra)
	slices.SortStableFunc(canonical.extra, func(a, b *zpl.Node) int { return strings.Compare(a.Name, b.Name) })
	return appendText(dst, nil, canonical.nodes(), MaxFile)
}

// nodes are the sections of the public certificate.
func (c *Certificate) nodes() []*zpl.Node {
	nodes := []*zpl.Node{head(c.Serial), metadataNode(c.Metadata),
		{Name: curveSection, Children: []*zpl.Node{property(publicKeyName, c.Public.String())}}}
	if n := c.Validity.node(); n != nil {
		nodes = append(nodes, n)
	}
	if !c.Authority.IsZero() {
		nodes = append(nodes, signatureNode(c.Authority, c.Signature))
	}
	return append(nodes, c.extra...)
}

// appendText appends a text of at most limit octets to dst, which can be read
// again. The error is ErrMetadata, ErrLine or ErrFile; dst then comes back
// unchanged.
func appendText(dst []byte, comments []string, nodes []*zpl.Node, limit int) ([]byte, error) {
	out, err := zpl.Append(dst, comments, nodes)
	if err != nil { // the place in it is that of another text
		return dst, fmt.Errorf("cert: %w: %w", ErrMetadata, errors.Unwrap(err))
	}
	text := out[len(dst):]
	if len(text) > limit {
		return dst, fmt.Errorf("%w: larger than %d octets", ErrFile, limit)
	}
	if n := bytes.Count(text, []byte("\n")) - len(comments); n > zpl.MaxCount {
		return dst, fmt.Errorf("%w: more than %d properties", ErrFile, zpl.MaxCount)
	}
	for line := range bytes.Lines(text) {
		if len(line)-len("\n") > maxLine {
			name, _, _ := bytes.Cut(bytes.TrimLeft(line, " "), []byte(" "))
			return dst, fmt.Errorf("cert: %s: %w", name, ErrLine)
		}
	}
	return out, nil
}
