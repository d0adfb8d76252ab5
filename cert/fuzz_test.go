package cert

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzCertificate holds that what can be read can be written and reads back as
// the same, unless it is too long or there was a warning of it.
func FuzzCertificate(f *testing.F) {
	f.Add([]byte(secretText("    name = \"alice\"\n    note = 'say \"hi\"' # \xc3\xa9\n")))
	f.Add([]byte("\xef\xbb\xbf" + publicText("\tname = a=b\r\n")))
	f.Add([]byte("a\n  b = 1\n    c\n" + publicText("") + "    until = 1\n"))
	f.Add([]byte("public-key = x\nmetadata\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, warnings, err := Parse(text)
		if err != nil {
			var place *SyntaxError
			if !errors.As(err, &place) || place.Line < 1 || place.Column < 1 || c != nil {
				t.Fatalf("got %v, %v", c, err)
			}
			return
		}
		for _, w := range warnings {
			if w.Line < 1 || w.Text == "" {
				t.Errorf("warning %v", w)
			}
		}
		write := c.AppendPublic
		if !c.Secret.IsZero() {
			write = c.AppendSecret
		}
		written, err := write(nil)
		tooMuch := errors.Is(err, ErrLine) || errors.Is(err, ErrFile)
		if tooMuch || errors.Is(err, ErrMetadata) && len(warnings) > 0 {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := Parse(written)
		if err != nil {
			t.Fatalf("%v in\n%s", err, written)
		}
		if diff := cmp.Diff(c, back, compare); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		again, err := write(nil)
		if err != nil || string(again) != string(written) {
			t.Errorf("written twice: %v\n%s\nand\n%s", err, written, again)
		}
	})
}
