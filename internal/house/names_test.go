// Package house tests the rules that hold for the whole repository: what packages export,
// which of them each may import, and the words they use.
package house

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// most is how many names each package exports at most: identifiers of the package,
// and methods of its concrete types. A package that needs more has a new story to
// tell, and the number is changed with it.
var most = map[string]int{
	"cert":               72,
	"cert/armor":         17,
	"curve":              53,
	"keystore":           15,
	"keystore/boltstore": 0,
	"policy":             44,
	"sasl":               54,
	"sockets":            8,
	"sockets/libzmq":     6,
	"sockets/zmq4":       132,

	"sockets/zmq4/security/null":  1,
	"sockets/zmq4/security/plain": 1,
	"sockets/zmq4/transport":      3,

	"zap":         44,
	"zap/audit":   9,
	"zap/remote":  11,
	"zap/zaptest": 8,
	"zmtp":        42,
}

// forPrograms are exported names that nothing in this repository uses outside their
// package, and why a program needs them.
var forPrograms = map[string]string{
	"armor.Parse":                           "reads a text that must be one block",
	"cert.ErrPassphrase":                    "ask for the passphrase again",
	"libzmq.SetServerWithoutAuthentication": "a service that is open to every client says so",
	"sasl.ErrProtocol":                      "count the client as broken or hostile",
	"sasl.ErrTampered":                      "raise an alarm: someone is on the path",
	"sasl.OHAI":                             "a codec for the commands of another protocol",
	"sasl.OHAIOK":                           "the same",
	"sasl.ORLY":                             "the same",
	"sasl.RTFM":                             "the same",
	"sasl.SRSLY":                            "the same",
	"sasl.YARLY":                            "the same",
	"zaptest.Serve":                         "tests of a program that asks a daemon",
	"zmtp.ErrLimit":                         "raise a limit, or don't",
	"zmtp.ErrProtocol":                      "count the peer as hostile or broken",
}

// root is the repository.
const root = "../.."

func TestNames(t *testing.T) {
	t.Parallel()
	for dir, limit := range most {
		names, _ := exported(t, dir)
		if len(names) > limit {
			t.Errorf("%s exports %d names, more than %d:\n%s", dir, len(names), limit, strings.Join(names, "\n"))
		}
		if len(names) < limit {
			t.Errorf("%s exports %d names: lower its number from %d", dir, len(names), limit)
		}
	}
	for dir := range libraries(t) {
		if _, ok := most[dir]; !ok {
			t.Errorf("%s exports names without a limit", dir)
		}
	}
}

// TestUsers finds exported functions, variables and constants that no program uses:
// errors above all, which exist only if a program does something different because
// of them.
func TestUsers(t *testing.T) {
	t.Parallel()
	used := selectors(t)
	for dir := range libraries(t) {
		if dir == "sockets/zmq4" {
			continue // go-zeromq's programs use its names
		}
		_, values := exported(t, dir)
		for _, name := range values {
			qualified := path.Base(dir) + "." + name
			_, listed := forPrograms[qualified]
			switch {
			case !used[qualified] && !listed:
				t.Errorf("%s: nothing outside its package uses it", qualified)
			case used[qualified] && listed:
				t.Errorf("%s is used: it need not be listed", qualified)
			}
		}
	}
}

// libraries are the folders of packages that programs import.
func libraries(t *testing.T) map[string]bool {
	t.Helper()
	dirs := map[string]bool{}
	for _, file := range files(t, ".go") {
		dir := path.Dir(file)
		switch first, _, _ := strings.Cut(dir, "/"); first {
		case "cmd", "bench", "examples", "internal", "docs", ".":
		default:
			if !strings.Contains(dir, "/testdata") && !strings.Contains(dir, "/internal/") {
				dirs[dir] = true
			}
		}
	}
	return dirs
}

// exported lists the exported names of the package in dir: Name, or Type.Method for
// methods of concrete types. Of these, values are functions, variables and constants.
func exported(t *testing.T, dir string) (names, values []string) {
	t.Helper()
	fset := token.NewFileSet()
	var parsed []*ast.File
	matches, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range matches {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	pkg, err := doc.NewFromFiles(fset, parsed, dir)
	if err != nil {
		t.Fatal(err)
	}
	add := func(vs []*doc.Value, fs []*doc.Func) {
		for _, v := range vs {
			for _, name := range v.Names {
				if token.IsExported(name) {
					values = append(values, name)
				}
			}
		}
		for _, f := range fs {
			values = append(values, f.Name)
		}
	}
	add(slices.Concat(pkg.Consts, pkg.Vars), pkg.Funcs)
	for _, typ := range pkg.Types {
		add(slices.Concat(typ.Consts, typ.Vars), typ.Funcs)
		if !token.IsExported(typ.Name) {
			continue
		}
		names = append(names, typ.Name)
		for _, m := range typ.Methods {
			names = append(names, typ.Name+"."+m.Name)
		}
	}
	names = append(names, values...)
	slices.Sort(names)
	return names, values
}

// selectors are all package.Name that Go files use: those of programs, and the
// examples and tests of other packages.
func selectors(t *testing.T) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	selector := regexp.MustCompile(`\b[a-z0-9]+\.[A-Z]\w*`)
	for _, file := range files(t, ".go") {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if path.Dir(file) == "internal/house" {
			continue
		}
		own := path.Base(path.Dir(file)) + "."
		for _, s := range selector.FindAllString(string(text), -1) {
			if !strings.HasPrefix(s, own) {
				used[s] = true
			}
		}
	}
	return used
}

// files are the paths of all files that end so, from the root of the repository.
func files(t *testing.T, ends ...string) []string {
	t.Helper()
	var paths []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != "." {
			return fs.SkipDir
		}
		if err == nil && slices.Contains(ends, path.Ext(name)) {
			paths = append(paths, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
