// Package zpl reads and writes the ZeroMQ Property Language (RFC 4): lines of
// "name = value", in which indentation makes a property the child of another.
//
//	metadata
//	    name = "alice"
//	curve
//	    public-key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
//
// Each property keeps its place in the text, for error messages. Parse accepts, with a
// warning, variants that people and other programs write: indentation by tabs or by
// another number of spaces, and lines that end in CR or CR LF.
package zpl

import (
	"errors"
	"fmt"
)

// Limits of a text.
const (
	MaxSize  = 16 << 20 // bytes
	MaxLine  = 8 << 10  // bytes in a line
	MaxDepth = 16       // levels of properties
	MaxCount = 1 << 19  // properties
)

// Faults of a text. Each is in an [*Error], which has the place.
var (
	ErrSize    = errors.New("text is larger than 16 MiB")
	ErrCount   = errors.New("more than 524288 properties")
	ErrLine    = errors.New("line is longer than 8 KiB")
	ErrDepth   = errors.New("more than 16 levels")
	ErrUTF8    = errors.New("not UTF-8")
	ErrUTF16   = errors.New("UTF-16: save it as UTF-8")
	ErrControl = errors.New("control character")
	ErrIndent  = errors.New("indentation matches no line above")
	ErrName    = errors.New("invalid name: use letters, digits and $-_@.&+/")
	ErrSyntax  = errors.New("expected \"name\" or \"name = value\"")
	ErrValue   = errors.New(`value contains both ' and ": use one kind of quotes only`)
)

// An Error is a fault and its place.
type Error struct {
	Line, Column int // from 1; the column counts bytes
	Err          error
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %v", e.Line, e.Column, e.Err) }

// Unwrap returns the fault.
func (e *Error) Unwrap() error { return e.Err }

// A Warning is about something that Parse accepts and other programs may not.
type Warning struct {
	Line int // from 1
	Text string
}

// A Node is a property.
type Node struct {
	Name     string
	Value    string
	HasValue bool // false for "name" alone
	Children []*Node
	Hidden   []byte // instead of Value, if ParseHiding hides the property

	// Odd is true for a value that begins with a quote and doesn't end with the next
	// one. Other programs read it differently. Cut is true for a value without quotes
	// that ends at a comment.
	Odd, Cut bool

	Line, Column int // of the name, from 1; zero if not read from a text
	ValueColumn  int // of the value without its quotes
}

// Child returns the first child with this name, or nil.
func (n *Node) Child(name string) *Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Wipe clears the values that ParseHiding has hidden.
func (n *Node) Wipe() {
	clear(n.Hidden)
	for _, c := range n.Children {
		c.Wipe()
	}
}

// Error returns an Error at the place of the name.
func (n *Node) Error(err error) *Error { return &Error{Line: n.Line, Column: n.Column, Err: err} }

// ValueError returns an Error at the place of the value, or of the name if there is no
// value.
func (n *Node) ValueError(err error) *Error {
	if !n.HasValue {
		return n.Error(err)
	}
	return &Error{Line: n.Line, Column: n.ValueColumn, Err: err}
}

// isNameChar reports whether names may contain c (RFC 4).
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
