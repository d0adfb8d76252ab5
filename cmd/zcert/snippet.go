package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/examples"
	"github.com/zcurve/zcurve/internal/cli"
)

// snippets are the programs that snippet prints, by language.
var snippets = []struct{ language, file string }{
	{"go", "go/bundle/main.go"},
	{"python", "python/bundle.py"},
	{"c", "c/bundle.c"},
	{"node", "node/bundle.mjs"},
	{"java", "java/Bundle.java"},
}

// snippetBundle is the name of the bundle in the programs.
const snippetBundle = `"alice.bundle"`

func languages() (names []string) {
	for _, s := range snippets {
		names = append(names, s.language)
	}
	return names
}

func newSnippet() *cobra.Command {
	return &cobra.Command{
		Use:   "snippet LANGUAGE BUNDLE",
		Short: "Print a program that connects with a bundle",
		Long: `Snippet prints a small program in LANGUAGE: go, python, c, node or java. It reads
BUNDLE, connects to its service by CURVE as a REQ, sends a request and prints the
reply. Change the type of the socket to the one that fits your service.

The program names the file of the bundle, and contains no key.`,
		Example: `  zcert snippet python alice.bundle > client.py
  zcert snippet go alice.bundle > main.go`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return cli.Usagef("expected LANGUAGE and BUNDLE, such as: zcert snippet python alice.bundle")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var text []byte
			for _, s := range snippets {
				if s.language == args[0] {
					text, _ = examples.Bundles.ReadFile(s.file) // it is there, in every build
				}
			}
			if text == nil {
				return cli.Usagef("%q: must be one of %s", args[0], strings.Join(languages(), ", "))
			}
			if _, err := loadBundle(cmd, args[1]); err != nil {
				return err
			}
			name, err := literal(args[1])
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), strings.Replace(string(text), snippetBundle, name, 1))
			return err
		},
	}
}

// loadBundle reads a bundle.
func loadBundle(cmd *cobra.Command, path string) (*cert.Certificate, error) {
	c, err := input{path: path}.certificate(cmd)
	if err != nil {
		return nil, err
	}
	if c.Service.IsZero() {
		c.Secret.Wipe()
		return nil, cli.Hint(fmt.Errorf("%s: not a bundle: it names no service", cli.Subject(path)),
			"create one: zcert bundle NAME --server service.key --endpoint tcp://HOST:PORT")
	}
	return c, nil
}

// errPath means that a path can't be written in every language.
var errPath = errors.New("path has characters that a program cannot contain: use another one")

// literal returns a path as a string in the source of any of the languages.
func literal(path string) (string, error) {
	for _, r := range path {
		if r < ' ' || r > '~' {
			return "", errPath
		}
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`, nil
}
