// Package nearest finds the name that someone probably meant, for error messages.
package nearest

import (
	"cmp"
	"slices"

	"github.com/agnivade/levenshtein"
)

// Name returns the known name that is most similar to an unknown one, or "" if none is
// similar.
func Name(name string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	distance := func(known string) int { return levenshtein.ComputeDistance(name, known) }
	near := slices.MinFunc(known, func(a, b string) int { return cmp.Compare(distance(a), distance(b)) })
	if distance(near) > 1+len(name)/3 {
		return ""
	}
	return near
}
