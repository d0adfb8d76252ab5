package sockettype_test

import (
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/sockettype"
)

// TestDelimiter writes messages with commas between their parts.
func TestDelimiter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ ours, theirs, good, bad string }{
		{"REQ", "REP", ",a ,, 1234,,a", "a a,,b 123,,a"},
		{"ROUTER", "REQ", ",a 1234,,a", "a 1234, 12345,,a 1234,5,,a"},
		{"DEALER", "REP", ",a id,,a a,b,,c", "a a,b a, 1234"},
		{"DEALER", "ROUTER", "a a,b ,a a,", ""},
	} {
		d := sockettype.DelimiterOf(test.ours, test.theirs)
		for i, messages := range []string{test.good, test.bad} {
			for _, message := range strings.Fields(messages) {
				var parts [][]byte
				for _, part := range strings.Split(message, ",") {
					parts = append(parts, []byte(part))
				}
				if d.In(parts) != (i == 0) {
					t.Errorf("%s to %s: %q fits: %v", test.ours, test.theirs, message, i != 0)
				}
			}
		}
	}
}
