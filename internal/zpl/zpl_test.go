package zpl

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// tree returns the tree that a test expects, without places.
func tree(children ...*Node) *Node { return &Node{Children: children} }

func prop(name, value string, children ...*Node) *Node {
	return &Node{Name: name, Value: value, HasValue: true, Children: children}
}

func section(name string, children ...*Node) *Node { return &Node{Name: name, Children: children} }

var withoutPlaces = cmpopts.IgnoreFields(Node{}, "Line", "Column", "ValueColumn", "Odd", "Cut")

// odd returns the warning about an odd value in a column.
func odd(column int) string {
	return fmt.Sprintf("column %d: quotes within the same quotes, which czmq can't read", column)
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       *Node
		warnings   []Warning
	}{
		{"empty", "", tree(), nil},
		{"only comments", "# one\n\n   # two\n", tree(), nil},
		{"flat", "a = 1\nb = 2", tree(prop("a", "1"), prop("b", "2")), nil},
		{"nested", "main\n    type = queue\n    frontend\n        bind = tcp://eth0:5555\nend = 1\n",
			tree(section("main", prop("type", "queue"), section("frontend", prop("bind", "tcp://eth0:5555"))), prop("end", "1")), nil},
		{"value with children", "plain = 1\n    account = x\n", tree(prop("plain", "1", prop("account", "x"))), nil},
		{"blanks around", "a   =    1   \nb=2\nc =\n", tree(prop("a", "1"), prop("b", "2"), prop("c", "")), nil},
		{"comments behind", "a = 1 # one\nb # two\nc = \"#3\" # three\n", tree(prop("a", "1"), section("b"), prop("c", "#3")), nil},
		{"quotes", `a = "x = # y"` + "\n" + `b = 'say "hi"'` + "\n" + `c = "  blanks  "`, tree(prop("a", "x = # y"), prop("b", `say "hi"`), prop("c", "  blanks  ")), nil},
		{"quotes that don't match", `a = "x` + "\n" + `b = 'y" z` + "\n" + `  c = "x" y`, tree(prop("a", `"x`), prop("b", `'y" z`, prop("c", `"x" y`))),
			[]Warning{{1, odd(5)}, {3, "indented with 2 spaces; expected 4"}, {3, odd(7)}}},
		{"quotes within quotes", `a = "say "hi""` + "\n" + `  b = "he said "hi" # x" # y` + "\n" + `  c = 'it's'`,
			tree(prop("a", `say "hi"`, prop("b", `he said "hi" # x`), prop("c", "it's"))),
			[]Warning{{1, odd(6)}, {2, "indented with 2 spaces; expected 4"}, {2, odd(8)}}},
		{"quotes in a comment", `a = "x" # "y"`, tree(prop("a", "x")), nil},
		{"control character in a comment", "a = 1\n# \x1b[2J\n", tree(prop("a", "1")), []Warning{{2, "column 3: control character in a comment"}}},
		{"UTF-8", `name = "Zoë ✓"`, tree(prop("name", "Zoë ✓")), nil},
		{"Windows", "a\r\n    b = 1\r\n", tree(section("a", prop("b", "1"))), []Warning{{1, "line ends are CR LF"}}},
		{"old Macintosh", "a = 1\rb = 2\r", tree(prop("a", "1"), prop("b", "2")), []Warning{{1, "line ends are CR"}}},
		{"byte order mark", "\uFEFFa = 1", tree(prop("a", "1")), []Warning{{1, "a byte order mark"}}},
		{"tabs", "a\n\tb = 1\n\t\tc = 2\n", tree(section("a", prop("b", "1", prop("c", "2")))), []Warning{{2, "indented with a tab; use 4 spaces"}}},
		{"two blanks", "a\n  b\n    c = 1\n  d = 2\n", tree(section("a", section("b", prop("c", "1")), prop("d", "2"))),
			[]Warning{{2, "indented with 2 spaces; expected 4"}, {3, "indented with 4 spaces; expected 8"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root, warnings, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, root, withoutPlaces, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("tree (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.warnings, warnings, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	root, _, err := Parse([]byte("# comment\ncurve\n    public-key = \"abc\"\n    bare =   x\n"))
	if err != nil {
		t.Fatal(err)
	}
	curve := root.Child("curve")
	want := []*Node{
		{Name: "public-key", Value: "abc", HasValue: true, Line: 3, Column: 5, ValueColumn: 19},
		{Name: "bare", Value: "x", HasValue: true, Line: 4, Column: 5, ValueColumn: 14},
	}
	if diff := cmp.Diff(want, curve.Children); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if root.Child("other") != nil {
		t.Error("a missing child")
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	deep := ""
	for i := range MaxDepth + 1 {
		deep += strings.Repeat(" ", 4*i) + "x\n"
	}
	tests := []struct {
		name, text   string
		want         error
		line, column int
	}{
		{"too large", strings.Repeat("\n", MaxSize+1), ErrSize, 1, 1},
		{"too many", strings.Repeat("x\n", MaxCount+1), ErrCount, MaxCount + 1, 1},
		{"long line", "a\nb = " + strings.Repeat("x", MaxLine), ErrLine, 2, 1},
		{"too deep", deep, ErrDepth, MaxDepth + 1, 4*MaxDepth + 1},
		{"not UTF-8", "a = \xff", ErrUTF8, 1, 1},
		{"UTF-16", "\xff\xfea\x00\n\x00", ErrUTF16, 1, 1},
		{"UTF-16, high byte first", "\xfe\xff\x00a", ErrUTF16, 1, 1},
		{"UTF-16 without a mark", "a\x00=\x00", ErrUTF16, 1, 1},
		{"control character", "a\n    b = x\x00", ErrControl, 2, 10},
		{"escape sequence in place of a comment", "a = 1\nb = \x1b[2J", ErrControl, 2, 5},
		{"tab in a value", "a = \"x\ty\"", ErrControl, 1, 7},
		{"first line indented", "    a = 1", ErrIndent, 1, 5},
		{"between two levels", "a\n    b\n  c\n", ErrIndent, 3, 3},
		{"no name", "= 1", ErrName, 1, 1},
		{"strange name", "a\n    na!me = 1", ErrName, 2, 7},
		{"quoted name", `"a" = 1`, ErrName, 1, 1},
		{"two words", "first second", ErrSyntax, 1, 7},
		{"two words and a value", "my name = 1", ErrSyntax, 1, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := Parse([]byte(tt.text))
			var place *Error
			if !errors.Is(err, tt.want) || !errors.As(err, &place) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if place.Line != tt.line || place.Column != tt.column {
				t.Errorf("at %d:%d, want %d:%d", place.Line, place.Column, tt.line, tt.column)
			}
		})
	}
}

// TestParseTells: the error about a text that is completely indented says what to do.
func TestParseTells(t *testing.T) {
	t.Parallel()
	_, _, err := Parse([]byte("    # comment\n    a = 1\n"))
	if err == nil || !strings.Contains(err.Error(), "remove the same number of spaces from each line") {
		t.Errorf("got %v", err)
	}
}

// TestMarks: values that other programs read differently are marked.
func TestMarks(t *testing.T) {
	t.Parallel()
	root, _, err := Parse([]byte("a = x\nb = x # c\nc = \"x\" # c\nd = \"x\"\"\ne = \"x\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range root.Children {
		if n.Cut != (n.Name == "b") || n.Odd != (n.Name >= "d") {
			t.Errorf("%s: cut %v, odd %v", n.Name, n.Cut, n.Odd)
		}
	}
}

// TestWarnings: a text with very many warnings is quick to parse.
func TestWarnings(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for width := range 1000 {
		text.WriteString("a\n" + strings.Repeat(" ", width+1) + "b\n")
	}
	_, warnings, err := Parse([]byte(text.String()))
	if err != nil || len(warnings) != maxWarnings {
		t.Errorf("%d warnings, %v", len(warnings), err)
	}
}

// TestHiding: hidden values are in Hidden, where they can be cleared, and nowhere else.
func TestHiding(t *testing.T) {
	t.Parallel()
	text := []byte("key = 1\ncurve\n    key = 'abc'\n        key = 2\n    other = 3\nx\n    key = 4\n    curve\n        key = 5\n")
	root, _, err := ParseHiding(text, "curve/key")
	if err != nil {
		t.Fatal(err)
	}
	hidden := root.Child("curve").Child("key")
	want := tree(prop("key", "1"), section("curve", prop("key", "", prop("key", "2")), prop("other", "3")),
		section("x", prop("key", "4"), section("curve", prop("key", "5"))))
	want.Child("curve").Child("key").Hidden = []byte("abc")
	if diff := cmp.Diff(want, root, withoutPlaces, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	clear(text)
	value := hidden.Hidden
	if string(value) != "abc" {
		t.Errorf("%q changes with the text", value)
	}
	if root.Wipe(); string(value) != "\x00\x00\x00" {
		t.Errorf("%q was wiped", value)
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	nodes := []*Node{section("metadata", prop("name", "alice"), prop("say", `"hi"`), prop("it", "it's #1 = x")), prop("empty", "")}
	got, err := Append([]byte("before\n"), []string{"a comment"}, nodes)
	if err != nil {
		t.Fatal(err)
	}
	want := "before\n# a comment\nmetadata\n    name = \"alice\"\n    say = '\"hi\"'\n    it = \"it's #1 = x\"\nempty = \"\"\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		node *Node
		want error
	}{
		{prop("a b", "x"), ErrName},
		{prop("", "x"), ErrName},
		{prop("a", `both " and '`), ErrValue},
		{prop("a", "line\nend"), ErrControl},
		{prop("a", "\x7f"), ErrControl},
		{prop("a", "\xff"), ErrUTF8},
		{section("s", prop("a", "\t")), ErrControl},
	} {
		if out, err := Append([]byte("x"), nil, []*Node{tt.node}); !errors.Is(err, tt.want) || string(out) != "x" {
			t.Errorf("%q = %q: got %q, %v, want %v", tt.node.Name, tt.node.Value, out, err, tt.want)
		}
	}
}

// FuzzParse: Parse reads the same properties from the output of Append, unless a value
// contains both kinds of quotes.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"metadata\n    name = \"alice\"\ncurve\n    public-key = \"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\"\n",
		"a\r\n\tb = 'x' # y\r\n", "a\n  b\n    c\n  d = \"\n", "\uFEFFx=1", "security\n    plain = 1\n        account\n            login = guest\n",
		"a = \"x\" y", "a = it's \"both\"", "#", "a\n b\n  c", "\r\r\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		root, _, err := Parse(text)
		if err != nil {
			var place *Error
			if !errors.As(err, &place) || place.Line < 1 || place.Column < 1 {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		written, err := Append(nil, nil, root.Children)
		if errors.Is(err, ErrValue) {
			return
		}
		if err != nil {
			t.Fatalf("parsed text can't be written: %v", err)
		}
		if len(written) > MaxSize {
			return
		}
		again, warnings, err := Parse(written)
		if errors.Is(err, ErrLine) {
			return
		}
		if err != nil || len(warnings) > 0 {
			t.Fatalf("written text reads with %v, %v:\n%s", err, warnings, written)
		}
		if diff := cmp.Diff(root, again, withoutPlaces, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-read +read again):\n%s", diff)
		}
	})
}
