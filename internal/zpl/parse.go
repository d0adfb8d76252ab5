package zpl

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// indent is the number of spaces by which a child is indented below its parent.
const indent = 4

// Parse parses a text. root has no name; its children are the properties that aren't
// indented. Parse returns an *Error if the text is invalid.
func Parse(text []byte) (root *Node, warnings []Warning, err error) { return ParseHiding(text) }

// ParseHiding is like Parse, but puts the values of some properties into Node.Hidden,
// where the caller can clear them, and leaves no other copy. hidden names these
// properties as "SECTION/NAME".
func ParseHiding(text []byte, hidden ...string) (root *Node, warnings []Warning, err error) {
	root = new(Node)
	if len(text) > MaxSize {
		return nil, nil, &Error{Line: 1, Column: 1, Err: ErrSize}
	}
	if IsUTF16(text) {
		return nil, nil, &Error{Line: 1, Column: 1, Err: ErrUTF16}
	}
	p := parser{stack: []level{{node: root, width: -1}}, hidden: hidden}
	if after, ok := bytes.CutPrefix(text, []byte("\uFEFF")); ok {
		text = after
		p.line = 1
		p.warn("a byte order mark")
		p.line = 0
	}
	// Names and values share one string, unless that could contain a hidden value.
	p.text = text
	if !p.mayHide() {
		p.whole = string(text)
	}
	for len(text) > 0 {
		p.line++
		p.start = len(p.text) - len(text)
		end := bytes.IndexAny(text, "\r\n")
		line := text
		switch {
		case end < 0:
			text = nil
		case bytes.HasPrefix(text[end:], []byte("\r\n")):
			line, text = text[:end], text[end+2:]
			p.warn("line ends are CR LF")
		case text[end] == '\r':
			line, text = text[:end], text[end+1:]
			p.warn("line ends are CR")
		default:
			line, text = text[:end], text[end+1:]
		}
		if err := p.parseLine(line); err != nil {
			root.Wipe()
			return nil, nil, err
		}
	}
	return root, p.warnings, nil
}

// IsUTF16 reports whether a text is in UTF-16, as some editors on Windows write it.
func IsUTF16(text []byte) bool {
	if len(text) < 2 {
		return false
	}
	return text[0] == 0xFE && text[1] == 0xFF || text[0] == 0xFF && text[1] == 0xFE ||
		text[0] == 0 && text[1] != 0 || text[0] != 0 && text[1] == 0
}

// maxWarnings is the largest number of warnings of a text.
const maxWarnings = 100

// parser is the state between two lines.
type parser struct {
	line     int
	count    int     // properties so far
	stack    []level // from the root to the last property
	hidden   []string
	warnings []Warning

	text  []byte
	whole string // text, or "" if it could contain a hidden value
	start int    // of the line in text
}

// mayHide reports whether the text could contain a hidden value.
func (p *parser) mayHide() bool {
	for _, path := range p.hidden {
		if _, name, _ := strings.Cut(path, "/"); bytes.Contains(p.text, []byte(name)) {
			return true
		}
	}
	return false
}

// string returns a part of the line as a string.
func (p *parser) string(line []byte, from, to int) string {
	if p.whole == "" {
		return string(line[from:to])
	}
	return p.whole[p.start+from : p.start+to]
}

// level is a property with the widths of its indentation and of its children's.
type level struct {
	node            *Node
	width, children int
}

// warn adds a warning. It adds each text only once.
func (p *parser) warn(text string) {
	if len(p.warnings) == maxWarnings {
		return
	}
	for _, w := range p.warnings {
		if w.Text == text {
			return
		}
	}
	p.warnings = append(p.warnings, Warning{Line: p.line, Text: text})
}

// fail returns an Error in this line, at an offset from 0.
func (p *parser) fail(offset int, err error) error {
	return &Error{Line: p.line, Column: offset + 1, Err: err}
}

