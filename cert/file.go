package cert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

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
// read, a warning says what to do.
func Load(path string) (*Certificate, []Warning, error) {
	// A device or a pipe could block for ever, so look before opening.
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("cert: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%w: %s: not a regular file", ErrFile, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("cert: %w", err)
	}
	defer f.Close()
	c, warnings, err := Read(f, path)
	if err != nil {
		return nil, nil, err
	}
	if !c.Secret.IsZero() {
		if w := modeWarning(path, info.Mode()); w != "" {
			warnings = append(warnings, Warning{Text: w})
		}
	}
	return c, warnings, nil
}

// Read reads a certificate from r, which error messages call name.
func Read(r io.Reader, name string) (*Certificate, []Warning, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("cert: reading %s failed: %w", name, err)
	}
	defer clear(text)
	if len(text) > MaxFile {
		return nil, nil, fmt.Errorf("%w: %s: larger than %d octets", ErrFile, name, MaxFile)
	}
	c, warnings, err := Parse(text)
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		syntax.File = name
	}
	return c, warnings, err
}

// modeWarning warns of a secret that others than its owner can read. Windows
// has no such modes.
func modeWarning(path string, mode fs.FileMode) string {
	if runtime.GOOS == "windows" || mode.Perm()&0o077 == 0 {
		return ""
	}
	return fmt.Sprintf("mode %04o: other users can read this secret key: chmod 600 %s", mode.Perm(), path)
}

// AppendPublic appends the text of the public certificate to dst. The error is
// ErrMetadata, ErrLine, ErrFile for more than MaxFile octets, or one of package
// curve for what can't be written; dst then comes back unchanged.
func (c *Certificate) AppendPublic(dst []byte) ([]byte, error) {
	return c.append(dst, publicComments, &zpl.Node{Name: publicKeyName, HasValue: true, Value: c.Public.String()})
}

// AppendSecret appends the text of the secret certificate to dst, as
// AppendPublic does. A certificate without a secret key is an error:
// curve.ErrNoSecretKey.
func (c *Certificate) AppendSecret(dst []byte) ([]byte, error) {
	if err := c.KeyPair().Check(); err != nil {
		return dst, fmt.Errorf("cert: %w", err)
	}
	return c.append(dst, secretComments,
		&zpl.Node{Name: publicKeyName, HasValue: true, Value: c.Public.String()},
		&zpl.Node{Name: secretKeyName, HasValue: true, Value: c.Secret.Z85()})
}

func (c *Certificate) append(dst []byte, comments []string, keys ...*zpl.Node) ([]byte, error) {
	if err := c.check(); err != nil {
		return dst, fmt.Errorf("cert: %w", err)
	}
	metadata := &zpl.Node{Name: metadataSection}
	for _, p := range c.Metadata {
		metadata.Children = append(metadata.Children, &zpl.Node{Name: p.Name, HasValue: true, Value: p.Value})
	}
	nodes := append([]*zpl.Node{metadata, {Name: curveSection, Children: keys}}, c.extra...)
	out, err := zpl.Append(dst, comments, nodes)
	if err != nil { // the place in it is that of another text
		return dst, fmt.Errorf("cert: %w: %w", ErrMetadata, errors.Unwrap(err))
	}
	text := out[len(dst):]
	if len(text) > MaxFile {
		return dst, fmt.Errorf("%w: larger than %d octets", ErrFile, MaxFile)
	}
	for line := range bytes.Lines(text) {
		if len(line)-len("\n") > maxLine {
			name, _, _ := bytes.Cut(bytes.TrimLeft(line, " "), []byte(" "))
			return dst, fmt.Errorf("cert: %s: %w", name, ErrLine)
		}
	}
	return out, nil
}
