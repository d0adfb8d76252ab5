package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// What is generated stands between these lines of the document.
const (
	beginMarker = "<!-- bench: begin -->"
	endMarker   = "<!-- bench: end -->"
)

// errMarkers means that a document has no place for the results.
var errMarkers = errors.New("want the lines " + beginMarker + " and " + endMarker + ", each once and in this order")

// replaceGenerated puts text between the markers of a document, in place of
// what is there.
func replaceGenerated(document, text string) (string, error) {
	before, rest, ok1 := strings.Cut(document, beginMarker+"\n")
	_, after, ok2 := strings.Cut(rest, endMarker+"\n")
	if !ok1 || !ok2 || strings.Contains(after, beginMarker) || strings.Contains(after, endMarker) || strings.Contains(before, endMarker) {
		return "", errMarkers
	}
	return before + beginMarker + "\n\n" + strings.TrimSpace(text) + "\n\n" + endMarker + "\n" + after, nil
}

// output is the path of the document that keeps the results; "" is none.
type output string

// check finds out before the long run whether there is a place for its results.
func (o output) check() error { return o.write("") }

// write writes the results; none is a check and changes nothing.
func (o output) write(text string) error {
	if o == "" {
		return nil
	}
	path := string(o)
	document, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("bench: document: %w", err)
	}
	changed, err := replaceGenerated(string(document), text)
	if err != nil {
		return fmt.Errorf("bench: document %s: %w", path, err)
	}
	if text == "" {
		return nil
	}
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		return fmt.Errorf("bench: document: %w", err)
	}
	return nil
}

// version asks a program in C for the version of its library.
func (p *peers) version(ctx context.Context, path string) (string, error) {
	g := p.newGroup(ctx)
	defer g.end()
	c, err := g.start(path, "version")
	if err != nil {
		return "", err
	}
	var result struct{ Version string }
	err = c.result(&result)
	return result.Version, err
}

// header says when and on what it was measured, and how to read the tables.
func (l *lab) header(ctx context.Context, rounds int) (string, error) {
	zmqVersion, err := l.version(ctx, l.path[libzmq])
	if err != nil {
		return "", err
	}
	sodiumVersion, err := l.version(ctx, l.sodium)
	if err != nil {
		return "", err
	}
	mode := "full"
	if l.short {
		mode = "short"
	}
	return fmt.Sprintf(`Measured on %s: %s, %d cores, %s, %s, libzmq %s, libsodium %s. Mode %s, %d rounds.

Figures are medians of the rounds, with the smallest and the largest. In each
round all variants take turns. A ratio is to the first line of its group: the
median of the ratios in each round.
`, time.Now().Format(time.DateOnly), processor(), runtime.NumCPU(), kernel(), runtime.Version(), zmqVersion, sodiumVersion, mode, rounds), nil
}

// processor is the model of the processor, where Linux tells.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		if m := regexp.MustCompile(`(?m)^model name\s*:\s*(.*)$`).FindSubmatch(text); m != nil {
			return string(m[1])
		}
	}
	return runtime.GOARCH
}

// kernel is the system and, where Linux tells, its release.
func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return runtime.GOOS + " " + strings.TrimSpace(string(text))
}
