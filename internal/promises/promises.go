package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// promise is a row of the document: something that users can rely on.
type promise struct {
	line  int
	text  string
	tests []test
}

// test names a test in a package of this module: the package's path within the module,
// and the name of the test, with its subtest if any, in the form that go test uses.
type test struct{ pkg, name string }

func (t test) String() string { return t.pkg + "." + t.name }

var (
	header   = regexp.MustCompile(`^\|\s*promise\s*\|\s*test\s*\|$`)
	ruler    = regexp.MustCompile(`^\|[-| ]+\|$`)
	testName = regexp.MustCompile("^`([a-z0-9_/]+)\\.((?:Test|Fuzz|Example)[^\\s`|]*)`$")
)

// parse reads the promises of a document: the rows of each table with the header
// "| promise | test |". The error names each line that is malformed.
func parse(file, document string) (promises []promise, err error) {
	var errs []error
	inTable, n := false, 0
	for line := range strings.Lines(document) {
		n++
		line = strings.TrimSpace(line)
		switch {
		case header.MatchString(line):
			inTable = true
		case !strings.HasPrefix(line, "|"):
			inTable = false
		case inTable && !ruler.MatchString(line):
			p, err := parseRow(line)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s:%d: %w", file, n, err))
				continue
			}
			p.line = n
			promises = append(promises, p)
		}
	}
	if len(promises) == 0 && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%s: no table of promises", file))
	}
	return promises, errors.Join(errs...)
}

// parseRow reads "| text | `package.Test`, `package.Test` |".
func parseRow(line string) (promise, error) {
	cells := strings.Split(strings.Trim(line, "|"), "|")
	if len(cells) != 2 || !strings.HasSuffix(line, "|") {
		return promise{}, errors.New("expected two cells: a promise and its tests")
	}
	p := promise{text: strings.TrimSpace(cells[0])}
	if p.text == "" {
		return promise{}, errors.New("no promise")
	}
	if strings.TrimSpace(cells[1]) == "" {
		return promise{}, errors.New("no test of this promise")
	}
	for word := range strings.SplitSeq(cells[1], ",") {
		m := testName.FindStringSubmatch(strings.TrimSpace(word))
		if m == nil {
			return promise{}, fmt.Errorf("malformed test %q: expected `package.TestName` or `package.TestName/subtest`", strings.TrimSpace(word))
		}
		p.tests = append(p.tests, test{m[1], m[2]})
	}
	return p, nil
}
