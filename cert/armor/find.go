package armor

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/zcurve/zcurve/internal/zpl"
)

var errBlocks = errors.New("expected one certificate between BEGIN and END lines")

// Find yields all blocks of a text, in their order. They may be quoted, indented and
// escaped as mail programs do, and lines may end in LF, CR LF or CR. A damaged block
// does not hide the others: it comes with an error, and has no field but Line and
// EndLine. So does a BEGIN within a block, and an END without one. The error is a
// *cert.SyntaxError.
func Find(text []byte) iter.Seq2[*Block, error] {
	return func(yield func(*Block, error) bool) {
		for found := range blocks(text) {
			b, err := found.parse()
			if err != nil {
				b = new(Block)
			}
			b.Line, b.EndLine = found.line, found.endLine
			if !yield(b, named(err)) {
				return
			}
		}
	}
}

// Parse reads the block in a text, as Find does. It returns an error if the
// text has no block, or more than one. The error is a *cert.SyntaxError.
func Parse(text []byte) (*Block, error) {
	b, err := parse(text)
	return b, named(err)
}

func parse(text []byte) (*Block, error) {
	var found *lines
	for l := range blocks(text) {
		if found != nil {
			return nil, errorAt(l.line, fmt.Errorf("%w: this is the second", errBlocks))
		}
		found = &l
	}
	if found == nil && zpl.IsUTF16(text) {
		return nil, errorAt(1, fmt.Errorf("%w: %w", errBlocks, zpl.ErrUTF16))
	}
	if found == nil {
		return nil, errorAt(1, fmt.Errorf("%w: found no block", errBlocks))
	}
	b, err := found.parse()
	if err != nil {
		return nil, err
	}
	b.Line, b.EndLine = found.line, found.endLine
	return b, nil
}

// lines are those of a block: a BEGIN line and what comes after it, or an END line
// without a BEGIN.
type lines struct {
	line, endLine int        // of BEGIN and END; of the text's next or last line if END is missing
	between       lineReader // the lines between them
	damage        string     // what damage there is, or ""
}

// blocks yields the lines of all blocks of a text.
func blocks(text []byte) iter.Seq[lines] {
	return func(yield func(lines) bool) {
		rest := lineReader{text: bytes.TrimPrefix(text, []byte("\uFEFF"))}
		var open *lines // whose END is still to come
		finish := func(upTo []byte, endLine int, damage string) bool {
			l := *open
			open = nil
			l.between.text = l.between.text[:len(l.between.text)-len(upTo)]
			l.endLine, l.damage = endLine, damage
			return yield(l)
		}
		for len(rest.text) > 0 {
			before := rest
			switch marker, quotes := cutQuotes(rest.cut(), anyQuotes); {
			case string(marker) == beginMarker:
				if open != nil && !finish(before.text, before.line, "the next BEGIN comes before END") {
					return
				}
				open = &lines{line: rest.line, between: lineReader{rest.text, rest.line, quotes}}
			case string(marker) == endMarker && open != nil:
				if !finish(before.text, rest.line, "") {
					return
				}
			case string(marker) == endMarker:
				if !yield(lines{line: rest.line, endLine: rest.line, damage: "END without BEGIN"}) {
					return
				}
			}
		}
		if open != nil {
			finish(nil, rest.line, "END is missing")
		}
	}
}

// lineReader reads the lines of a text.
type lineReader struct {
	text   []byte
	line   int    // number of the last one that was read
	quotes quotes // which next removes
}

// quotes counts what a line has in front: marks of quoting, and then dash escapes (RFC
// 4880, section 7.1).
type quotes struct{ marks, dashes int }

var anyQuotes = quotes{math.MaxInt, math.MaxInt}

// cut cuts the next line off, without its end.
func (l *lineReader) cut() []byte {
	l.line++
	i := bytes.IndexAny(l.text, "\r\n")
	if i < 0 {
		line := l.text
		l.text = nil
		return line
	}
	line := l.text[:i]
	l.text = l.text[i:]
	if rest, ok := bytes.CutPrefix(l.text, []byte("\r\n")); ok {
		l.text = rest
	} else {
		l.text = l.text[1:]
	}
	return line
}

// next returns the next line that is not blank, as it was before it was quoted, and nil
// at the end.
func (l *lineReader) next() []byte {
	for len(l.text) > 0 {
		if line, _ := cutQuotes(l.cut(), l.quotes); len(line) > 0 {
			return line
		}
	}
	return nil
}

// unfold returns a line together with the lines that continue it. It returns an error
// if they are more than limit bytes, or missing.
func (l *lineReader) unfold(line []byte, limit int) ([]byte, error) {
	var whole []byte
	for {
		part, more := bytes.CutSuffix(line, []byte(`\`))
		whole = append(whole, part...)
		if len(whole) > limit {
			return nil, fmt.Errorf("%w: a line of more than %d characters", errLimit, limit)
		}
		if !more {
			return whole, nil
		}
		if line = l.next(); line == nil {
			return nil, fmt.Errorf("%w: the line that continues the last one is missing", errDamaged)
		}
	}
}

// cutQuotes cuts spaces off both ends of a line, and at most the given quotes off its
// beginning: further ones belong to the line itself.
func cutQuotes(line []byte, most quotes) (rest []byte, found quotes) {
	const spaces = " \t"
	line = bytes.Trim(line, spaces)
	for found.marks < most.marks && len(line) > 0 && (line[0] == '>' || line[0] == '|') {
		found.marks++
		line = bytes.TrimLeft(line[1:], spaces)
	}
	for found.dashes < most.dashes && bytes.HasPrefix(line, []byte("- ")) {
		found.dashes++
		line = bytes.TrimLeft(line[2:], spaces)
	}
	return line, found
}
