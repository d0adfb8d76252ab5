package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// exitStatus is a section of each page that has none in its text.
const exitStatus = `# EXIT STATUS

0
: Success.

1
: The command failed. A message on stderr says why.

2
: Wrong usage.

130, 143
: SIGINT or SIGTERM ended the command.
`

// Man returns a hidden command that writes the manual pages of a program. There is a
// page for each command, made from its help. Files man/NAME.1.md in texts have more
// sections for the page NAME(1), and other files man/NAME.N.md are pages NAME(N), in
// Markdown as go-md2man reads it.
func Man(root *cobra.Command, texts fs.FS) *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages to a directory",
		Hidden: true,
		Args:   OneArg("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			pages, err := manual(root, texts)
			if err == nil {
				err = os.MkdirAll(args[0], 0o755)
			}
			for name, page := range pages {
				if err == nil {
					err = os.WriteFile(filepath.Join(args[0], name), page, 0o644)
				}
			}
			if err != nil {
				return fmt.Errorf("writing manual pages: %w", err)
			}
			return nil
		},
	}
}

// manual returns the pages of a program, in roff, by the names of their files.
func manual(root *cobra.Command, texts fs.FS) (map[string][]byte, error) {
	files, err := fs.Glob(texts, "man/*.md")
	if err != nil {
		return nil, err
	}
	pages, sections, others := map[string][]byte{}, map[string][]byte{}, []string(nil)
	for _, file := range files {
		text, err := fs.ReadFile(texts, file)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(path.Base(file), ".md")
		if strings.HasSuffix(name, ".1") {
			sections[name] = text
			continue
		}
		pages[name] = md2man.Render(text)
		others = append(others, name)
	}
	addPages(pages, root, sections, others)
	for name := range sections {
		if pages[name] == nil {
			return nil, fmt.Errorf("%s: no such command", name)
		}
	}
	return pages, nil
}

// addPages adds the pages of a command and its subcommands.
func addPages(pages map[string][]byte, cmd *cobra.Command, sections map[string][]byte, others []string) {
	name := pageName(cmd) + ".1"
	see := slices.Clone(others)
	if cmd.HasParent() {
		see = append(see, pageName(cmd.Parent())+".1")
	}
	var commands []*cobra.Command
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			commands = append(commands, c)
			see = append(see, pageName(c)+".1")
			addPages(pages, c, sections, others)
		}
	}
	pages[name] = page(cmd, commands, sections[name], see)
}

// pageName is the name of a command's page: zcert-store-ls.
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// page returns the page of a command. See names other pages.
func page(cmd *cobra.Command, commands []*cobra.Command, sections []byte, see []string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".TH %q 1 \"\" zcurve \"zcurve manual\"\n.nh\n", strings.ToUpper(pageName(cmd)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(pageName(cmd)), roff(cmd.Short))
	usage := strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath())
	if len(commands) > 0 {
		usage = " COMMAND"
	}
	fmt.Fprintf(&b, ".SH SYNOPSIS\n\\fB%s\\fP%s\n", roff(cmd.CommandPath()), roff(usage))
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s", paragraphs(cmp.Or(cmd.Long, cmd.Short+".")))
	if len(commands) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, c := range commands {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fP(1)\n%s\n", roff(pageName(c)), roff(c.Short))
		}
	}
	cmd.InitDefaultHelpFlag()
	b.WriteString(".SH OPTIONS\n")
	for _, flags := range []*pflag.FlagSet{cmd.NonInheritedFlags(), cmd.InheritedFlags()} {
		flags.VisitAll(func(f *pflag.Flag) { writeOption(&b, f) })
	}
	if cmd.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n%s", paragraphs(cmd.Example))
	}
	if !bytes.Contains(sections, []byte("# EXIT STATUS\n")) {
		sections = append([]byte(exitStatus+"\n"), sections...)
	}
	// With a title, like a separate page, so that the first heading is a section.
	_, text, _ := bytes.Cut(md2man.Render(append([]byte("% NAME 1\n\n"), sections...)), []byte(".SH"))
	fmt.Fprintf(&b, ".SH %s\n.SH SEE ALSO\n", bytes.TrimSpace(text))
	slices.SortFunc(see, func(a, b string) int { return strings.Compare(path.Ext(a)+a, path.Ext(b)+b) })
	for i, name := range see {
		end := ",\n"
		if i == len(see)-1 {
			end = "\n"
		}
		base, section, _ := strings.Cut(name, ".")
		fmt.Fprintf(&b, "\\fB%s\\fP(%s)%s", roff(base), section, end)
	}
	return b.Bytes()
}

// writeOption writes a flag with its placeholder and default.
func writeOption(b *bytes.Buffer, f *pflag.Flag) {
	if f.Hidden {
		return
	}
	b.WriteString(".TP\n")
	if f.Shorthand != "" {
		fmt.Fprintf(b, "\\fB\\-%s\\fP, ", f.Shorthand)
	}
	placeholder, usage := pflag.UnquoteUsage(f)
	fmt.Fprintf(b, "\\fB%s\\fP", roff("--"+f.Name))
	if placeholder != "" {
		fmt.Fprintf(b, " \\fI%s\\fP", roff(placeholder))
	}
	if value := strings.Trim(f.DefValue, "[]"); value != "" && value != "false" && value != "0" {
		usage += fmt.Sprintf(" (default %s)", value)
	}
	fmt.Fprintf(b, "\n%s\n", roff(usage))
}

// paragraphs formats a help text: paragraphs, and indented lines as they are.
func paragraphs(text string) string {
	var b strings.Builder
	for _, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		b.WriteString(".PP\n")
		asIs := false
		for _, line := range strings.Split(paragraph, "\n") {
			if indented := strings.HasPrefix(line, " "); indented != asIs {
				asIs = indented
				b.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[asIs])
			}
			b.WriteString(roff(line) + "\n")
		}
		if asIs {
			b.WriteString(".fi\n")
		}
	}
	return b.String()
}

// roff escapes a line of text.
func roff(line string) string {
	line = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(line)
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		line = `\&` + line
	}
	return line
}
