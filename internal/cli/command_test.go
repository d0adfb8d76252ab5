package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/internal/ztest"
)

// errBad is the error of a package.
var errBad = errors.New("cert: invalid signature")

// TestMessage: the names of packages are left out at the beginning of each part of a
// message, and nothing else is.
func TestMessage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errBad, "invalid signature"},
		{fmt.Errorf("forged.key: %w", errBad), "forged.key: invalid signature"},
		{fmt.Errorf("policy: p.zpl:3:5: keystore: %w", errBad), "p.zpl:3:5: invalid signature"},
		{errors.Join(errBad, fmt.Errorf("zmtp: %w", errBad)), "invalid signature\ninvalid signature"},
		{fmt.Errorf("policy: %w", &fs.PathError{Op: "open", Path: "p.zpl", Err: fs.ErrNotExist}), "p.zpl: file does not exist"},
		{fmt.Errorf("p.zpl: %w", &fs.PathError{Op: "open", Path: "p.zpl", Err: fs.ErrNotExist}), "p.zpl: file does not exist"},
		{&fs.PathError{Op: "open", Path: "cert", Err: fs.ErrNotExist}, "cert: file does not exist"},
		{fmt.Errorf("cert: %w", &fs.PathError{Op: "open", Path: "cert", Err: fs.ErrNotExist}), "cert: file does not exist"},
		{fmt.Errorf("keystore: %w", &fs.PathError{Op: "open", Path: "a: cert: b", Err: fs.ErrNotExist}), "a: cert: b: file does not exist"},
		{fmt.Errorf("%s: %w", Subject("cert"), errBad), "./cert: invalid signature"},
		{fmt.Errorf("%s: %w", Subject("a.key"), errBad), "a.key: invalid signature"},
		{errors.New(`open cert: no such file`), "open cert: no such file"},
		{errors.New(`value "zap: x" in acert: y`), `value "zap: x" in acert: y`},
	} {
		if got := Message(tt.err); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.err, got, tt.want)
		}
	}
	_, hostile := run(t.Context(), &writes{limit: -1}, func(*cobra.Command) error {
		return Hint(errors.New("a\x1b[31m\r\u202eb é: not found\nand"), "rm a\x1b")
	})
	if want := "program: error: a\\x1b[31m\\r\\u202eb é: not found\nand\nprogram: hint: rm a\\x1b\n"; hostile != want {
		t.Errorf("got %q, want %q", hostile, want)
	}
	code, message := run(t.Context(), &writes{limit: -1}, func(*cobra.Command) error {
		return Hint(fmt.Errorf("forged.key: %w", errBad), "ask for another")
	})
	if want := "program: error: forged.key: invalid signature\nprogram: hint: ask for another\n"; code != ExitFailed || message != want {
		t.Errorf("exit code %d: got %q, want %q", code, message, want)
	}
}

// TestLog: a package's log messages read like the tool's own warnings.
func TestLog(t *testing.T) {
	t.Parallel()
	_, message := run(t.Context(), &writes{limit: -1}, func(cmd *cobra.Command) error {
		log := Log(cmd)
		log.Info("not printed")
		log.Warn("invalid certificate: ignoring it", "file", "a.key", "err", errBad)
		log.Error("failed")
		return nil
	})
	want := "program: warning: invalid certificate: ignoring it: file=a.key err=\"invalid signature\"\nprogram: error: failed\n"
	if message != want {
		t.Errorf("got %q, want %q", message, want)
	}
}

// tree returns a program with a group of commands.
func tree() *cobra.Command {
	root := Root(&cobra.Command{Use: "program"}, "program show FILE")
	store := Group(&cobra.Command{Use: "store"}, "program store ls")
	ls := &cobra.Command{Use: "ls", Aliases: []string{"list"}, Args: NoArgs, RunE: func(*cobra.Command, []string) error { return nil }}
	ls.Flags().Bool("active", false, "")
	ls.Flags().Int("count", 0, "")
	store.AddCommand(ls)
	root.AddCommand(store, &cobra.Command{Use: "show", Args: OneArg("FILE"), RunE: func(*cobra.Command, []string) error { return nil }})
	return root
}

