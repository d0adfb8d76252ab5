package examples_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestFieldNames: log lines, the audit log and JSON use the names of fields in
// docs/logging.md and no others, and all of them. Messages of log lines are constant.
func TestFieldNames(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/logging.md")
	ztest.Must(t, err)
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(string(page), -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			documented[name[1]] = false
		}
	}
	root := ztest.Root(t)
	ztest.Must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		inJSON := strings.Contains(filepath.ToSlash(path), "/cmd/") || strings.Contains(filepath.ToSlash(path), "/zap/audit/")
		ast.Inspect(file, func(n ast.Node) bool {
			for _, f := range fields(n, inJSON) {
				if _, ok := documented[f.name]; !ok {
					t.Errorf("%s: docs/logging.md has no field %s", files.Position(f.pos), f.name)
					continue
				}
				documented[f.name] = true
			}
			if call, ok := n.(*ast.CallExpr); ok && isLogging(call) && !isConstant(call.Args[0]) {
				t.Errorf("%s: the message isn't constant", files.Position(n.Pos()))
			}
			return true
		})
		return nil
	}))
	for name, used := range documented {
		if !used && !slices.Contains([]string{"time", "level", "msg"}, name) { // slog's own
			t.Errorf("docs/logging.md has a field %s, which nothing uses", name)
		}
	}
}

// use is a field's name and place.
type use struct {
	name string
	pos  token.Pos
}

// attributes are the functions of slog that make a field.
var attributes = []string{"String", "Int", "Int64", "Uint64", "Float64", "Bool", "Time", "Duration", "Any", "Group"}

// fields returns the fields that a node names.
func fields(n ast.Node, inJSON bool) (found []use) {
	add := func(e ast.Expr) {
		name := "(not a literal)"
		if lit, ok := e.(*ast.BasicLit); ok {
			name, _ = strconv.Unquote(lit.Value)
		}
		found = append(found, use{name, e.Pos()})
	}
	switch n := n.(type) {
	case *ast.CallExpr:
		f, ok := n.Fun.(*ast.SelectorExpr)
		if !ok {
			return nil
		}
		if pkg, ok := f.X.(*ast.Ident); ok && pkg.Name == "slog" && slices.Contains(attributes, f.Sel.Name) && !isField(n.Args[0]) {
			add(n.Args[0])
		}
		if isLogging(n) && n.Ellipsis == token.NoPos {
			for i := 1; i < len(n.Args); i += 2 {
				add(n.Args[i])
			}
		}
	case *ast.CompositeLit:
		if kind, ok := n.Type.(*ast.Ident); ok && kind.Name == "field" && len(n.Elts) == 2 { // of zap/audit
			add(n.Elts[0])
		}
	case *ast.Field:
		if n.Tag == nil || !inJSON {
			return nil
		}
		tag, _ := strconv.Unquote(n.Tag.Value)
		if name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ","); name != "" && name != "-" {
			found = append(found, use{name, n.Pos()})
		}
	}
	return found
}

// isLogging reports whether a call is one of a logger's: log.Info("message", …).
func isLogging(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains([]string{"Debug", "Info", "Warn", "Error"}, f.Sel.Name) || len(call.Args) == 0 {
		return false
	}
	name := ""
	switch x := f.X.(type) {
	case *ast.Ident:
		name = x.Name
	case *ast.SelectorExpr:
		name = x.Sel.Name
	}
	return strings.HasSuffix(strings.ToLower(name), "log")
}

// isField reports whether an expression is the name in a field of zap/audit.
func isField(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "name"
}

// isConstant reports whether an expression is a literal, or the name of one.
func isConstant(e ast.Expr) bool {
	switch e.(type) {
	case *ast.BasicLit, *ast.Ident:
		return true
	}
	return false
}
