package policy

import (
	"fmt"

	"github.com/zcurve/zcurve/internal/zpl"
)

// A source holds the lines of a part of the rules: a Domain, an Account or a Curve.
type source struct {
	head  line
	lines map[string][]line // by name of the property
}

// A line is one property in a file.
type line struct {
	file                        string
	number, column, valueColumn int // valueColumn is 0 without a value
	value                       string
}

// note records a line.
func (s *source) note(name string, l line) {
	if s.lines == nil {
		s.lines = map[string][]line{}
	}
	s.lines[name] = append(s.lines[name], l)
}

// first returns the line of a property that can be there only once, or the head if it is
// missing.
func (s *source) first(name string) line {
	if all := s.lines[name]; len(all) > 0 {
		return all[0]
	}
	return s.head
}

// find returns the line of a property's i-th value. It returns the head if there is no
// such line, because a program has changed the rules since it parsed them.
func (s *source) find(name string, i int, value string) line {
	all := s.lines[name]
	if i < len(all) && all[i].value == value {
		return all[i]
	}
	for _, l := range all {
		if l.value == value {
			return l
		}
	}
	return s.head
}

// rule returns the line in the form that decisions cite: file:line.
func (l line) rule() string {
	if l.number == 0 {
		return l.file
	}
	return fmt.Sprintf("%s:%d", l.file, l.number)
}

// lineOf returns the line of a property.
func lineOf(file string, n *zpl.Node) line {
	l := line{file: file, number: n.Line, column: n.Column, value: n.Value}
	if n.HasValue {
		l.valueColumn = n.ValueColumn
	}
	return l
}
