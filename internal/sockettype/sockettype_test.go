package sockettype

import "testing"

func TestCompatible(t *testing.T) {
	t.Parallel()
	pairs := 0
	for _, ours := range All() {
		for _, theirs := range All() {
			if Compatible(ours, theirs) != Compatible(theirs, ours) {
				t.Errorf("%s and %s: it depends on the side", ours, theirs)
			}
			if Compatible(ours, theirs) {
				pairs++
			}
		}
	}
	if len(All()) != 11 || pairs != 21 {
		t.Errorf("%d types, %d pairs", len(All()), pairs)
	}
	if Known("STREAM") || !Known("PAIR") || Compatible("STREAM", "PAIR") || Compatible("PUSH", "SUB") {
		t.Error("wrong about STREAM, PAIR or PUSH")
	}
}
