package form

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/internal/zpl"
)

// ErrMetadata means that a text cannot hold this metadata: a name or value that ZPL
// cannot carry, a duplicate name, or properties within a property.
var ErrMetadata = errors.New("invalid metadata")

// Pair is one name and value of metadata.
type Pair = struct{ Name, Value string }

// CheckMetadata returns an error for metadata that cannot be written.
func CheckMetadata(m []Pair) error {
	seen := map[string]bool{}
	for _, p := range m {
		if err := checkPair(p); err != nil {
			return err
		}
		if seen[strings.ToLower(p.Name)] {
			return fmt.Errorf("%w: duplicate %s", ErrMetadata, p.Name)
		}
		seen[strings.ToLower(p.Name)] = true
	}
	return nil
}

func checkPair(p Pair) error {
	if err := zpl.CheckName(p.Name); err != nil {
		return fmt.Errorf("%w: name %q: %w", ErrMetadata, p.Name, err)
	}
	if strings.HasPrefix(p.Name, "/") || strings.HasSuffix(p.Name, "/") {
		return fmt.Errorf("%w: name %q: czmq cannot read a name that begins or ends with /", ErrMetadata, p.Name)
	}
	if looksLikeKey(p.Name) {
		return fmt.Errorf("%w: name %q: %w", ErrMetadata, p.Name, ErrAmbiguous)
	}
	if err := zpl.CheckValue(p.Value); err != nil {
		return fmt.Errorf("%w: value of %s: %w", ErrMetadata, p.Name, err)
	}
	return nil
}

// ParseMetadata reads a section metadata.
func ParseMetadata(section *zpl.Node) (m []Pair, warnings []zpl.Warning, err error) {
	size := 0
	seen := make(map[string]bool, len(section.Children))
	for _, n := range section.Children {
		if len(n.Children) > 0 {
			return nil, nil, n.Children[0].Error(fmt.Errorf("%w: properties within %s", ErrMetadata, n.Name))
		}
		p := Pair{n.Name, n.Value}
		if err := checkPair(p); errors.Is(err, ErrAmbiguous) {
			return nil, nil, n.Error(err)
		} else if err != nil { // others write metadata that this package does not
			warnings = append(warnings, zpl.Warning{Line: n.Line, Text: err.Error()})
		}
		if seen[strings.ToLower(p.Name)] {
			return nil, nil, n.Error(fmt.Errorf("%w: duplicate %s", ErrMetadata, p.Name))
		}
		seen[strings.ToLower(p.Name)] = true
		m = append(m, p)
		size += len(p.Name) + len(p.Value)
	}
	if size > maxMetadata {
		warnings = append(warnings, zpl.Warning{Line: section.Line,
			Text: fmt.Sprintf("%d bytes of metadata: czmq's zauth cannot handle more than %d", size, maxMetadata)})
	}
	return m, warnings, nil
}

// MetadataNode returns a section metadata.
func MetadataNode(m []Pair) *zpl.Node {
	section := &zpl.Node{Name: "metadata"}
	for _, p := range m {
		section.Children = append(section.Children, Property(p.Name, p.Value))
	}
	return section
}

// Canonical returns metadata sorted, and with names in lower case: metadata that means
// the same has one form.
func Canonical(m []Pair) []Pair {
	sorted := make([]Pair, 0, len(m))
	for _, p := range m {
		sorted = append(sorted, Pair{strings.ToLower(p.Name), p.Value})
	}
	slices.SortFunc(sorted, func(a, b Pair) int { return strings.Compare(a.Name, b.Name) })
	return sorted
}
