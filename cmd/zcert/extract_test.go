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
