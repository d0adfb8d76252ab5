package script

import (
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Longest summaries in words, and longest lines of help in characters.
const (
	maxWords = 9
	maxLine  = 86
)

// CheckHelp checks the form of the help of a command and all its subcommands. A
// summary is an imperative without a full stop. A description begins with the
// command's name as a verb ("Gen generates …"). The text of a flag begins in lower
// case and names the flag's value in capitals.
func CheckHelp(t *testing.T, cmd *cobra.Command) {
	t.Helper()
	path := cmd.CommandPath()
	first, _, _ := strings.Cut(cmd.Short, " ")
	switch {
	case first == "" || !unicode.IsUpper(rune(first[0])):
		t.Errorf("%s: summary %q does not begin with a capital", path, cmd.Short)
	case strings.HasSuffix(cmd.Short, "."):
		t.Errorf("%s: summary %q ends with a full stop", path, cmd.Short)
	case len(strings.Fields(cmd.Short)) > maxWords:
		t.Errorf("%s: summary %q has more than %d words", path, cmd.Short, maxWords)
	case cmd.HasParent() && strings.HasSuffix(first, "s"):
		t.Errorf("%s: summary %q is not an imperative", path, cmd.Short)
	}
	name := strings.ToUpper(cmd.Name()[:1]) + cmd.Name()[1:]
	if cmd.Long != "" && !strings.HasPrefix(cmd.Long, name+" ") {
		t.Errorf("%s: description does not begin with %q", path, name)
	}
	for line := range strings.Lines(cmd.Long) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > maxLine {
			t.Errorf("%s: a line of %d characters: %s", path, n, line)
		}
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		value, usage := pflag.UnquoteUsage(f)
		if f.Name == "help" || f.Name == "version" {
			return
		}
		if value != strings.ToUpper(value) {
			t.Errorf("%s: --%s %s: the value is not in capitals", path, f.Name, value)
		}
		if strings.HasSuffix(usage, ".") {
			t.Errorf("%s: --%s: %q ends with a full stop", path, f.Name, usage)
		}
		if begin, _, _ := strings.Cut(usage, " "); begin == "" || unicode.IsUpper(rune(begin[0])) && begin != strings.ToUpper(begin) {
			t.Errorf("%s: --%s: %q does not begin in lower case", path, f.Name, usage)
		}
	})
	if usages := cmd.LocalFlags().FlagUsages(); strings.Contains(usages, "(default [") {
		t.Errorf("%s: a default in brackets: %s", path, usages)
	}
	for _, sub := range cmd.Commands() {
		if name := sub.Name(); name != "completion" && name != "help" {
			CheckHelp(t, sub)
		}
	}
}
