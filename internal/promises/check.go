package main

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
)

// needsPeers matches the output of a test that is skipped because its peers are not installed.
var needsPeers = regexp.MustCompile(`needs (libzmq|czmq|pyzmq)\b`)

// checker checks the results of tests.
type checker struct {
	results map[test]*result
	tested  map[string]bool // packages
	root    string          // module path
	peers   bool            // libzmq and the other peers are installed
}

// check returns "" if a test shows that a promise is kept: it and each of its subtests
// have passed in one of the runs. Otherwise, it returns the reason. Without peers, it
// excuses a test that is skipped or not compiled because it needs them.
func (c *checker) check(t test) (broken string, excused bool) {
	ran := c.results[t]
	switch {
	case ran == nil && !c.exists(t, true):
		return "there is no such test", false
	case ran == nil && !c.peers && (!c.tested[t.pkg] || !c.exists(t, false)):
		return "", true
	case ran == nil:
		return "it didn't run", false
	case ran.failed:
		return "it failed", false
	}
	for other, r := range c.results {
		if other != t && !(other.pkg == t.pkg && strings.HasPrefix(other.name, t.name+"/")) {
			continue
		}
		switch {
		case r.passed || r.failed: // its parent fails, too
		case r.skipped && !c.peers && needsPeers.MatchString(r.reason):
			excused = true
		case r.skipped:
			return "skipped: " + other.String(), false
		default:
			return "didn't end: " + other.String(), false
		}
	}
	return "", excused
}

// exists reports whether a package has a function of the test's name: in any of its
// test files, or in those that are compiled on this system without C.
func (c *checker) exists(t test, anywhere bool) bool {
	function, _, _ := strings.Cut(t.name, "/")
	here := build.Default
	here.CgoEnabled = false
	files, _ := filepath.Glob(filepath.Join(c.root, filepath.FromSlash(t.pkg), "*_test.go"))
	for _, file := range files {
		if matches, err := here.MatchFile(filepath.Split(file)); !anywhere && (err != nil || !matches) {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			continue // go test reports it
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == function {
				return true
			}
		}
	}
	return false
}
