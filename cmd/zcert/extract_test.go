package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/ztest"
)

// TestSafeFileName: whatever the name in a certificate, its file is an ordinary one in
// the directory.
func TestSafeFileName(t *testing.T) {
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
		if got := safeFileName(tt.name); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzSafeFileName(f *testing.F) {
	for _, name := range []string{"", ".", "..", "NUL", "a/b", "\xff", "CON.", strings.Repeat("a", 300)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := safeFileName(name)
		if got == "" || len(got) > maxFileName+1 || strings.ContainsAny(got, "/\\:\x00") || got[0] == '.' || !filepath.IsLocal(got) {
			t.Errorf("%q: got %q", name, got)
		}
	})
}

// TestExtractNameless: a certificate is found after credentials without a username.
func TestExtractNameless(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := filepath.Join(dir, "p.plain")
	ztest.WriteFile(t, p, "plain\n    username = \"\"\n    password = \"x\"\n")
	ztest.Must(t, os.Chmod(p, 0o600))
	c := filepath.Join(dir, "ok.key")
	ztest.Must(t, cert.Generate("ok").SavePublic(c))
	var mail, stderr strings.Builder
	for _, args := range [][]string{{"armor", p, "--secret"}, {"armor", c}} {
		if code := cli.Run(ztest.Context(t), newRoot(), args, strings.NewReader(""), &mail, &stderr); code != cli.ExitDone {
			t.Fatalf("zcert %q: %s", args, stderr.String())
		}
	}
	text := filepath.Join(dir, "mail.txt")
	ztest.WriteFile(t, text, mail.String())
	inbox := filepath.Join(dir, "inbox")
	ztest.Must(t, os.Mkdir(inbox, 0o700))
	zcert(t, "extract", text, "--out", inbox)
	for _, name := range []string{"unnamed.plain", "ok.key"} {
		if _, err := os.Stat(filepath.Join(inbox, name)); err != nil {
			t.Error(err)
		}
	}
}
