package cert

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/internal/ztest"
)

// random makes certificates, and other texts of them.
type random struct{ *rand.Rand }

func pick[T any](r random, from ...T) T { return from[r.IntN(len(from))] }

// value is one with what could be mistaken for the end of a value.
func (r random) value() string {
	quote := pick(r, `"`, `'`)
	var value strings.Builder
	for range r.IntN(12) {
		value.WriteString(pick(r, quote, quote, "#", "=", " ", " = ", "    ", "a", "curve", "é", "\u0085", "\u2028", "\ufeff", `\n`, "%"))
	}
	return value.String()
}

// foreign is an unknown section, or a property in one.
func (r random) foreign(name string, depth int) *zpl.Node {
	n := &zpl.Node{Name: name}
	if r.IntN(2) == 0 {
		n.Value, n.HasValue = r.value(), true
	}
	for i := range r.IntN(4 - depth) {
		n.Children = append(n.Children, r.foreign(pick(r, "a", "A", "key", fmt.Sprint(i)), depth+1))
	}
	return n
}

// certificate is alice's, signed, with anything else that it can hold.
func (r random) certificate(t *testing.T) *Certificate {
	t.Helper()
	c := alice(t)
	c.Serial = pick(r, 0, 1, r.Uint64())
	c.Validity.NotBefore = pick(r, c.Validity.NotBefore, day(1, 1+r.IntN(28)))
	c.Validity.NotAfter = pick(r, c.Validity.NotAfter, day(2, 1+r.IntN(28)))
	for i, name := range []string{"name", "Name-2", "$@.&+_-", "a/b", "version", "curve", "key"} {
		if r.IntN(2) == 0 {
			c.Metadata = slices.Insert(c.Metadata, r.IntN(len(c.Metadata)+1), item{fmt.Sprint(name, i), r.value()})
		}
	}
	for range r.IntN(4) {
		c.extra = append(c.extra, r.foreign(pick(r, "purpose", "Purpose", "Curve", "Revocations", "seed"), 0))
	}
	if err := authority(t, "acme").Sign(c); err != nil {
		t.Fatal(err)
	}
	return c
}

// rewrite is another text of the same.
func (r random) rewrite(t *testing.T, text string) string {
	t.Helper()
	root, _, err := zpl.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString(pick(r, "", "\ufeff"))
	lineEnd := func() string { return pick(r, "\n", "\n", "\r\n", "\r") }
	var write func(nodes []*zpl.Node, indentation, section string)
	write = func(nodes []*zpl.Node, indentation, section string) {
		if slices.Contains([]string{headSection, metadataSection, curveSection, validitySection, authoritySection}, section) {
			r.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		}
		for _, n := range nodes {
			for range r.IntN(2) {
				out.WriteString(pick(r, "", "   ", "# curve", indentation+"  # a = \"b\"", "\t") + lineEnd())
			}
			name := n.Name
			if section == metadataSection {
				name = pick(r, name, strings.ToUpper(name), strings.ToLower(name))
			}
			out.WriteString(indentation + name)
			if n.HasValue {
				out.WriteString(pick(r, "=", " = ", "\t=\t", "   =") + r.quoted(n.Value))
			}
			out.WriteString(pick(r, "", " ", "  # comment", "\t#") + lineEnd())
			write(n.Children, indentation+pick(r, " ", "  ", "    ", "\t", "       "), strings.TrimPrefix(section+"/"+n.Name, "/"))
		}
	}
	// The order of sections that have one name says something.
	var groups [][]*zpl.Node
	for _, n := range root.Children {
		i := slices.IndexFunc(groups, func(g []*zpl.Node) bool { return g[0].Name == n.Name })
		if i < 0 {
			groups = append(groups, []*zpl.Node{n})
		} else {
			groups[i] = append(groups[i], n)
		}
	}
	r.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	write(slices.Concat(groups...), "", "")
	return out.String()
}

