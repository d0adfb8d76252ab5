// Recording turns the transcript of a program into an animated SVG, in which the lines
// light up one after the other, as they would appear in a terminal:
//
//	go run ./examples/demo > demo.txt
//	go run ./internal/recording < demo.txt > docs/images/demo.svg
//
// The animation plays once and ends with the whole transcript, which is also what a
// viewer without animations shows. Ports differ each time, so the SVG has fixed ones.
package main

import (
	"fmt"
	"html"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

func main() {
	transcript, err := io.ReadAll(os.Stdin)
	if err == nil {
		_, err = io.WriteString(os.Stdout, render(string(transcript)))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "recording: %v\n", err)
		os.Exit(1)
	}
}

// Sizes in pixels and characters.
const (
	columns    = 88 // longer lines are wrapped
	charWidth  = 7.25
	lineHeight = 17
	left, top  = 18, 52
)

// line is one row of the terminal.
type line struct {
	text, class string
	at          float64 // second at which it lights up
}

var port = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// fixPorts replaces each port with a fixed one, in the order in which they appear.
func fixPorts(transcript string) string {
	fixed := map[string]string{}
	return port.ReplaceAllStringFunc(transcript, func(address string) string {
		if fixed[address] == "" {
			fixed[address] = "127.0.0.1:" + strconv.Itoa(40001+len(fixed))
		}
		return fixed[address]
	})
}

// lines breaks a transcript into rows. A reader needs more time for a paragraph than
// for a line of output.
func lines(transcript string) (rows []line) {
	at := 0.3
	paragraph := true
	for text := range strings.Lines(strings.TrimRight(fixPorts(transcript), "\n")) {
		text = strings.TrimRight(text, "\n")
		class := "text"
		switch trimmed := strings.TrimSpace(text); {
		case trimmed == "":
			paragraph = true
			rows = append(rows, line{"", class, at})
			continue
		case strings.HasPrefix(trimmed, "$ "):
			class = "command"
			at += 0.5
		case strings.HasPrefix(trimmed, "> refused") || strings.HasPrefix(trimmed, "> failed"):
			class = "no"
			at += 0.7
		case strings.HasPrefix(trimmed, "> "):
			class = "yes"
			at += 0.7
		case paragraph:
			at += 1.2
		}
		paragraph = false
		for len(text) > columns {
			end := strings.LastIndexByte(text[:columns+1], ' ')
			if len(strings.TrimSpace(text[:max(end, 0)])) == 0 {
				break // one long word
			}
			rows = append(rows, line{text[:end], class, at})
			text = "     " + text[end+1:]
		}
		rows = append(rows, line{text, class, at})
	}
	return rows
}

const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" xml:space="preserve" role="img" aria-label="Recording of a terminal" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="12">
  <style>
    text { fill: #c9d1d9; white-space: pre }
    .command { fill: #79c0ff }
    .yes { fill: #56d364 }
    .no { fill: #ffa657 }
    @keyframes wait { from, to { opacity: .15 } }
    @media (prefers-reduced-motion: no-preference) { text { animation: wait 1ms backwards } }
  </style>
  <rect width="%[1]d" height="%[2]d" rx="8" fill="#161b22"/>
  <circle cx="20" cy="20" r="6" fill="#ff5f56"/><circle cx="40" cy="20" r="6" fill="#ffbd2e"/><circle cx="60" cy="20" r="6" fill="#27c93f"/>
`

// render returns the SVG of a transcript.
func render(transcript string) string {
	rows := lines(transcript)
	var s strings.Builder
	fmt.Fprintf(&s, head, int(2*left+columns*charWidth), top+lineHeight*len(rows))
	for i, row := range rows {
		if row.text == "" {
			continue
		}
		fmt.Fprintf(&s, "  <text class=%q x=\"%d\" y=\"%d\" style=\"animation-delay: %.1fs\">%s</text>\n",
			row.class, left, top+lineHeight*i, row.at, html.EscapeString(row.text))
	}
	s.WriteString("</svg>\n")
	return s.String()
}
