package zpl

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// indent is the number of blanks by which a child stands to the right of its
// parent.
const indent = 4

// Parse reads a text. root has no name; its children are the properties that
// aren't indented. The error is an *Error.
func Parse(text []byte) (root *Node, warnings []Warning, err error) {
	root = new(Node)
	if len(text) > MaxSize {
		return nil, nil, &Error{Line: 1, Column: 1, Err: ErrSize}
	}
	p := parser{stack: []level{{node: root, width: -1}}}
	rest := string(text)
	if after, ok := strings.CutPrefix(rest, "\uFEFF"); ok {
		rest = after
		p.line = 1
		p.warn("a byte order mark")
		p.line = 0
	}
	for rest != "" {
		p.line++
		end := strings.IndexAny(rest, "\r\n")
		line := rest
		switch {
		case end < 0:
			rest = ""
		case strings.HasPrefix(rest[end:], "\r\n"):
			line, rest = rest[:end], rest[end+2:]
			p.warn("line ends are CR LF")
		case rest[end] == '\r':
			line, rest = rest[:end], rest[end+1:]
			p.warn("line ends are CR")
		default:
			line, rest = rest[:end], rest[end+1:]
		}
		if err := p.parseLine(line); err != nil {
			return nil, nil, err
		}
	}
	return root, p.warnings, nil
}

// parser is the state between two lines.
type parser struct {
	line     int
	count    int     // properties so far
	stack    []level // the way from the root to the last property
	warnings []Warning
}

// level is a property with the widths of its and its children's indentation.
type level struct {
	node            *Node
	width, children int
}

// warn keeps a warning, each text once.
func (p *parser) warn(text string) {
	for _, w := range p.warnings {
		if w.Text == text {
			return
		}
	}
	p.warnings = append(p.warnings, Warning{Line: p.line, Text: text})
}

// fail makes an Error in this line, at an offset of 0 or more.
func (p *parser) fail(offset int, err error) error {
	return &Error{Line: p.line, Column: offset + 1, Err: err}
}

// parseLine reads one line without its end.
func (p *parser) parseLine(line string) error {
	if len(line) > MaxLine {
		return p.fail(0, ErrLine)
	}
	if !utf8.ValidString(line) {
		return p.fail(0, ErrUTF8)
	}
	start := len(line) - len(strings.TrimLeft(line, " \t"))
	if start == len(line) || line[start] == '#' {
		return nil
	}
	for i := start; i < len(line); i++ {
		if line[i] < ' ' && line[i] != '\t' || line[i] == 0x7F {
			return p.fail(i, ErrControl)
		}
	}
	end := start
	for end < len(line) && isNameChar(line[end]) {
		end++
	}
	if end == start {
		return p.fail(start, ErrName)
	}
	node := &Node{Name: line[start:end], Line: p.line, Column: start + 1}
	if err := p.parseValue(node, line, end); err != nil {
		return err
	}
	return p.attach(node, line[:start])
}

// parseValue reads what follows the name, which ends at offset.
func (p *parser) parseValue(node *Node, line string, offset int) error {
	rest := strings.TrimLeft(line[offset:], " \t")
	if rest == "" || rest[0] == '#' {
		return nil
	}
	if rest[0] != '=' {
		if rest == line[offset:] { // no blank between: still in the name
			return p.fail(offset, ErrName)
		}
		return p.fail(len(line)-len(rest), ErrSyntax)
	}
	rest = strings.TrimLeft(rest[1:], " \t")
	node.HasValue = true
	node.ValueColumn = len(line) - len(rest) + 1
	if value, ok := cutQuoted(rest); ok {
		node.Value = value
		node.ValueColumn++
	} else {
		value, _, _ = strings.Cut(rest, "#")
		node.Value = strings.TrimRight(value, " \t")
	}
	if i := strings.IndexByte(node.Value, '\t'); i >= 0 {
		return p.fail(node.ValueColumn-1+i, ErrControl)
	}
	return nil
}

// cutQuoted returns the value in quotes with which s begins. Behind it may only
// be blanks and a comment; otherwise the quotes belong to the value.
func cutQuoted(s string) (value string, ok bool) {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return "", false
	}
	value, after, ok := strings.Cut(s[1:], s[:1])
	if !ok {
		return "", false
	}
	after = strings.TrimLeft(after, " \t")
	return value, after == "" || after[0] == '#'
}

// attach puts node where its indentation says.
func (p *parser) attach(node *Node, blanks string) error {
	width := 0
	for _, c := range blanks {
		if c == '\t' {
			p.warn("indented with a tab, not with 4 blanks")
			width += indent - width%indent
		} else {
			width++
		}
	}
	for len(p.stack) > 1 && p.stack[len(p.stack)-1].width >= width {
		p.stack = p.stack[:len(p.stack)-1]
	}
	parent := &p.stack[len(p.stack)-1]
	depth := len(p.stack) - 1
	if depth == 0 && width > 0 || len(parent.node.Children) > 0 && parent.children != width {
		return p.fail(len(blanks), ErrIndent)
	}
	if depth >= MaxDepth {
		return p.fail(len(blanks), ErrDepth)
	}
	if p.count++; p.count > MaxCount {
		return p.fail(len(blanks), ErrCount)
	}
	if !strings.Contains(blanks, "\t") && width != depth*indent {
		p.warn(fmt.Sprintf("indented with %d blanks, not with %d", width, depth*indent))
	}
	parent.children = width
	parent.node.Children = append(parent.node.Children, node)
	p.stack = append(p.stack, level{node: node, width: width})
	return nil
}
