// Promises reads the output of one or several runs of go test -json, prints it as go test
// does without -json, and checks that each promise of a document is kept: that its tests
// have passed.
//
//	{ go test -json ./...; go test -json -run Unraced ./...; } 2>&1 | promises docs/promises.md
//
// It runs in the module's root. The exit code is 1 if a test fails or a promise isn't
// kept.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/zcurve/zcurve/internal/ztest"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: promises FILE < output of go test -json")
		os.Exit(2)
	}
	ok, err := run(os.Stdout, os.Stdin, os.Args[1], ".", ztest.Peers())
	if err != nil {
		fmt.Fprintln(os.Stderr, "promises:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run reports whether all tests passed and all promises of a file are kept.
func run(w io.Writer, events io.Reader, file, root string, peers bool) (ok bool, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	r := newReport(w)
	if err := r.read(events); err != nil {
		return false, err
	}
	r.summary()
	promises, err := parse(file, string(text))
	if err != nil {
		return false, err
	}
	c := checker{results: r.results, tested: map[string]bool{}, root: root, peers: peers}
	for name := range r.took {
		c.tested[strings.TrimPrefix(name, module)] = true
	}
	var kept, broken, untested int
	for _, p := range promises {
		wrong, away := false, false
		for _, test := range p.tests {
			why, excused := c.check(test)
			if why != "" {
				fmt.Fprintf(w, "%s:%d: %s: %s\n", file, p.line, test, why)
			}
			wrong, away = wrong || why != "", away || excused
		}
		switch {
		case wrong:
			broken++
		case away:
			untested++
		default:
			kept++
		}
	}
	fmt.Fprintf(w, "%s: %d promises kept, %d broken", file, kept, broken)
	if untested > 0 {
		fmt.Fprintf(w, ", %d not tested without libzmq, czmq and pyzmq", untested)
	}
	fmt.Fprintln(w)
	return broken == 0 && !r.failed, nil
}
