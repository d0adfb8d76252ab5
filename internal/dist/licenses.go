package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	classifier "github.com/google/licenseclassifier/v2"
	"github.com/google/licenseclassifier/v2/assets"
)

// module is a module that programs contain.
type module struct {
	path    string // std for Go's standard library
	version string // with v, except for std
	license string // an expression of SPDX, such as "Apache-2.0 AND MIT"
	texts   []string
}

// licenses finds the licenses of modules. The zero value is ready to use.
type licenses struct {
	classifier *classifier.Classifier
	known      map[string]*module // by path and version
}

// modules returns the modules of programs, besides zcurve itself, sorted by path. It fails
// if it finds no license for one.
func (l *licenses) modules(ctx context.Context, programs map[string]*program) ([]*module, error) {
	found := map[string]*module{}
	for _, p := range programs {
		for _, m := range partsOf(p) {
			found[m.path] = m
		}
	}
	modules := slices.SortedFunc(maps.Values(found), func(a, b *module) int { return strings.Compare(a.path, b.path) })
	for i, m := range modules {
		known, ok := l.known[m.path+"@"+m.version]
		if !ok {
			if err := l.find(ctx, m); err != nil {
				return nil, fmt.Errorf("license of %s: %w", m.path, err)
			}
			if l.known == nil {
				l.known = map[string]*module{}
			}
			l.known[m.path+"@"+m.version] = m
			known = m
		}
		modules[i] = known
	}
	return modules, nil
}

// partsOf returns the modules of a program, without their licenses.
func partsOf(p *program) []*module {
	version, _, _ := strings.Cut(strings.TrimPrefix(p.info.GoVersion, "go"), " ")
	parts := []*module{{path: "std", version: version}}
	for _, m := range p.info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		parts = append(parts, &module{path: m.Path, version: m.Version})
	}
	return parts
}

// find reads the licenses of a module, in the folder where the go command keeps it.
func (l *licenses) find(ctx context.Context, m *module) error {
	list := []string{"list", "-m", "-f", "{{.Dir}}", m.path}
	if m.path == "std" {
		list = []string{"env", "GOROOT"}
	}
	dir, err := exec.CommandContext(ctx, "go", list...).Output()
	if err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(list, " "), err)
	}
	entries, err := os.ReadDir(strings.TrimSpace(string(dir)))
	if err != nil {
		return err
	}
	for _, e := range entries {
		upper := strings.ToUpper(e.Name())
		if !strings.HasPrefix(upper, "LICEN") && !strings.HasPrefix(upper, "COPYING") && !strings.HasPrefix(upper, "NOTICE") || e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), e.Name()))
		if err != nil {
			return err
		}
		m.texts = append(m.texts, string(text))
	}
	m.license, err = l.classify(m.texts)
	return err
}

// stated matches the licenses that a text itself names, in an expression of SPDX.
var stated = regexp.MustCompile(`SPDX-License-Identifier: ([\w.+()-]+(?: (?:AND|OR|WITH) [\w.+()-]+)*)`)

// classify returns the licenses in texts. Only a text can tell that there is a choice.
func (l *licenses) classify(texts []string) (expression string, err error) {
	if l.classifier == nil {
		if l.classifier, err = assets.DefaultClassifier(); err != nil {
			return "", err
		}
	}
	names := map[string]bool{}
	for _, text := range texts {
		if m := stated.FindStringSubmatch(text); m != nil {
			names[m[1]] = true
			continue
		}
		for _, match := range l.classifier.Match([]byte(text)).Matches {
			if match.MatchType == "License" || match.MatchType == "Header" {
				names[match.Name] = true
			}
		}
	}
	if len(names) == 0 {
		return "", errors.New("found no text of a known license")
	}
	if len(names) > 1 {
		for name := range maps.Clone(names) {
			if strings.Contains(name, " OR ") {
				delete(names, name)
				names["("+name+")"] = true
			}
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), " AND "), nil
}

// writeLicenses writes the licenses of modules, in full, as they demand.
func writeLicenses(w io.Writer, modules []*module) {
	fmt.Fprint(w, "zcert and zauth contain these modules, under these licenses.\n")
	for _, m := range modules {
		name := m.path
		if name == "std" {
			name = "Go's standard library"
		}
		fmt.Fprintf(w, "\n%s\n%s %s: %s\n", strings.Repeat("-", 78), name, m.version, m.license)
		for _, text := range m.texts {
			fmt.Fprintf(w, "\n%s\n", strings.Trim(strings.ReplaceAll(text, "\r\n", "\n"), "\n"))
		}
	}
}