// quoted is a value in one of the ways in which it can stand.
func (r random) quoted(value string) string {
	var ways []string
	if !strings.Contains(value, `"`) {
		ways = append(ways, `"`+value+`"`)
	}
	if !strings.Contains(value, "'") {
		ways = append(ways, "'"+value+"'")
	}
	if !strings.ContainsAny(value, `"'#`) && value == strings.Trim(value, " ") {
		ways = append(ways, value)
	}
	return pick(r, ways...)
}

// sameNodes compares sections but for where they stand.
var sameNodes = cmp.Options{cmpopts.IgnoreFields(zpl.Node{}, "Line", "Column", "ValueColumn"), cmpopts.EquateEmpty()}

// TestCanonicalOfAnyUnraced: whatever a certificate contains, and however it is
// written, it has one canonical form, from which all of it can be told: so no two
// that differ share one.
func TestCanonicalOfAnyUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	for i := range uint64(300) {
		r := random{rand.New(rand.NewPCG(1, i))}
		c := r.certificate(t)
		want := canonical(t, c)

		text := r.rewrite(t, public(t, c))
		got, err := Parse([]byte(text))
		if err != nil {
			t.Fatalf("%d: %v in\n%s", i, err, text)
		}
		if diff := cmp.Diff(want, canonical(t, got)); diff != "" {
			t.Fatalf("%d: written otherwise (-want +got):\n%s\nin\n%s", i, diff, text)
		}
		if err := got.verifySignature(); err != nil {
			t.Fatalf("%d: written otherwise: %v in\n%s", i, err, text)
		}

		unsigned := *c
		unsigned.Authority = AuthorityKey{}
		back, err := Parse([]byte(canonical(t, &unsigned)))
		if err != nil {
			t.Fatalf("%d: %v in\n%s", i, err, want)
		}
		sorted := slices.Clone(c.extra)
		slices.SortStableFunc(sorted, func(a, b *zpl.Node) int { return strings.Compare(a.Name, b.Name) })
		if back.Public != c.Public || back.Serial != c.Serial || back.Validity != c.Validity ||
			!slices.Equal(back.Metadata, Metadata(form.Canonical(c.Metadata))) || !cmp.Equal(sorted, back.extra, sameNodes) {
			t.Fatalf("%d: read back from\n%s\nas %+v", i, want, back)
		}
	}
}

// TestNothingUnsigned: a signed or locked certificate has nothing in it that isn't
// part of its canonical form.
func TestNothingUnsigned(t *testing.T) {
	t.Parallel()
	c := signed(t, item{"note", "x"})
	text := public(t, c)
	insert := func(text, before, line string) string { return strings.Replace(text, before, line+before, 1) }
	for name, changed := range map[string]string{
		"value of metadata":            strings.Replace(text, "\nmetadata\n", "\nmetadata = \"admins\"\n", 1),
		"empty value of metadata":      strings.Replace(text, "\nmetadata\n", "\nmetadata =\n", 1),
		"value of curve":               strings.Replace(text, "\ncurve\n", "\ncurve = \"NULL\"\n", 1),
		"value of certificate":         strings.Replace(text, "\ncertificate\n", "\ncertificate = 1\n", 1),
		"property in curve":            insert(text, "    public-key", "    any = \"1\"\n"),
		"child of public-key":          insert(text, "validity", "        for = \"everybody\"\n"),
		"child of a child":             insert(text, "validity", "        for\n            all\n"),
		"empty section":                strings.Replace(public(t, signedWith(t, "")), "authority\n", "validity\nauthority\n", 1),
		"metadata without a value":     strings.Replace(public(t, signed(t, item{"note", ""})), "note = \"\"", "note", 1),
		"quotes within quotes":         strings.Replace(public(t, signed(t, item{"note", `say "hi"`})), `'say "hi"'`, `"say "hi""`, 1),
		"quotes in an unknown section": strings.Replace(public(t, signedWith(t, "purpose = 'say \"hi\"'\n")), `'say "hi"'`, `"say "hi""`, 1),
	} {
		if changed == text {
			t.Errorf("%s: nothing has changed", name)
		}
		if _, err := Parse([]byte(changed)); !errors.Is(err, form.ErrProperty) && !errors.Is(err, form.ErrMetadata) {
			t.Errorf("%s: got %v, want %v", name, err, form.ErrProperty)
		}
	}
	_, secret := locked(t, "passphrase")
	unsigned := alice(t)
	ztest.Must(t, unsigned.lock([]byte("passphrase"), quick))
	out, err := unsigned.AppendSecret(nil)
	ztest.Must(t, err)
	for _, text := range []string{secret, string(out)} {
		if _, err := Parse([]byte(text)); err != nil {
			t.Fatal(err)
		}
		for _, changed := range []string{
			strings.Replace(text, "\nmetadata\n", "\nmetadata = \"admins\"\n", 1),
			insert(text, "    public-key", "    any = \"1\"\n"),
			insert(text, "locked\n", "        for = \"everybody\"\n"),
		} {
			if _, err := Parse([]byte(changed)); !errors.Is(err, form.ErrProperty) {
				t.Errorf("locked: got %v, want %v in\n%s", err, form.ErrProperty, changed)
			}
		}
	}
}

