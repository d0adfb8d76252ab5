package cli

import (
	"io"
	"os"
	"runtime"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// color is an escape sequence that changes how a terminal displays text (ECMA-48, SGR).
type color string

const (
	bold   color = "\x1b[1m"
	red    color = "\x1b[31m"
	green  color = "\x1b[32m"
	yellow color = "\x1b[33m"
	cyan   color = "\x1b[36m"
	reset        = "\x1b[0m"
)

// IsTerminal reports whether w is a terminal, so that a person reads the output.
func IsTerminal(w io.Writer) bool {
	if o, ok := w.(*output); ok {
		w = o.to
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// hasColor reports whether w is a terminal with colors, and the user has not disabled
// them (https://no-color.org). Older consoles of Windows have no colors.
func hasColor(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && runtime.GOOS != "windows" && IsTerminal(w)
}

func paint(w io.Writer, c color, text string) string {
	if !hasColor(w) {
		return text
	}
	return string(c) + text + reset
}

// A Painter colors parts of what a command prints to stdout, if that is a terminal
// with colors.
type Painter struct{ on bool }

// NewPainter returns a Painter for a command's stdout.
func NewPainter(cmd *cobra.Command) Painter { return Painter{hasColor(cmd.OutOrStdout())} }

// Good, Bad, Doubtful and Head color a text.
func (p Painter) Good(text string) string     { return p.paint(green, text) }
func (p Painter) Bad(text string) string      { return p.paint(red, text) }
func (p Painter) Doubtful(text string) string { return p.paint(yellow, text) }
func (p Painter) Head(text string) string     { return p.paint(bold, text) }

func (p Painter) paint(c color, text string) string {
	if !p.on {
		return text
	}
	return string(c) + text + reset
}
