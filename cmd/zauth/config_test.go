package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/zcurve/zcurve/internal/settings"
	"github.com/zcurve/zcurve/internal/ztest"
)

// placeholders maps the placeholders in the help of serve to values. Package
// settings makes a FILE, URL and ENDPOINT in the file relative to it.
var placeholders = map[string]string{
	"FILE": "x", "URL": "dir:x", "ENDPOINT": "tcp://127.0.0.1:1", "MODE": "0660", "GROUP": "x", "LEVEL": "debug",
	"FORMAT": "json", "HOST:PORT": "127.0.0.1:1", "string": "", "": "1",
}

// TestEveryFlagIsASetting: each flag of serve can be set in the configuration file and, with the
// exception of --cert, in the environment, and its help says whether its value is a path.
func TestEveryFlagIsASetting(t *testing.T) {
	t.Parallel()
	new(serveFlags).flagSet().VisitAll(func(f *pflag.Flag) {
		what, usage := pflag.UnquoteUsage(f)
		value := placeholders[what]
		if value == "" {
			t.Errorf("--%s takes %q: add it to the placeholders, and to package settings if it is a path: %s", f.Name, what, usage)
			return
		}
		if f.Name == settings.FileFlag {
			return
		}
		path := filepath.Join(t.TempDir(), "zauth.conf")
		ztest.WriteFile(t, path, f.Name+" = "+value+"\n")
		variable := "ZAUTH_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		sources := map[string]string{settings.File: "ZAUTH_CONFIG=" + path}
		if f.Name != "cert" {
			sources[settings.Environment] = variable + "=" + value
		}
		for from, environ := range sources {
			var next serveFlags
			flags := next.flagSet()
			s := variables()
			s.Environ = []string{environ}
			all, _, err := settings.Apply(flags, s)
			ztest.Must(t, err)
			for _, one := range all {
				if one.Name != f.Name {
					continue
				}
				got := strings.ReplaceAll(strings.Join(one.Values, " "), filepath.Dir(path)+"/", "")
				if diff := cmp.Diff(value, got); diff != "" || one.From != from {
					t.Errorf("--%s from %s: %s", f.Name, one.From, diff)
				}
			}
		}
	})
}
