package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/modes"
	"github.com/zcurve/zcurve/internal/settings"
)

// settled are the settings of a serve, and what they were made from.
type settled struct {
	all      []settings.Setting
	warnings []string
	given    map[string][]string // values on the command line
}

// reloadable are the settings of which SIGHUP applies a change.
var reloadable = map[string]bool{"log-level": true}

// reloads reports whether SIGHUP applies a change of a setting in the configuration file.
func (s *settled) reloads(one settings.Setting) bool {
	return reloadable[one.Name] && (one.From == settings.File || one.From == settings.Default)
}

// variables are the sources of settings besides the command line and the file.
func variables() settings.Sources {
	return settings.Sources{Prefix: "ZAUTH_", Environ: os.Environ(), Other: []string{certVariable}}
}

// settle sets the flags that the command line has not set from the environment and the
// configuration file, and checks that they fit together.
func (f *serveFlags) settle(flags *pflag.FlagSet) (err error) {
	f.settled.given = map[string][]string{}
	flags.VisitAll(func(one *pflag.Flag) {
		if one.Changed {
			f.settled.given[one.Name] = settings.Values(one)
		}
	})
	if f.settled.all, f.settled.warnings, err = settings.Apply(flags, variables()); err != nil {
		return err
	}
	if _, isSet := os.LookupEnv(certVariable); isSet {
		if f.cert != "" {
			return cli.Hint(fmt.Errorf("--cert %s and %s are both set", f.cert, certVariable), "use one of them")
		}
		f.settled.note(certVariable)
	}
	if err := f.check(flags.Changed("keystore")); err != nil {
		return err
	}
	if f.required && f.audit == "" {
		return cli.Usagef("--audit-required requires --audit FILE")
	}
	return nil
}

// note records that a variable holds the text of zauth's certificate, in place of --cert.
func (s *settled) note(variable string) {
	i := slices.IndexFunc(s.all, func(one settings.Setting) bool { return one.Name == "cert" })
	s.all[i] = settings.Setting{Name: "cert", Values: []string{"(text of a certificate)"}, From: settings.Environment, Variable: variable}
}

// explain adds to an error about a flag where its value comes from, unless that is the command
// line.
func (s *settled) explain(err error) error {
	if err == nil {
		return nil
	}
	flag, _, _ := strings.Cut(err.Error(), " ")
	for _, one := range s.all {
		if "--"+one.Name == flag && (one.From == settings.File || one.From == settings.Environment) {
			return cli.Hintf(err, "%s is set in %s", flag, one.Place(0))
		}
	}
	return err
}

// tellSettings logs warnings about the settings. It returns an error, with --strict, if other
// users can change the configuration file.
func (f *serveFlags) tellSettings(log *slog.Logger) error {
	for _, text := range f.settled.warnings {
		log.Warn("settings warning", "reason", text)
	}
	why := modes.Writable(f.config)
	switch {
	case f.config == "" || why == "":
		return nil
	case f.strict:
		return errors.New(why)
	}
	log.Warn("other users can change this file, which decides", "reason", why)
	return nil
}

// reload reads the configuration file again and applies the settings that can change while
// zauth runs. If the file is invalid, nothing changes.
func (f *serveFlags) reload(logOut *logOutput, log *slog.Logger) {
	if f.config == "" {
		return
	}
	next := new(serveFlags)
	flags := next.flagSet()
	for name, values := range f.settled.given {
		for _, value := range values {
			_ = flags.Set(name, value) // as on the command line, where it was valid
		}
	}
	err := next.settle(flags)
	if err == nil {
		err = logOut.setLevel(next.logLevel)
	}
	if err != nil {
		log.Error("reading the configuration file failed: keeping the previous settings", "file", f.config, "err", err)
		return
	}
	for _, text := range next.settled.warnings {
		log.Warn("settings warning", "reason", text)
	}
	var waiting []string
	for i, one := range next.settled.all {
		if !reloadable[one.Name] && !slices.Equal(one.Values, f.settled.all[i].Values) {
			waiting = append(waiting, one.Name)
		}
	}
	if len(waiting) > 0 {
		log.Warn("settings changed that need a restart: restart zauth to apply them", "file", f.config, "settings", strings.Join(waiting, ","))
	}
}

func newConfig() *cobra.Command {
	var f serveFlags
	var asJSON bool
	flags := f.flagSet()
	cmd := &cobra.Command{
		Use:        "config",
		Short:      "Print the settings of serve and their sources",
		SuggestFor: []string{"settings", "options", "env", "environment", "configuration"},
		Long: `Config takes the flags of serve, and prints every setting that zauth serve would
run with: its value, where the value comes from, and whether SIGHUP applies a change
of it in the configuration file.

A flag comes before a variable of the environment, that before a line of the
configuration file, and that before the default. Config exits 1 if the file or a
variable is invalid. It reads no other file, and prints no secret.`,
		Example: `  zauth config --config /etc/zauth/zauth.conf
  ZAUTH_LOG_LEVEL=debug zauth config --json`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := f.settle(flags)
			if errors.As(err, new(*cert.SyntaxError)) {
				return printFaults(cmd, f.config, err)
			}
			if err != nil {
				return f.settled.explain(err)
			}
			for _, text := range f.settled.warnings {
				cli.Warn(cmd, "%s", text)
			}
			return cli.Print(cmd, func(out io.Writer) {
				if asJSON {
					printSettingsJSON(out, f.settled)
				} else {
					printSettings(out, f.settled)
				}
			})
		},
	}
	cmd.Flags().AddFlagSet(flags)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each setting")
	return cmd
}

// printSettings prints settings as a table, with a line for each value.
func printSettings(out io.Writer, s settled) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tVALUE\tFROM\tA CHANGE APPLIES")
	for _, one := range s.all {
		applies := "at a restart"
		if s.reloads(one) {
			applies = "at SIGHUP"
		}
		values := one.Values
		if len(values) == 0 {
			values = []string{"(none)"}
		}
		for i, value := range values {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", one.Name, cli.Printable(value), one.Place(i), applies)
		}
	}
	table.Flush()
}

// printSettingsJSON prints settings as lines of JSON.
func printSettingsJSON(out io.Writer, s settled) {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for _, one := range s.all {
		encoder.Encode(struct {
			Schema   int      `json:"schema"`
			Setting  string   `json:"setting"`
			Values   []string `json:"values"`
			From     string   `json:"from"`
			File     string   `json:"file,omitempty"`
			Lines    []int    `json:"lines,omitempty"`
			Variable string   `json:"variable,omitempty"`
			Reloads  bool     `json:"reloads"`
		}{1, one.Name, append([]string{}, one.Values...), one.From, one.File, one.Lines, one.Variable, s.reloads(one)})
	}
}
