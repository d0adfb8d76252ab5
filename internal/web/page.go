package web

import (
	"bytes"
	"context"
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
)

// The page shows at most so many of each. Commands of zauth show the rest.
const (
	maxRecent   = 20
	maxWaiting  = 20
	maxExpiring = 20
)

// view holds the values of the page.
type view struct {
	control.Status
	Now       time.Time
	Unready   []string // why zauth is not ready
	Plot      plot
	Waiting   []monitor.Client // unknown keys, the last that asked first
	Keys      int              // unknown ones, in all
	MoreKeys  int              // that Waiting leaves out
	Recent    []monitor.Event  // the newest first
	Soon      []control.Expiring
	AdmitTo   string          // the keystore for zauth admit, or ""
	Hits      []control.Limit // that were hit
	MoreNames int             // that Soon leaves out
}

func newView(ctx context.Context, s Source, now time.Time) view {
	v := view{Status: s.Status(), Now: now, AdmitTo: s.AdmitTo, Plot: newPlot(s.Monitor.Minutes()), Recent: s.Monitor.Recent()}
	v.Unready = unready(ctx, v.Status)
	v.Hour, v.Minute = v.Plot.Totals, s.Monitor.LastMinute()
	slices.Reverse(v.Recent)
	v.Recent, _ = first(maxRecent, v.Recent)
	v.Waiting, v.MoreKeys = first(maxWaiting, s.Monitor.Pending())
	v.Keys = len(v.Waiting) + v.MoreKeys
	v.Soon, _ = first(maxExpiring, v.Expiring)
	v.MoreNames = v.ExpiringAll - len(v.Soon)
	for _, l := range v.Limits {
		if l.Count > 0 {
			v.Hits = append(v.Hits, control.Limit{Name: limitNames[l.Name], Count: l.Count})
		}
	}
	return v
}

// limitNames are the limits of zauth in words.
var limitNames = map[string]string{
	"failures":    "failures of an address in a minute",
	"logins":      "passwords compared at the same time",
	"connections": "connections from services",
	"decisions":   "slow decisions at the same time",
	"malformed":   "malformed requests",
	"strangers":   "unknown clients remembered",
}

// first returns the first n elements, and how many more there are.
func first[T any](n int, all []T) (some []T, more int) {
	n = min(n, len(all))
	return all[:n], len(all) - n
}

// page is the page. It escapes all values.
var page = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"clock":  func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"minute": func(t time.Time) string { return t.UTC().Format("15:04") },
	"stamp":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"length": length,
	"count":  grouped[uint64],
	"number": grouped[int],
	"of":     markOf,
	"until":  markUntil,

	"printable": cli.Printable, // what clients choose, which could write from right to left, for example
}).ParseFS(files, "files/page.html"))

// writePage writes the page as it is now.
func writePage(ctx context.Context, w http.ResponseWriter, s Source) {
	var b bytes.Buffer
	if err := page.Execute(&b, newView(ctx, s, time.Now())); err != nil {
		s.Log.Error("status page failed", "err", err)
		writeText(w, http.StatusInternalServerError, "the page failed: see the log of zauth")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes())
}
