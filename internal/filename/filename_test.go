package filename

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestClean: whatever the name in a certificate, its file is an ordinary file in the
// directory.
func TestClean(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, want string }{
		{"", "unnamed"},
		{"alice", "alice"},
		{"Zoë 私", "Zoë_私"},
		{"../../etc/x", "_._.._etc_x"},
		{".hidden", "_hidden"},
		{"-flag", "_flag"},
		{"a\x00b\n", "a_b_"},
		{"x\u202etxt", "x_txt"},
		{"NUL", "_NUL"},
		{"con", "_con"},
		{"Aux.txt", "_Aux.txt"},
		{"COM1", "_COM1"},
		{"lpt9.x", "_lpt9.x"},
		{"COM10", "COM10"},
		{"console", "console"},
		{strings.Repeat("ä", 150), strings.Repeat("ä", 100)},
	} {
		if got := Clean(tt.name); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, name := range []string{"", ".", "..", "NUL", "a/b", "\xff", "CON.", strings.Repeat("a", 300)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := Clean(name)
		if got == "" || len(got) > Max+1 || strings.ContainsAny(got, "/\\:\x00") || got[0] == '.' || !filepath.IsLocal(got) {
			t.Errorf("%q: got %q", name, got)
		}
	})
}
