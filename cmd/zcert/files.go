package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// fileList holds the flag for a file that lists more arguments.
type fileList struct{ from string }

func (l *fileList) addFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.from, "files-from", "", "read more files from `LIST`, one per line (- for stdin)")
}

// names returns the arguments and the names in the list. There need not be any.
func (l *fileList) names(cmd *cobra.Command, args []string) ([]string, error) {
	if l.from == "" {
		return args, nil
	}
	if l.from == "-" {
		for _, arg := range args {
			if arg == "-" {
				return nil, cli.Usagef("--files-from - and FILE - both read stdin")
			}
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
	names := args
	for line := range bytes.Lines(text) {
		name := string(bytes.TrimRight(line, "\r\n"))
		if name == "-" {
			return nil, fmt.Errorf("%s: - cannot be in a list of files", l.from)
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// some returns the arguments and the names in the list, of which there must be one.
func (l *fileList) some(cmd *cobra.Command, args []string) ([]string, error) {
	names, err := l.names(cmd, args)
	if err == nil && len(names) == 0 {
		if l.from != "" {
			return nil, fmt.Errorf("%s: contains no file names", l.from)
		}
		return nil, cli.SomeArgs("FILE")(cmd, args)
	}
	return names, err
}

// replaceIf returns the options with which a certificate is saved: those of --force.
func replaceIf(force bool) []cert.SaveOption {
	if force {
		return []cert.SaveOption{cert.Replace}
	}
	return nil
}