// TestWrongUsage: a wrong command line gets an error that names the problem, and a hint.
// Not parallel: it changes the working directory.
func TestWrongUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	ztest.WriteFile(t, "-file", "")
	for _, tt := range []struct{ args, want string }{
		{"", `missing command|run "program show FILE", or "program --help" for the list of commands`},
		{"store", `missing command|run "program store ls", or "program store --help" for the list of commands`},
		{"sho", `unknown command "sho"|did you mean "program show"?`},
		{"store sl", `unknown command "sl"|did you mean "program store ls"?`},
		{"list", `unknown command "list"|did you mean "program store ls"?`},
		{"store lsit", `unknown command "lsit"|did you mean "program store ls"?`},
		{"lst", `unknown command "lst"|did you mean "program store ls"?`},
		{"ls", `unknown command "ls"|did you mean "program store ls"?`},
		{"é", `unknown command "é"|see "program --help" for the list of commands`},
		{"version", `unknown command "version"|did you mean "program --version"?`},
		{"help xyzzy", `unknown command "xyzzy"|see "program --help" for the list of commands`},
		{"help store sl", `unknown command "sl"|did you mean "program store ls"?`},
		{strings.Repeat("x", 60), `unknown command "` + strings.Repeat("x", 60) + `"|see "program --help" for the list of commands`},
		{"xyzzy", `unknown command "xyzzy"|see "program --help" for the list of commands`},
		{"store ls --actve", `unknown flag: --actve|did you mean --active?`},
		{"store ls --xyzzy", `unknown flag: --xyzzy|see "program store ls --help" for the list of flags`},
		{"store ls -ne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", `unknown shorthand flag: 'n' in -ne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID|put a key that begins with - after all flags and --`},
		{"show -file", `unknown shorthand flag: 'f' in -file|put a path before a file name that begins with -: ./-file`},
		{"store ls --count x", `--count "x": must be a whole number|`},
		{"store ls x", `unexpected argument "x"|program store ls takes no arguments; see "program store ls --help"`},
		{"show", `missing FILE|see "program show --help"`},
		{"show a b", `expected one FILE, got 2|see "program show --help"`},
	} {
		var stderr strings.Builder
		code := Run(t.Context(), tree(), strings.Fields(tt.args), strings.NewReader(""), &writes{limit: -1}, &stderr)
		message, hint, _ := strings.Cut(tt.want, "|")
		want := "program: error: " + message + "\n"
		if hint != "" {
			want += "program: hint: " + hint + "\n"
		}
		if code != ExitUsage || stderr.String() != want {
			t.Errorf("%s: exit code %d: got %q, want %q", tt.args, code, stderr.String(), want)
		}
	}
	if near := nearest(tree(), ""); near != nil {
		t.Errorf("for an empty command: got %s", near.Name())
	}
}

// TestVersion: the version of a program contains the commit it was built from.
func TestVersion(t *testing.T) {
	t.Parallel()
	platform := runtime.GOOS + "/" + runtime.GOARCH
	vcs := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "false"}}
	for _, tt := range []struct {
		info debug.BuildInfo
		want string
	}{
		{debug.BuildInfo{GoVersion: "go1.26"}, "(unknown), go1.26 " + platform},
		{debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3, go1.26 " + platform},
		{debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Version: "v1.2.3"}, Settings: vcs}, "v1.2.3, commit 0123456789ab, go1.26 " + platform},
		{debug.BuildInfo{GoVersion: "go1.26", Settings: append(vcs[:1:1], debug.BuildSetting{Key: "vcs.modified", Value: "true"})},
			"(unknown), commit 0123456789ab (modified), go1.26 " + platform},
	} {
		if got := describe(&tt.info); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	var stdout strings.Builder
	if code := Run(context.Background(), tree(), []string{"--version"}, strings.NewReader(""), &stdout, &stdout); code != ExitDone || !strings.HasPrefix(stdout.String(), "program ") {
		t.Errorf("exit code %d: %s", code, stdout.String())
	}
}

// TestQuote: a command in a hint can be pasted, whatever the name of the file.
func TestQuote(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ file, want string }{
		{"dir:clients/alice-1.key", "dir:clients/alice-1.key"},
		{"", "''"},
		{"two words.key", "'two words.key'"},
		{"-dash.key", "./-dash.key"},
		{"- x", "'./- x'"},
		{"$(reboot)", "'$(reboot)'"},
		{"~", "'~'"},
		{"it's", `'it'\''s'`},
		{"Zoë", "'Zoë'"},
	} {
		if got := Quote(tt.file); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.file, got, tt.want)
		}
	}
}