// parseLine parses a line without its end.
func (p *parser) parseLine(line []byte) error {
	if len(line) > MaxLine {
		return p.fail(0, ErrLine)
	}
	if !utf8.Valid(line) {
		return p.fail(0, ErrUTF8)
	}
	control := slices.IndexFunc(line, func(c byte) bool { return c < ' ' && c != '\t' || c == 0x7F })
	start := len(line) - len(bytes.TrimLeft(line, " \t"))
	if start == len(line) || line[start] == '#' {
		if control >= 0 {
			p.warn(fmt.Sprintf("column %d: control character in a comment", control+1))
		}
		return nil
	}
	if control >= 0 {
		return p.fail(control, ErrControl)
	}
	end := start
	for end < len(line) && isNameChar(line[end]) {
		end++
	}
	if end == start {
		return p.fail(start, ErrName)
	}
	parent, err := p.place(line[:start])
	if err != nil {
		return err
	}
	node := &Node{Name: p.string(line, start, end), Line: p.line, Column: start + 1}
	if err := p.parseValue(node, parent.node, line, end); err != nil {
		return err
	}
	parent.node.Children = append(parent.node.Children, node)
	p.stack = append(p.stack, level{node: node, width: parent.children})
	return nil
}

// parseValue parses the rest of a line after a name that ends at offset.
func (p *parser) parseValue(node, parent *Node, line []byte, offset int) error {
	rest := bytes.TrimLeft(line[offset:], " \t")
	if len(rest) == 0 || rest[0] == '#' {
		return nil
	}
	if rest[0] != '=' {
		if len(rest) == len(line)-offset { // no space between them: still in the name
			return p.fail(offset, ErrName)
		}
		return p.fail(len(line)-len(rest), ErrSyntax)
	}
	rest = bytes.TrimLeft(rest[1:], " \t")
	node.HasValue = true
	node.ValueColumn = len(line) - len(rest) + 1
	value, quoted, odd := cutQuoted(rest)
	if quoted {
		node.ValueColumn++
	} else {
		value, _, node.Cut = bytes.Cut(rest, []byte("#"))
		value = bytes.TrimRight(value, " \t")
	}
	if node.Odd = odd; odd {
		p.warn(fmt.Sprintf("column %d: quotes within the same quotes, which czmq can't read", node.ValueColumn))
	}
	if i := bytes.IndexByte(value, '\t'); i >= 0 {
		return p.fail(node.ValueColumn-1+i, ErrControl)
	}
	for _, path := range p.hidden {
		if section, name, _ := strings.Cut(path, "/"); name == node.Name && section == parent.Name && len(p.stack) == 2 {
			node.Hidden = bytes.Clone(value)
			return nil
		}
	}
	node.Value = p.string(line, node.ValueColumn-1, node.ValueColumn-1+len(value))
	return nil
}

// cutQuoted returns the quoted value at the start of s. It ends at the next quote of its
// kind if only spaces and a comment follow. Otherwise, it is odd, as czmq and JeroMQ
// write a value that contains quotes, and it ends at the last quote. If more text follows
// that quote, too, the value isn't quoted, and the quotes are part of it.
func cutQuoted(s []byte) (value []byte, quoted, odd bool) {
	if len(s) == 0 || s[0] != '"' && s[0] != '\'' {
		return nil, false, false
	}
	isEnd := func(end int) bool {
		after := bytes.TrimLeft(s[end+1:], " \t")
		return len(after) == 0 || after[0] == '#'
	}
	first, last := 1+bytes.IndexByte(s[1:], s[0]), bytes.LastIndexByte(s, s[0])
	switch {
	case first > 0 && isEnd(first):
		return s[1:first], true, false
	case last > 0 && isEnd(last):
		return s[1:last], true, true
	}
	return nil, false, true
}

// place returns the parent level of a property with this indentation.
func (p *parser) place(spaces []byte) (*level, error) {
	width := 0
	for _, c := range spaces {
		if c == '\t' {
			p.warn("indented with a tab; use 4 spaces")
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
	if depth == 0 && width > 0 && len(parent.node.Children) == 0 {
		return nil, p.fail(len(spaces), fmt.Errorf("%w: the first line that isn't a comment must not be indented: "+
			"remove the same number of spaces from each line", ErrIndent))
	}
	if depth == 0 && width > 0 || len(parent.node.Children) > 0 && parent.children != width {
		return nil, p.fail(len(spaces), ErrIndent)
	}
	if depth >= MaxDepth {
		return nil, p.fail(len(spaces), ErrDepth)
	}
	if p.count++; p.count > MaxCount {
		return nil, p.fail(len(spaces), ErrCount)
	}
	if !bytes.Contains(spaces, []byte("\t")) && width != depth*indent {
		p.warn(fmt.Sprintf("indented with %d spaces; expected %d", width, depth*indent))
	}
	parent.children = width
	return parent, nil
}