// signedWith is alice's certificate with other sections, signed.
func signedWith(t testing.TB, sections string) *Certificate {
	t.Helper()
	c, err := Parse([]byte(publicText("") + sections))
	ztest.Must(t, err, authority(t, "acme").Sign(c))
	return c
}

// TestCanonicalCrafted: what is made to look like another certificate isn't one.
func TestCanonicalCrafted(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, metadata := range []Metadata{
		{{"a", ""}},
		{{"a", " "}},
		{{"a", `"`}},
		{{"a", `'`}},
		{{"a", `"" # `}},
		{{"a", `b"    c = "d`}},
		{{"a", `b'    c = 'd`}},
		{{"a", `b\n    c = d`}},
		{{"a", "b\u0085    c = d"}},
		{{"a", "b\u2028    c = d"}},
		{{"a", "b"}, {"c", "d"}},
		{{"a", "b # c"}},
		{{"a", "b"}},
		{{"a", "B"}},
		{{"a", "b "}},
		{{"a", "= b"}},
		{{"a", "ab"}},
		{{"aa", "b"}},
	} {
		text := canonical(t, alice(t, metadata...))
		if other, ok := seen[text]; ok {
			t.Errorf("%q and %s have the same bytes", metadata, other)
		}
		seen[text] = fmt.Sprintf("%q", metadata)
	}
	for _, more := range []string{
		"a\n", "a =\n", "a = \"'\"\n", "a = '\"'\n", "a = ' '\n",
		"a\n    b\n", "a\n    b =\n", "a\nb\n", "a\n    b\n        c\n", "a\n    b\n    c\n", "a\n    c\n    b\n",
		"a\na\n", "A\n", "a = b\n", "a\n    b = \"c = 'd'\"\n", "a\n    b = c\n", "a = b\na = c\n", "a = c\na = b\n",
		"Metadata\n    b = c\n", "Authority\n", "Locked\n", "Validity\n",
	} {
		c, err := Parse([]byte(publicText("") + more))
		if err != nil {
			t.Fatal(err)
		}
		text := canonical(t, c)
		if other, ok := seen[text]; ok {
			t.Errorf("%q and %s have the same bytes", more, other)
		}
		seen[text] = fmt.Sprintf("%q", more)
	}
}

// TestCanonicalFails: what can't be written has no canonical form, and what is
// appended to stays as it is.
func TestCanonicalFails(t *testing.T) {
	t.Parallel()
	c, err := Parse([]byte(publicText("") + "a = it's \"both\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Certificate{
		c,
		new(Certificate),
		alice(t, item{"a", "x\ny"}),
		alice(t, item{"a", "x"}, item{"A", "x"}),
		alice(t, item{"a", strings.Repeat("x", form.MaxLine)}),
	} {
		if got, err := c.AppendCanonical([]byte("before")); err == nil || string(got) != "before" {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}
