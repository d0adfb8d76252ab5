package house

import (
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/zcurve/zcurve/"

// imports lists which packages of this module each package may import, besides those
// that are internal.
var imports = map[string][]string{
	"cert":               {"curve"},
	"cert/armor":         {"cert", "curve", "zap"},
	"curve":              {},
	"keystore":           {"cert", "cert/armor", "curve"},
	"keystore/boltstore": {},
	"policy":             {"cert", "curve", "keystore", "sasl", "zap"},
	"sasl":               {"curve", "zap"},
	"sockets":            {"zmtp"},
	"sockets/libzmq":     {"curve", "zap"},
	"sockets/zmq4":       {"cert", "curve", "sockets", "sockets/zmq4/transport", "zap", "zmtp"},

	"sockets/zmq4/security/null":  {"sockets/zmq4", "zap", "zmtp"},
	"sockets/zmq4/security/plain": {"sockets/zmq4", "zap", "zmtp"},
	"sockets/zmq4/transport":      {},

	"zap":         {},
	"zap/audit":   {"curve", "zap"},
	"zap/remote":  {"zap", "zmtp"},
	"zap/zaptest": {"curve", "zap", "zap/remote", "zmtp"},
	"zmtp":        {"curve", "zap"},
}

// TestImports checks that packages depend on each other in one direction, and that no
// library brings along a command line or, except for sockets/libzmq, the C library. Only the
// benchmarks use go-zeromq.
func TestImports(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	for _, file := range files(t, ".go") {
		dir := path.Dir(file)
		allowed, ok := imports[dir]
		isLibrary := ok && !strings.HasSuffix(file, "_test.go")
		parsed, err := parser.ParseFile(fset, filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			ours, found := strings.CutPrefix(name, module)
			switch {
			case strings.HasPrefix(name, "github.com/go-zeromq/") && dir != "bench/socketpeer":
				t.Errorf("%s imports %s", file, name)
			case !isLibrary:
			case found && !strings.Contains("/"+ours, "/internal/") && !slices.Contains(allowed, ours),
				strings.HasPrefix(name, "github.com/spf13/"),
				strings.HasPrefix(name, "github.com/pebbe/") && dir != "sockets/libzmq":
				t.Errorf("%s imports %s", file, name)
			}
		}
	}
	for dir := range libraries(t) {
		if _, ok := imports[dir]; !ok {
			t.Errorf("%s: no list of what it may import", dir)
		}
	}
}
