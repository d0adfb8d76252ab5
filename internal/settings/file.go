package settings

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/internal/nearest"
	"github.com/zcurve/zcurve/internal/storeurl"
	"github.com/zcurve/zcurve/internal/zpl"
)

// maxFile is the size in bytes of the largest configuration file that is read.
const maxFile = 1 << 20

// Faults of a configuration file.
var (
	errName      = errors.New("unknown setting")
	errValue     = errors.New("expected a value")
	errDuplicate = errors.New("duplicate")
	errSection   = errors.New("takes no properties")
)

// content holds the lines of a configuration file.
type content struct {
	path     string
	lines    map[string][]*zpl.Node // by setting
	warnings []string
}

// read reads a configuration file.
func read(path string, flags *pflag.FlagSet) (*content, error) {
	text, _, err := follow.ReadStill(path, maxFile)
	if err != nil {
		return nil, err
	}
	return parse(path, text, flags)
}

// parse parses the text of a configuration file. The error lists every fault.
func parse(path string, text []byte, flags *pflag.FlagSet) (*content, error) {
	c := &content{path: path, lines: map[string][]*zpl.Node{}}
	root, warnings, err := zpl.Parse(text)
	if place, ok := errors.AsType[*zpl.Error](err); ok {
		return nil, errors.Join(&cert.SyntaxError{File: path, Line: place.Line, Column: place.Column, Err: place.Err})
	}
	for _, w := range warnings {
		c.warnings = append(c.warnings, fmt.Sprintf("%s:%d: %s", path, w.Line, w.Text))
	}
	var faults []error
	known := slices.DeleteFunc(names(flags), func(name string) bool { return name == FileFlag })
	for _, n := range root.Children {
		fail := func(column int, err error) {
			faults = append(faults, &cert.SyntaxError{File: path, Line: n.Line, Column: column, Err: err})
		}
		switch {
		case !slices.Contains(known, n.Name):
			err := fmt.Errorf("%w %s", errName, n.Name)
			if near := nearest.Name(strings.ToLower(strings.ReplaceAll(n.Name, "_", "-")), known); near != "" {
				err = fmt.Errorf("%w: did you mean %s?", err, near)
			}
			fail(n.Column, err)
		case len(n.Children) > 0:
			fail(n.Column, fmt.Errorf("%s %w: indent nothing below it", n.Name, errSection))
		case n.Value == "":
			fail(n.Column, fmt.Errorf("%w: %s = VALUE; without the line, the default applies", errValue, n.Name))
		case len(c.lines[n.Name]) > 0 && !isRepeatable(flags.Lookup(n.Name)):
			fail(n.Column, fmt.Errorf("%w %s: see line %d", errDuplicate, n.Name, c.lines[n.Name][0].Line))
		case check(flags.Lookup(n.Name), n.Value) != nil:
			fail(n.ValueColumn, fmt.Errorf("%s: %w", n.Name, check(flags.Lookup(n.Name), n.Value)))
		default:
			c.lines[n.Name] = append(c.lines[n.Name], n)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return c, nil
}

// set sets a flag from the lines of the file.
func (c *content) set(f *pflag.Flag, lines []*zpl.Node) (faults []error) {
	for _, n := range lines {
		if err := set(f, c.beside(f, n.Value)); err != nil {
			faults = append(faults, &cert.SyntaxError{File: c.path, Line: n.Line, Column: n.ValueColumn, Err: fmt.Errorf("%s: %w", n.Name, err)})
		}
	}
	return faults
}

// none are values in place of a path.
var none = []string{"none", "-"}

// beside returns a value of the file, in which paths are relative to the directory of the
// file, with paths relative to the working directory. The flag's help says what the value is.
func (c *content) beside(f *pflag.Flag, value string) string {
	dir := filepath.Dir(c.path)
	if slices.Contains(none, value) {
		return value
	}
	switch what, _ := pflag.UnquoteUsage(f); what {
	case "FILE":
		if !filepath.IsAbs(value) {
			return filepath.Join(dir, value)
		}
	case "URL":
		return storeurl.Beside(dir, value)
	case "ENDPOINT":
		path, isSocket := strings.CutPrefix(value, "ipc://")
		if isSocket && !filepath.IsAbs(path) && !strings.HasPrefix(path, "@") && path != "" && path != "*" {
			return "ipc://" + filepath.Join(dir, path)
		}
	}
	return value
}
