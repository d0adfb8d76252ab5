//go:build cgo

package main

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// page has the rows of a table in docs/diagnosing.md: the exit codes, and what probe says.
type page struct {
	mu   sync.Mutex
	rows []pageRow
}

type pageRow struct {
	code  int
	texts []string
	seen  bool
}

func newPage(t *testing.T) *page {
	t.Helper()
	text, err := os.ReadFile("../../docs/diagnosing.md")
	ztest.Must(t, err)
	_, table, _ := strings.Cut(string(text), "| stage | exit code | probe says |")
	table, _, _ = strings.Cut(table, "\n\n")
	p := &page{}
	code := 0
	for line := range strings.Lines(table) {
		columns := strings.Split(line, "|")
		if n, err := strconv.Atoi(strings.TrimSpace(columns[min(2, len(columns)-1)])); err == nil {
			code = n
		}
		if code == 0 {
			continue
		}
		row := pageRow{code: code}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(columns[3], -1) {
			row.texts = append(row.texts, m[1])
		}
		p.rows = append(p.rows, row)
	}
	return p
}

// has reports whether a row fits what probe said.
func (p *page) has(code int, said string) (found bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, row := range p.rows {
		if row.code == code && slices.ContainsFunc(row.texts, func(text string) bool { return strings.Contains(said, text) }) {
			p.rows[i].seen, found = true, true
		}
	}
	return found
}

// checkAll checks that each row fits something that probe said.
func (p *page) checkAll(t *testing.T) {
	for _, row := range p.rows {
		if !row.seen {
			t.Errorf("docs/diagnosing.md: probe never says %q", row.texts)
		}
	}
}
