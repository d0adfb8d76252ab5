package cert

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/zcurve/zcurve/internal/zpl"
)

// ErrBlocks means that a text has no certificate between BEGIN and END lines, or
// several where one is wanted.
var ErrBlocks = errors.New("want one certificate between BEGIN and END lines")

// ArmorError is what is wrong with an armored certificate, and where.
type ArmorError struct {
	Line int // from 1, in the whole text
	Err  error
}

func (e *ArmorError) Error() string { return fmt.Sprintf("cert: line %d: %v", e.Line, e.Err) }

// Unwrap returns the fault: ErrDamaged, ErrHeader and the others here, or a
// *SyntaxError with a place in the content.
func (e *ArmorError) Unwrap() error { return e.Err }

// Extracted is what stands between a BEGIN and an END line.
type Extracted struct {
	Line, EndLine int       // of BEGIN and END, from 1; of the text's next or last line if END is missing
	Envelope      *Envelope // nil if there is an error
	Err           error     // an *ArmorError
}

// Extract finds all certificates in a text, in their order. They may be quoted,
// indented and escaped as mail programs do, with lines that end in LF, CR LF or
// CR. One that is damaged doesn't hide the others: a BEGIN within another, and
// an END without one, each are an Extracted of their own with ErrDamaged.
func Extract(text []byte) []Extracted {
	var all []Extracted
	for b := range blocks(text) {
		x := Extracted{Line: b.line, EndLine: b.endLine}
		x.Envelope, x.Err = b.parse()
		all = append(all, x)
	}
	return all
}

// ParseEnvelope reads the one certificate in a text, as Extract does. The error
// is an *ArmorError: of ErrBlocks for none or several, or else
//
//   - ErrDamaged: the checksum is wrong or missing, the content isn't base64, or
//     BEGIN or END are missing;
//   - ErrVersion, ErrMechanism, ErrHeader: the headers aren't those of a
//     certificate, or don't fit the content;
//   - ErrArmorLimit, ErrContent, ErrSeal for a sealed content that is too short
//     for one, or one of package curve for the keys in the headers;
//   - a *SyntaxError with a place in the content.
func ParseEnvelope(text []byte) (*Envelope, error) {
	var found *block
	for b := range blocks(text) {
		if found != nil {
			return nil, &ArmorError{b.line, fmt.Errorf("%w: this is the second", ErrBlocks)}
		}
		found = &b
	}
	if found == nil && zpl.IsUTF16(text) {
		return nil, &ArmorError{1, fmt.Errorf("%w: %w", ErrBlocks, zpl.ErrUTF16)}
	}
	if found == nil {
		return nil, &ArmorError{1, fmt.Errorf("%w: there is none", ErrBlocks)}
	}
	return found.parse()
}

// block is a BEGIN line and what follows, or an END line without a BEGIN.
type block struct {
	line, endLine int
	lines         lineReader // between them
	fault         string     // what damage there is, or ""
}

// blocks yields all blocks of a text.
func blocks(text []byte) iter.Seq[block] {
	return func(yield func(block) bool) {
		rest := lineReader{text: bytes.TrimPrefix(text, []byte("\uFEFF"))}
		var open *block // whose END hasn't come yet
		finish := func(upTo []byte, endLine int, fault string) bool {
			b := *open
			open = nil
			b.lines.text = b.lines.text[:len(b.lines.text)-len(upTo)]
			b.endLine, b.fault = endLine, fault
			return yield(b)
		}
		for len(rest.text) > 0 {
			before := rest
			switch marker, quotes := cutQuotes(rest.cut(), anyQuotes); {
			case string(marker) == beginMarker:
				if open != nil && !finish(before.text, before.line, "the next BEGIN comes before END") {
					return
				}
				open = &block{line: rest.line, lines: lineReader{rest.text, rest.line, quotes}}
			case string(marker) == endMarker && open != nil:
				if !finish(before.text, rest.line, "") {
					return
				}
			case string(marker) == endMarker:
				if !yield(block{line: rest.line, endLine: rest.line, fault: "END without BEGIN"}) {
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
	line   int    // number of the last one read
	quotes quotes // that next takes away
}

// quotes is what lines have in front: how many marks of quoting, and then how
// many dash escapes (RFC 4880, section 7.1).
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

// next returns the next line that isn't blank, as it was before it was quoted,
// and nil at the end.
func (l *lineReader) next() []byte {
	for len(l.text) > 0 {
		if line, _ := cutQuotes(l.cut(), l.quotes); len(line) > 0 {
			return line
		}
	}
	return nil
}

// unfold returns the line with those that continue it. It is nil, with an error,
// if they are more than limit octets, or missing.
func (l *lineReader) unfold(line []byte, limit int) ([]byte, error) {
	var whole []byte
	for {
		part, more := bytes.CutSuffix(line, []byte(`\`))
		whole = append(whole, part...)
		if len(whole) > limit {
			return nil, fmt.Errorf("%w: a line of more than %d characters", ErrArmorLimit, limit)
		}
		if !more {
			return whole, nil
		}
		if line = l.next(); line == nil {
			return nil, fmt.Errorf("%w: the line that continues the last one is missing", errTransit)
		}
	}
}

// cutQuotes cuts blanks off both ends of a line, and quotes off its beginning:
// at most as many as given. A line has more than its block only if they are
// its own.
func cutQuotes(line []byte, most quotes) (rest []byte, found quotes) {
	const blanks = " \t"
	line = bytes.Trim(line, blanks)
	for found.marks < most.marks && len(line) > 0 && (line[0] == '>' || line[0] == '|') {
		found.marks++
		line = bytes.TrimLeft(line[1:], blanks)
	}
	for found.dashes < most.dashes && bytes.HasPrefix(line, []byte("- ")) {
		found.dashes++
		line = bytes.TrimLeft(line[2:], blanks)
	}
	return line, found
}
