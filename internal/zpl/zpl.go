// Package zpl reads and writes the ZeroMQ Property Language (RFC 4): lines of
// "name = value", in which indentation makes a property the child of another.
//
//	metadata
//	    name = "alice"
//	curve
//	    public-key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
//
// Every property keeps its place in the text, for error messages. What people
// and other programs write is read with a warning: tabs or two blanks as
// indentation, lines that end in CR LF.
package zpl

import (
	"errors"
	"fmt"
)

// Limits of a text.
const (
	MaxSize  = 16 << 20 // octets
	MaxLine  = 8 << 10  // octets of one line
	MaxDepth = 16       // properties within each other
	MaxCount = 1 << 19  // properties
)

// The faults of a text. They come in an [*Error], which says where.
var (
	ErrSize    = errors.New("text is larger than 16 MiB")
	ErrCount   = errors.New("more than 524288 properties")
	ErrLine    = errors.New("line is longer than 8 KiB")
	ErrDepth   = errors.New("more than 16 levels")
	ErrUTF8    = errors.New("not UTF-8")
	ErrUTF16   = errors.New("UTF-16: save it as UTF-8")
	ErrControl = errors.New("control character")
	ErrIndent  = errors.New("indentation fits no line above")
	ErrName    = errors.New("not a name: letters, digits and $-_@.&+/ are allowed")
	ErrSyntax  = errors.New("want \"name\" or \"name = value\"")
	ErrValue   = errors.New("value can't be written: it has both kinds of quotes")
)

// Error is a fault and its place.
type Error struct {
	Line, Column int // from 1; the column counts octets
	Err          error
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %v", e.Line, e.Column, e.Err) }

// Unwrap returns the fault.
func (e *Error) Unwrap() error { return e.Err }

// Warning is something that was read but should be written otherwise.
type Warning struct {
	Line int // from 1
	Text string
}

// Node is a property.
type Node struct {
	Name     string
	Value    string
	HasValue bool // false for "name" alone
	Children []*Node
	Octets   []byte // in place of Value, of a property that ParseHiding hides

	// Odd is true for a value that begins with a quote and doesn't end with the next
	// one, of which other programs make something else. Cut is true for one without
	// quotes that ends at a comment.
	Odd, Cut bool

	Line, Column int // of the name, from 1; zero if not read from a text
	ValueColumn  int // of the value without its quotes
}

// Child returns the first child of that name, or nil. Names compare exactly.
func (n *Node) Child(name string) *Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Wipe clears the octets of the values that ParseHiding has hidden.
func (n *Node) Wipe() {
	clear(n.Octets)
	for _, c := range n.Children {
		c.Wipe()
	}
}

// Error makes an Error at the place of the name.
func (n *Node) Error(err error) *Error { return &Error{Line: n.Line, Column: n.Column, Err: err} }

// ValueError makes an Error at the place of the value, or of the name if there is
// none.
func (n *Node) ValueError(err error) *Error {
	if !n.HasValue {
		return n.Error(err)
	}
	return &Error{Line: n.Line, Column: n.ValueColumn, Err: err}
}

// isNameChar reports whether c may stand in a name (RFC 4, Specification).
func isNameChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '$', '-', '_', '@', '.', '&', '+', '/':
		return true
	}
	return false
}
