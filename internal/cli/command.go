package cli

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Root prepares the root command of a program. try is a command line to suggest to
// users who give no command.
func Root(root *cobra.Command, try string) *cobra.Command {
	root.Version = Version()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(flagError)
	return Group(root, try)
}

// Group prepares a command that consists of other commands. try is a command line to
// suggest to users who give none of them.
func Group(group *cobra.Command, try string) *cobra.Command {
	group.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := Usagef("unknown command %q", args[0])
		if args[0] == "version" && !cmd.HasParent() {
			return Hintf(err, "did you mean \"%s --version\"?", cmd.CommandPath())
		}
		if near := nearest(cmd, args[0]); near != nil {
			return Hintf(err, "did you mean \"%s\"?", near.CommandPath())
		}
		return Hintf(err, "see \"%s --help\" for the list of commands", cmd.CommandPath())
	}
	group.RunE = func(cmd *cobra.Command, _ []string) error {
		return Hintf(Usagef("missing command"), "run \"%s\", or \"%s --help\" for the list of commands", try, cmd.CommandPath())
	}
	return group
}

// nearest returns the command that the user probably meant, or nil: the one of a group,
// or of the groups within, whose name, alias or other word is the most similar. Of equally
// similar commands, it prefers one that begins like the typed text, and one of the group.
func nearest(group *cobra.Command, typed string) (found *cobra.Command) {
	best := 2*min(2, (utf8.RuneCountInString(typed)+2)/3) + 1 // twice the distance, and 1 for another beginning
	commands := slices.Clone(group.Commands())
	for _, cmd := range group.Commands() {
		commands = append(commands, cmd.Commands()...)
	}
	for _, cmd := range commands {
		for _, name := range slices.Concat([]string{cmd.Name()}, cmd.Aliases, cmd.SuggestFor) {
			d := 2 * distance(typed, name)
			if typed == "" || name[0] != typed[0] {
				d++
			}
			if !cmd.Hidden && (d < best || d == best && found == nil) {
				found, best = cmd, d
			}
		}
	}
	return found
}

// distance is the number of typing errors between two words: letters that were added, left
// out or replaced, or one for letters in another order, or for a beginning.
func distance(typed, name string) int {
	ofName, ofTyped := []rune(name), []rune(typed)
	slices.Sort(ofName)
	slices.Sort(ofTyped)
	if typed != name && (slices.Equal(ofName, ofTyped) || typed != "" && strings.HasPrefix(name, typed)) {
		return 1
	}
	return levenshtein.ComputeDistance(typed, name)
}

// checkHelp makes the command help refuse commands that do not exist.
func checkHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil || help == root {
		return
	}
	show := help.Run
	help.Run = nil
	help.RunE = func(cmd *cobra.Command, args []string) error {
		about, rest, err := root.Find(args)
		if err == nil && about.HasSubCommands() && len(rest) > 0 {
			err = about.Args(about, rest)
		}
		if err != nil {
			return err
		}
		show(cmd, args)
		return nil
	}
}

// flagError suggests the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	err = badValue(err)
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	name, nearest, distance := unknown.GetSpecifiedName(), "", 0
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := levenshtein.ComputeDistance(name, f.Name); !f.Hidden && (nearest == "" || d < distance) {
			nearest, distance = f.Name, d
		}
	})
	if len(name) > 1 && distance <= 1+len(name)/3 {
		return Hintf(err, "did you mean --%s?", nearest)
	}
	return Hintf(err, "see \"%s --help\" for the list of flags", cmd.CommandPath())
}

// badValue words the error about a flag's value like other errors.
func badValue(err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return Usage(err)
	}
	cause := bad.Unwrap()
	var number *strconv.NumError
	if errors.As(cause, &number) && errors.Is(cause, strconv.ErrSyntax) {
		cause = errors.New("must be a whole number")
	} else if errors.As(cause, &number) {
		cause = number.Err
	}
	return Usagef("--%s %q: %w", bad.GetFlag().Name, bad.GetValue(), cause)
}

// keyLength is the length of a key in Z85.
const keyLength = 40

// withDashHint replaces the hint about an unknown flag if that is really an argument that
// begins with a dash: a key, or the name of a file.
func withDashHint(err error, args []string) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	for _, arg := range args {
		if arg == "--" {
			break
		}
		if !strings.HasPrefix(arg, "-") || !strings.Contains(arg, unknown.GetSpecifiedName()) {
			continue
		}
		if len(arg) == keyLength && !strings.Contains(arg, " ") {
			return Hint(err, "put a key that begins with - after all flags and --")
		}
		if _, statErr := os.Stat(arg); statErr == nil {
			return Hintf(err, "put a path before a file name that begins with -: ./%s", arg)
		}
	}
	return err
}

// NoArgs refuses arguments.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Hintf(Usagef("unexpected argument %q", args[0]), "%s takes no arguments; see \"%[1]s --help\"", cmd.CommandPath())
	}
	return nil
}

// OneArg requires exactly one argument, which help calls name.
func OneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return Missing(cmd, name)
		case 1:
			return nil
		}
		return withHelp(cmd, Usagef("expected one %s, got %d", name, len(args)))
	}
}

// SomeArgs requires one argument or more, which help calls name.
func SomeArgs(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return Missing(cmd, name)
		}
		return nil
	}
}

// Exclusive refuses more than one of these flags, and does not complete to another one
// after the first. Call it after setting the command's Args.
func Exclusive(cmd *cobra.Command, flags ...string) {
	cmd.MarkFlagsMutuallyExclusive(flags...)
	checkArgs := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		var given []string
		for _, name := range flags {
			if cmd.Flags().Changed(name) {
				given = append(given, name)
			}
		}
		if len(given) > 1 {
			return Usagef("--%s cannot be combined with --%s", given[1], given[0])
		}
		if checkArgs == nil {
			return nil
		}
		return checkArgs(cmd, args)
	}
}

// Missing returns the error for a missing argument.
func Missing(cmd *cobra.Command, name string) error {
	return withHelp(cmd, Usagef("missing %s", name))
}

// withHelp adds a hint to read the help.
func withHelp(cmd *cobra.Command, err error) error {
	return Hintf(err, "see \"%s --help\"", cmd.CommandPath())
}

// released is the version of a released program, such as v1.2.3. internal/dist sets it,
// because a build without git knows no version.
var released string

// Version describes the program's build: its source and the Go version.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	if released != "" {
		info.Main.Version = released
	}
	return describe(info)
}

// describe returns "v1.2.3, commit 0123456789ab (modified), go1.26.1 linux/amd64". The
// commit is known only if the program was built in a repository.
func describe(info *debug.BuildInfo) string {
	parts := []string{"(unknown)"}
	if info.Main.Version != "" {
		parts[0] = info.Main.Version
	}
	commit, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = "commit " + s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " (modified)"
		}
	}
	if commit != "" {
		parts = append(parts, commit+modified)
	}
	return strings.Join(append(parts, fmt.Sprintf("%s %s/%s", info.GoVersion, runtime.GOOS, runtime.GOARCH)), ", ")
}
