package main

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
)

// print prints each signed certificate with its metadata, and whether a property comes
// from the file or from --meta.
func (s *signer) print(cmd *cobra.Command, all []signed) {
	if len(all) > shownEach {
		s.summarize(cmd, all)
		return
	}
	for _, one := range all {
		cli.Note(cmd, "signed: %s, serial %d, valid until %s", strings.Join(one.files, " and "), one.certificate.Serial,
			one.certificate.Validity.NotAfter.Format(time.RFC3339))
		for _, p := range one.certificate.Metadata {
			cli.Note(cmd, "    %s = %q  (%s)", cli.Printable(p.Name), p.Value, s.origin(p.Name))
		}
		for _, line := range unknownLines(one.certificate) {
			cli.Note(cmd, "    %s  (from the file; unknown section)", line)
		}
	}
}

// origin says where a property comes from.
func (s *signer) origin(name string) string {
	if has(s.metadata, name) {
		return "by --meta"
	}
	return "from the file"
}

// summarize prints a summary. For metadata from the files, it prints each name and the
// number of files that have it.
func (s *signer) summarize(cmd *cobra.Command, all []signed) {
	cli.Note(cmd, "signed: %d certificates, valid until %s", len(all), s.validity.NotAfter.Format(time.RFC3339))
	counts := map[string]int{}
	for _, one := range all {
		for _, p := range one.certificate.Metadata {
			if !has(s.metadata, p.Name) {
				counts[strings.ToLower(p.Name)]++
			}
		}
		if len(unknownLines(one.certificate)) > 0 {
			counts["unknown sections"]++
		}
	}
	for _, p := range s.metadata {
		cli.Note(cmd, "    %s = %q  (by --meta)", cli.Printable(p.Name), p.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		cli.Note(cmd, "    %s  (from %d of the files)", cli.Printable(name), counts[name])
	}
}

// knownSections are the sections that print prints in full.
var knownSections = []string{"certificate", "metadata", "curve", "validity", "authority"}

// unknownLines returns the lines of unknown sections, which the signature covers too.
func unknownLines(c *cert.Certificate) (lines []string) {
	text, err := c.AppendCanonical(nil)
	if err != nil {
		return nil
	}
	known := false
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if !bytes.HasPrefix(line, []byte(" ")) {
			name, _, _ := bytes.Cut(line, []byte(" "))
			known = slices.Contains(knownSections, string(name))
		}
		if !known {
			lines = append(lines, cli.Printable(string(line)))
		}
	}
	return lines
}
