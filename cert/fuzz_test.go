package cert

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/hidden"
	"github.com/zcurve/zcurve/internal/zpl"
)

// FuzzCertificate holds that what can be read can be written and reads back as
// the same, unless it is too long or there was a warning of it.
func FuzzCertificate(f *testing.F) {
	f.Add([]byte(secretText("    name = \"alice\"\n    note = 'say \"hi\"' # \xc3\xa9\n")))
	f.Add([]byte("\xef\xbb\xbf" + publicText("\tname = a=b\r\n")))
	f.Add([]byte("a\n  b = 1\n    c\n" + publicText("") + "    until = 1\n"))
	f.Add([]byte(secretText("") + "service\n    endpoint = \"ipc:///it\"\n    server-key = \"" + alicePublic + "\"\n"))
	f.Add([]byte("public-key = x\nmetadata\n"))
	f.Add([]byte(public(f, signed(f, item{"note", "it's"}))))
	_, text := locked(f, "passphrase")
	f.Add([]byte(text))
	f.Add([]byte(public(f, signedWith(f, "a\n    b = \"1\"\n    b = \"1\"\na\n"))))
	f.Add([]byte(strings.Replace(public(f, signed(f)), "metadata\n", "metadata = \"admins\"\n", 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, warnings, err := parseText(text, form.MaxFile, parse)
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
		checkCovered(t, text, c)
		write := c.AppendPublic
		if !c.Secret.IsZero() || c.locked != nil {
			write = c.AppendSecret
		}
		written, err := write(nil)
		tooMuch := errors.Is(err, form.ErrLine) || errors.Is(err, form.ErrTooLarge)
		if tooMuch || errors.Is(err, form.ErrMetadata) && len(warnings) > 0 {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := parseText(written, form.MaxFile, parse)
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

// checkCovered fails if a text, which says that it is signed, has anything in it that
// the signed text hasn't.
func checkCovered(t *testing.T, text []byte, c *Certificate) {
	t.Helper()
	signed, err := c.AppendCanonical(nil)
	if err != nil || c.Authority == (AuthorityKey{}) {
		return
	}
	read, _, err := zpl.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if c.locked != nil {
		if signed, err = zpl.Append(signed, nil, []*zpl.Node{c.locked.node()}); err != nil {
			t.Fatal(err)
		}
	}
	covered, _, err := zpl.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string]int{}, map[string]int{}
	countNodes(want, "", covered.Children)
	countNodes(got, "", read.Children)
	for what, n := range got {
		if n > want[what] {
			t.Errorf("%s is in the text %d times, and %d times in what is signed:\n%s\nand\n%s", what, n, want[what], text, signed)
		}
	}
}

// countNodes counts properties by their way from the root and their value, but for
// what no signature covers: itself, and the secret key.
func countNodes(counts map[string]int, way string, nodes []*zpl.Node) {
	for _, n := range nodes {
		name := n.Name
		if way == "/metadata" {
			name = strings.ToLower(name)
		}
		if at := way + "/" + name; at != "/authority/signature" && at != "/curve/secret-key" {
			counts[fmt.Sprintf("%s=%q %v", at, n.Value, n.HasValue)]++
		}
		countNodes(counts, way+"/"+name, n.Children)
	}
}

// FuzzAuthority holds that an authority that can be read can be written, and reads
// back as the same.
func FuzzAuthority(f *testing.F) {
	a := authority(f, "acme")
	for _, write := range []func([]byte) ([]byte, error){a.AppendPublic, a.AppendSecret} {
		text, err := write(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	if err := a.lock([]byte("passphrase"), quick); err != nil {
		f.Fatal(err)
	}
	text, err := a.AppendSecret(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("authority\n    key = \"ed25519:\"\n    seed\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := ParseAuthority(text)
		if err != nil {
			var place *SyntaxError
			if !errors.As(err, &place) || place.Line < 1 || a != nil {
				t.Fatalf("got %v, %v", a, err)
			}
			return
		}
		write := a.AppendPublic
		if a.HasSecret() || a.locked != nil {
			write = a.AppendSecret
		}
		written, err := write(nil)
		if errors.Is(err, form.ErrMetadata) || errors.Is(err, form.ErrLine) || errors.Is(err, form.ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseAuthority(written)
		if err != nil {
			t.Fatalf("%v in\n%s", err, written)
		}
		if diff := cmp.Diff(a, back, cmp.AllowUnexported(Authority{}, hidden.Bytes{}, lockedKey{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// FuzzRevocations holds that a list that can be read reads back as the same. The
// signature is made right, or nothing would be read.
func FuzzRevocations(f *testing.F) {
	a := authority(f, "acme")
	text, err := revocations(f, a).Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("revocations\n    serial = 1\n        time = 2026-01-01T00:00:00Z\nauthority\n    key = x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, _, err := parseText(text, form.MaxList, func(root *zpl.Node) (*RevocationList, []zpl.Warning, error) {
			l, err := parseUnverified(root)
			return l, nil, err
		})
		if err != nil {
			var place *SyntaxError
			if !errors.As(err, &place) || place.Line < 1 || l != nil {
				t.Fatalf("got %v, %v", l, err)
			}
			return
		}
		err = a.SignRevocations(l, l.Issued, l.Expires)
		if errors.Is(err, form.ErrLine) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		written, err := l.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseRevocations(written)
		if err != nil {
			t.Fatalf("%v in\n%s", err, written)
		}
		if diff := cmp.Diff(l, back, cmp.AllowUnexported(RevocationList{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
