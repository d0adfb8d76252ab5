// Package settings sets the flags of a command from a configuration file and from the
// environment, and says where each value comes from. A value on the command line comes
// before one in the environment, that before one in the file, and that before the default.
// docs/spec/configuration.md specifies the file and the variables.
package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/zcurve/zcurve/internal/nearest"
)

// FileFlag is the name of the flag that names the configuration file.
const FileFlag = "config"

// Where a value comes from.
const (
	Default     = "default"
	File        = "file"
	Environment = "environment"
	Flag        = "flag"
)

// A Setting is one flag and the value that applies.
type Setting struct {
	Name     string
	Values   []string // none if there is no value, and several only if the flag is repeatable
	From     string   // Default, File, Environment or Flag
	File     string   // the file, if the value is from there
	Lines    []int    // in the file, one for each value
	Variable string   // the variable, if the value is from the environment
}

// Place returns the line of the i-th value in the file, "FILE:LINE", or the variable that
// has it, "$NAME", or From.
func (s Setting) Place(i int) string {
	switch s.From {
	case File:
		return fmt.Sprintf("%s:%d", s.File, s.Lines[i])
	case Environment:
		return "$" + s.Variable
	}
	return s.From
}

// Sources say where values come from.
type Sources struct {
	Prefix  string   // of the variables of settings, such as "ZAUTH_"
	Environ []string // as os.Environ returns it
	Other   []string // variables with the prefix that are no settings
}

// Apply sets the flags that the command line has not set. It returns them all, in the order
// of their names. If the file or a variable is invalid, the error lists every fault of it; a
// fault of the file is a *cert.SyntaxError. The warnings are about probable mistakes.
func Apply(flags *pflag.FlagSet, s Sources) (all []Setting, warnings []string, err error) {
	variables := s.variables()
	warnings = s.strange(flags, variables)
	if file := flags.Lookup(FileFlag); !file.Changed && variables[FileFlag] != "" {
		if err := file.Value.Set(variables[FileFlag]); err != nil {
			return nil, nil, err
		}
	}
	c := new(content)
	if path := flags.Lookup(FileFlag).Value.String(); path != "" {
		if c, err = read(path, flags); err != nil {
			return nil, nil, err
		}
	}
	var faults []error
	flags.VisitAll(func(f *pflag.Flag) {
		one := Setting{Name: f.Name, From: Default}
		text, isSet := variables[f.Name]
		switch lines := c.lines[f.Name]; {
		case f.Changed:
			one.From = Flag
		case isSet:
			one.From, one.Variable = Environment, s.variable(f.Name)
			if fault := setFrom(f, one.Variable, text); fault != nil {
				faults = append(faults, fault)
			}
		case len(lines) > 0:
			one.From, one.File = File, c.path
			for _, n := range lines {
				one.Lines = append(one.Lines, n.Line)
			}
			faults = append(faults, c.set(f, lines)...)
		}
		one.Values = Values(f)
		all = append(all, one)
	})
	if err := errors.Join(faults...); err != nil {
		return nil, nil, err
	}
	return all, slices.Concat(warnings, c.warnings), nil
}

// names returns the names of all settings.
func names(flags *pflag.FlagSet) (names []string) {
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// Values returns the values that a flag has, in the form of the configuration file.
func Values(f *pflag.Flag) []string {
	if f.Value.Type() == "bool" {
		return []string{map[string]string{"true": "1", "false": "0"}[f.Value.String()]}
	}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	if text := f.Value.String(); text != "" {
		return []string{text}
	}
	return nil
}

// variable returns the name of a setting's variable.
func (s Sources) variable(setting string) string {
	return s.Prefix + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// variables returns the values of the variables with the prefix, by name of the setting. An
// empty variable counts as unset, as it does in most programs.
func (s Sources) variables() map[string]string {
	found := map[string]string{}
	for _, one := range s.Environ {
		name, value, _ := strings.Cut(one, "=")
		if rest, ok := strings.CutPrefix(name, s.Prefix); ok && strings.TrimSpace(value) != "" && !slices.Contains(s.Other, name) {
			found[strings.ToLower(strings.ReplaceAll(rest, "_", "-"))] = value
		}
	}
	return found
}

// strange returns warnings about variables that are similar to those of settings.
func (s Sources) strange(flags *pflag.FlagSet, variables map[string]string) (warnings []string) {
	known := names(flags)
	for name := range variables {
		if slices.Contains(known, name) || isKubernetes(name) {
			continue
		}
		if near := nearest.Name(name, known); near != "" {
			warnings = append(warnings, fmt.Sprintf("unknown variable %s: ignored: did you mean %s?", s.variable(name), s.variable(near)))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// isKubernetes reports whether Kubernetes sets a variable for a service with the name of the
// program.
func isKubernetes(name string) bool {
	return strings.HasPrefix(name, "service-") || name == "port" || strings.HasPrefix(name, "port-")
}

// setFrom sets a flag from a variable. Spaces separate the values of a repeatable flag.
func setFrom(f *pflag.Flag, variable, text string) error {
	all := []string{text}
	if isRepeatable(f) {
		all = strings.Fields(text)
	}
	for _, one := range all {
		if err := set(f, one); err != nil {
			return fmt.Errorf("%s: %w", variable, err)
		}
	}
	return nil
}

// isRepeatable reports whether a flag can have several values.
func isRepeatable(f *pflag.Flag) bool {
	_, ok := f.Value.(pflag.SliceValue)
	return ok
}

// check returns an error if a switch has another value than 1 or 0.
func check(f *pflag.Flag, text string) error {
	if f.Value.Type() == "bool" && text != "0" && text != "1" {
		return fmt.Errorf("invalid value %q: must be 1 or 0", text)
	}
	return nil
}

// set sets a flag to a value, or adds the value if the flag is repeatable.
func set(f *pflag.Flag, text string) error {
	if err := check(f, text); err != nil {
		return err
	}
	if err := f.Value.Set(text); err != nil {
		return fmt.Errorf("invalid value %q: %w", text, err)
	}
	f.Changed = true
	return nil
}
