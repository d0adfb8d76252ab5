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

// The results go between these lines of the document.
const (
	beginMarker = "<!-- bench: begin -->"
	endMarker   = "<!-- bench: end -->"
)

// errMarkers means that a document lacks the two markers.
var errMarkers = errors.New("expected the lines " + beginMarker + " and " + endMarker + ", each once and in this order")

// replaceGenerated replaces the text between the markers of a document.
func replaceGenerated(document, text string) (string, error) {
	before, rest, ok1 := strings.Cut(document, beginMarker+"\n")
	_, after, ok2 := strings.Cut(rest, endMarker+"\n")
	if !ok1 || !ok2 || strings.Contains(after, beginMarker) || strings.Contains(after, endMarker) || strings.Contains(before, endMarker) {
		return "", errMarkers
	}
	return before + beginMarker + "\n\n" + strings.TrimSpace(text) + "\n\n" + endMarker + "\n" + after, nil
}

// output is the path of the document for the results, or "" for none.
type output string

// check reports before a long run whether its results can be written.
func (o output) check() error { return o.write("") }

// write writes the results. With an empty text it only checks the document.
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

// header returns the time and the machine of the measurement, and how to read the tables.
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

Figures are medians of the rounds, with the smallest and the largest. In each round, all
variants take turns. A ratio compares with the first line of its group: it is the median of
the ratios in each round.
`, time.Now().Format(time.DateOnly), processor(), runtime.NumCPU(), kernel(), runtime.Version(), zmqVersion, sodiumVersion, mode, rounds), nil
}

// processor returns the model of the processor, which is known on Linux only.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		if m := regexp.MustCompile(`(?m)^model name\s*:\s*(.*)$`).FindSubmatch(text); m != nil {
			return string(m[1])
		}
	}
	return runtime.GOARCH
}

// kernel returns the operating system and, on Linux, its release.
func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return runtime.GOOS + " " + strings.TrimSpace(string(text))
}
