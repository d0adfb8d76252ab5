package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
)

// newFlags returns flags of each kind, as after a command line.
func newFlags(t testing.TB, args ...string) *pflag.FlagSet {
	t.Helper()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.String(FileFlag, "", "read settings from `FILE`")
	flags.StringArray("listen", []string{"tcp://127.0.0.1:1"}, "listen on `ENDPOINT`")
	flags.String("keystore", "dir:clients", "the keystore at `URL`")
	flags.String("audit", "", "write to `FILE`")
	flags.String("log-level", "info", "log at `LEVEL`")
	flags.Bool("strict", false, "be strict")
	flags.Int("most", 3, "at most `N`")
	ztest.Must(t, flags.Parse(args))
	return flags
}

// write writes a configuration file and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.conf")
	ztest.Must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestOrder: a flag comes before a variable, that before a line of the file, and that before
// the default.
func TestOrder(t *testing.T) {
	t.Parallel()
	path := write(t, "# comment\nlisten = tcp://127.0.0.1:2\nlisten = tcp://127.0.0.1:3\nlog-level = debug\nstrict = 1\nmost = 7\n")
	all, warnings, err := Apply(newFlags(t, "--listen", "tcp://127.0.0.1:9", "--strict=false"),
		Sources{Prefix: "X_", Environ: []string{"X_CONFIG=" + path, "X_LISTEN=tcp://127.0.0.1:8", "X_LOG_LEVEL=warn", "X_CERT=text", "Y_MOST=9", "X_TEXT=x"}, Other: []string{"X_CERT", "X_TEXT"}})
	ztest.Must(t, err)
	want := []Setting{
		{Name: "audit", From: Default},
		{Name: "config", Values: []string{path}, From: Environment, Variable: "X_CONFIG"},
		{Name: "keystore", Values: []string{"dir:clients"}, From: Default},
		{Name: "listen", Values: []string{"tcp://127.0.0.1:9"}, From: Flag},
		{Name: "log-level", Values: []string{"warn"}, From: Environment, Variable: "X_LOG_LEVEL"},
		{Name: "most", Values: []string{"7"}, From: File, File: path, Lines: []int{6}},
		{Name: "strict", Values: []string{"0"}, From: Flag},
	}
	if diff := cmp.Diff(want, all); diff != "" || len(warnings) > 0 {
		t.Errorf("(-want +got):\n%s%v", diff, warnings)
	}

	flags := newFlags(t, "--config", path)
	all, _, err = Apply(flags, Sources{Prefix: "X_", Environ: []string{"X_CONFIG=" + path + "-missing", "X_STRICT=0"}})
	ztest.Must(t, err)
	if diff := cmp.Diff(Setting{Name: "listen", Values: []string{"tcp://127.0.0.1:2", "tcp://127.0.0.1:3"}, From: File, File: path, Lines: []int{2, 3}}, all[3]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !flags.Changed("strict") || !flags.Changed("most") || flags.Changed("keystore") {
		t.Error("changed by other than the sources")
	}

	flags = newFlags(t)
	_, _, err = Apply(flags, Sources{Prefix: "X_", Environ: []string{"X_LISTEN=tcp://127.0.0.1:4  ipc://x "}})
	listen, _ := flags.GetStringArray("listen")
	if diff := cmp.Diff([]string{"tcp://127.0.0.1:4", "ipc://x"}, listen); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestPaths: paths in the file are relative to its directory, those elsewhere are not.
func TestPaths(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, value, want string }{
		{"audit", "x/y", "dir/x/y"},
		{"audit", "/x", "/x"},
		{"audit", "-", "-"},
		{"audit", "none", "none"},
		{"audit", "./none", "dir/none"},
		{"keystore", "x", "dir/x"},
		{"keystore", "dir:x", "dir:dir/x"},
		{"keystore", "bolt:/x", "bolt:/x"},
		{"keystore", "env:X", "env:X"},
		{"keystore", "mem:", "mem:"},
		{"listen", "ipc://x", "ipc://dir/x"},
		{"listen", "ipc:///x", "ipc:///x"},
		{"listen", "ipc://@x", "ipc://@x"},
		{"listen", "ipc://*", "ipc://*"},
		{"listen", "ipc://", "ipc://"},
		{"listen", "tcp://x:1", "tcp://x:1"},
		{"listen", "none", "none"},
		{"log-level", "x", "x"},
	} {
		c := content{path: "dir/test.conf"}
		if got := c.beside(newFlags(t).Lookup(tt.name), tt.value); got != tt.want {
			t.Errorf("%s = %s: got %s, want %s", tt.name, tt.value, got, tt.want)
		}
	}
	_, _, err := Apply(newFlags(t), Sources{Prefix: "X_", Environ: []string{"X_AUDIT=x"}})
	ztest.Must(t, err)
}

// malformed are invalid files and all their faults.
var malformed = []struct{ text, want string }{
	{"listn = x\n", "FILE:1:1: unknown setting listn: did you mean listen?"},
	{"LOG_LEVEL = x\n", "FILE:1:1: unknown setting LOG_LEVEL: did you mean log-level?"},
	{"config = x\n", "FILE:1:1: unknown setting config"},
	{"help = 1\n", "FILE:1:1: unknown setting help"},
	{"zauth\n    listen = x\n", "FILE:1:1: unknown setting zauth"},
	{"audit = x\n    strict = 1\n", "FILE:1:1: audit takes no properties: indent nothing below it"},
	{"audit\n", "FILE:1:1: expected a value: audit = VALUE; without the line, the default applies"},
	{"audit = \"\"\n", "FILE:1:1: expected a value: audit = VALUE; without the line, the default applies"},
	{"audit = x\nlog-level = y\naudit = z\n", "FILE:3:1: duplicate audit: see line 1"},
	{"strict = yes\n", `FILE:1:10: strict: invalid value "yes": must be 1 or 0`},
	{"most = many\n", `FILE:1:8: most: invalid value "many": strconv.ParseInt: parsing "many": invalid syntax`},
	{"strict = 2\nlistn = x\n", "FILE:1:10: strict: invalid value \"2\": must be 1 or 0\nFILE:2:1: unknown setting listn: did you mean listen?"},
	{"strict 1\n", `FILE:1:8: expected "name" or "name = value"`},
	{"strict = 1\n   \x00", "FILE:2:4: control character"},
	{"strict: 1\n", "FILE:1:7: invalid name: use letters, digits and $-_@.&+/"},
}

// TestMalformed: an invalid file has errors with their places, and sets nothing.
func TestMalformed(t *testing.T) {
	t.Parallel()
	for _, tt := range malformed {
		path := write(t, tt.text)
		_, _, err := Apply(newFlags(t, "--config", path), Sources{Prefix: "X_"})
		if err == nil || strings.ReplaceAll(err.Error(), path, "FILE") != tt.want || !errors.As(err, new(*cert.SyntaxError)) {
			t.Errorf("%q: got %v, want %s", tt.text, err, tt.want)
		}
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "missing"), t.TempDir(), write(t, strings.Repeat("#\n", maxFile))} {
		if _, _, err := Apply(newFlags(t, "--config", path), Sources{Prefix: "X_"}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestMalformedVariables: an invalid variable is an error, and one with a wrong name a warning.
func TestMalformedVariables(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"X_STRICT=yes": `X_STRICT: invalid value "yes": must be 1 or 0`,
		"X_MOST=many":  `X_MOST: invalid value "many": strconv.ParseInt: parsing "many": invalid syntax`,
	} {
		if _, _, err := Apply(newFlags(t), Sources{Prefix: "X_", Environ: []string{variable}}); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", variable, err, want)
		}
	}
	_, warnings, err := Apply(newFlags(t), Sources{Prefix: "X_", Environ: []string{
		"X_LISTN=a", "X_LOGLEVEL=b", "X_CONFG=c", "X_FAR_AWAY=d", "X_LISTEN=", "X_AUDIT= ", "X_STRICT=", "X_CONFIG=", "X_PORT=tcp://10.0.0.1:1", "X_PORT_1_TCP=e", "X_SERVICE_HOST=10.0.0.1", "LISTN=f"}})
	want := []string{
		"unknown variable X_CONFG: ignored: did you mean X_CONFIG?",
		"unknown variable X_LISTN: ignored: did you mean X_LISTEN?",
		"unknown variable X_LOGLEVEL: ignored: did you mean X_LOG_LEVEL?",
	}
	if diff := cmp.Diff(want, warnings); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestWarnings: a file that another program may read differently has warnings.
func TestWarnings(t *testing.T) {
	t.Parallel()
	path := write(t, "strict = 1\r\n")
	_, warnings, err := Apply(newFlags(t, "--config", path), Sources{Prefix: "X_"})
	if diff := cmp.Diff([]string{path + ":1: line ends are CR LF"}, warnings); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// FuzzFile: every text sets flags or has errors with places, and sets only what it names.
func FuzzFile(f *testing.F) {
	for _, one := range malformed {
		f.Add([]byte(one.text))
	}
	f.Add([]byte("listen = tcp://127.0.0.1:2\nlisten = 'ipc://a b'\nlog-level = debug\nstrict = 1\nmost = 7\nkeystore = file:x\naudit = -\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		flags := newFlags(t)
		c, err := parse("x", text, flags)
		if err != nil {
			for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
				if place, ok := errors.AsType[*cert.SyntaxError](one); !ok || place.Line < 1 || place.Column < 1 {
					t.Fatalf("an error without a place: %v", one)
				}
			}
			return
		}
		flags.VisitAll(func(one *pflag.Flag) {
			if lines := c.lines[one.Name]; len(lines) > 0 && len(c.set(one, lines)) == 0 && len(Values(one)) != len(lines) {
				t.Errorf("%s has %q from %d lines", one.Name, Values(one), len(lines))
			}
			if one.Changed && !strings.Contains(string(text), one.Name) {
				t.Errorf("%s was set to %q", one.Name, Values(one))
			}
		})
	})
}
