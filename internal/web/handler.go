package web

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
)

// Source provides the values that the server shows.
type Source struct {
	Status  func() control.Status // safe for concurrent use
	Monitor *monitor.Monitor
	AdmitTo string // the keystore for zauth admit, or "" without --admit-to
	Log     *slog.Logger
}

// files are the files of the page.
//
//go:embed files
var files embed.FS

// Bounds of requests that ask for what zauth knows. Health checks have none, so that they succeed
// even if zauth is stuck.
const (
	maxReplies = 8 // at a time
	replyTime  = 10 * time.Second
)

// newHandler answers requests about s. When ctx is done, zauth is no longer ready.
func newHandler(ctx context.Context, s Source) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		&collector{s},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	about := http.NewServeMux()
	about.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	about.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := unready(ctx, s.Status()); len(why) > 0 {
			writeText(w, http.StatusServiceUnavailable, strings.Join(why, "\n"))
			return
		}
		writeText(w, http.StatusOK, "ok")
	})
	about.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { writePage(ctx, w, s) })
	mux := http.NewServeMux()
	mux.Handle("/", bounded(about, maxReplies, replyTime))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	for _, name := range []string{"style.css", "refresh.js", "icon.svg"} {
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, files, "files/"+name)
		})
	}
	return mux
}

// bounded passes on at most n requests at a time. It answers 503 to others, and to those that take
// longer than d.
func bounded(next http.Handler, n int, d time.Duration) http.Handler {
	places := make(chan struct{}, n)
	limited := http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { <-places }() // also if the request has been answered before
		next.ServeHTTP(w, r)
	}), d, "zauth did not answer in time\n")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			limited.ServeHTTP(w, r)
		default:
			writeText(w, http.StatusServiceUnavailable, "too many requests at a time")
		}
	})
}

// unready says why zauth can't decide as its files say, one reason a line. It is empty if zauth
// can.
func unready(ctx context.Context, s control.Status) (why []string) {
	if ctx.Err() != nil {
		why = append(why, "zauth is shutting down")
	}
	if s.Policy != nil && s.Policy.Failed != "" {
		why = append(why, "policy "+s.Policy.File+": "+s.Policy.Failed)
	}
	for _, store := range s.Stores {
		if store.Failed != "" {
			why = append(why, "keystore "+store.URL+": "+store.Failed)
		}
	}
	return why
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}
