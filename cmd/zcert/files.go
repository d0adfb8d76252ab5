package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/zpl"
)

// nameList holds the flag for a file that lists further arguments.
type nameList struct{ from string }

func (l *nameList) addFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.from, "names-from", "", "read more names from the file `LIST`, one per line (- for stdin)")
}

// names returns the arguments and the names in the list. It returns an empty slice if
// there are none.
func (l *nameList) names(cmd *cobra.Command, args []string) ([]string, error) {
	if i := slices.Index(args, "-"); i >= 0 && slices.Contains(args[i+1:], "-") {
		return nil, cli.Usagef("- is given twice, but stdin can be read only once")
	}
	if l.from == "" {
		return args, nil
	}
	if l.from == "-" {
		if slices.Contains(args, "-") {
			return nil, cli.Usagef("--names-from - and FILE - both read stdin")
		}
		if f := cmd.Flags().Lookup("passphrase-file"); f != nil && f.Value.String() == "-" {
			return nil, cli.Usagef("--names-from - and --passphrase-file - both read stdin")
		}
	}
	text, err := cli.Await(cmd.Context(), func() ([]byte, error) {
		if l.from == "-" {
			return readAll(cmd.InOrStdin(), stdinName)
		}
		f, err := os.Open(l.from)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readAll(f, l.from)
	})
	if err != nil {
		return nil, err
	}
	if zpl.IsUTF16(text) {
		return nil, fmt.Errorf("%s: %w", l.name(), zpl.ErrUTF16)
	}
	names := args
	for line := range bytes.Lines(bytes.TrimPrefix(text, byteOrderMark)) {
		name := string(bytes.TrimRight(line, "\r\n"))
		if name == "-" {
			return nil, fmt.Errorf("%s: a list cannot contain -", l.name())
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// name returns the name of the list in messages.
func (l *nameList) name() string {
	if l.from == "-" {
		return stdinName
	}
	return cli.Subject(l.from)
}

// urlAndMore requires a URL, and at least one more argument or a list.
func (l *nameList) urlAndMore(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 || len(args) == 1 && l.from == "" {
			return cli.Missing(cmd, "argument: expected URL and "+what)
		}
		return nil
	}
}

// some returns the arguments and the names in the list. It fails if there are none.
func (l *nameList) some(cmd *cobra.Command, args []string, what string) ([]string, error) {
	names, err := l.names(cmd, args)
	if err == nil && len(names) == 0 {
		if l.from != "" {
			return nil, fmt.Errorf("%s: contains no names", l.name())
		}
		return nil, cli.Missing(cmd, what)
	}
	return names, err
}

// replaceIf returns the options for saving a certificate, with or without --force.
func replaceIf(force bool) []cert.SaveOption {
	if force {
		return []cert.SaveOption{cert.Replace}
	}
	return nil
}
