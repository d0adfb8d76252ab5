package cert

import (
	"fmt"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
)

// stray is something in a text that is not in what was read from it. To another program
// it could have a meaning.
type stray struct {
	node  *zpl.Node
	value bool // it is about the value alone
}

// strays yields what is in parsed and not in whole, which is what this package would
// write. If strict is true, a property without a value differs from one with an empty
// value, and a value that others read differently is a stray, too.
func strays(parsed, whole []*zpl.Node, strict bool, yield func(stray)) {
	var few [16]bool
	used := few[:]
	if len(whole) > len(few) {
		used = make([]bool, len(whole))
	}
	next := 0 // the order is usually the same
	for _, n := range parsed {
		is := func(i int) bool { return i < len(whole) && !used[i] && whole[i].Name == n.Name }
		for i := 0; i < len(whole) && !is(next); i++ {
			next = i
		}
		if !is(next) {
			yield(stray{node: n})
			continue
		}
		w := whole[next]
		used[next] = true
		next++
		if w.Value != n.Value || strict && (w.HasValue != n.HasValue || n.Odd) {
			yield(stray{node: n, value: true})
		}
		strays(n.Children, w.Children, strict, yield)
	}
}

// checkStrays looks for strays in a text. In a signed or locked text they are an error,
// as they could be changed unnoticed. Otherwise there is a warning for each.
func checkStrays(root *zpl.Node, whole []*zpl.Node, strict bool) (warnings []zpl.Warning, err error) {
	strays(root.Children, whole, strict, func(s stray) {
		switch {
		case strict && err != nil:
		case strict && s.value:
			err = s.node.ValueError(fmt.Errorf("%w: the value of %s is not covered by the signature or the lock", form.ErrProperty, s.node.Name))
		case strict:
			err = s.node.Error(fmt.Errorf("%w: %s is not covered by the signature or the lock", form.ErrProperty, s.node.Name))
		case s.value:
			warnings = append(warnings, zpl.Warning{Line: s.node.Line,
				Text: fmt.Sprintf("unknown value of %s: it is dropped when the file is rewritten", s.node.Name)})
		default:
			warnings = append(warnings, zpl.Warning{Line: s.node.Line,
				Text: fmt.Sprintf("unknown property %s: it is dropped when the file is rewritten", s.node.Name)})
		}
	})
	return warnings, err
}
