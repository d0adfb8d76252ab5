package web

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

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
	AdmitTo string // the keystore for zauth admit, or "" if there is none
	Log     *slog.Logger
}

// files are the files of the page.
//
//go:embed files
var files embed.FS

// maxScrapes bounds the replies with metrics that are collected at a time.
const maxScrapes = 4

// newHandler answers requests about s. When ctx is done, zauth is no longer ready.
func newHandler(ctx context.Context, s Source) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		&collector{s},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := unready(ctx, s.Status()); len(why) > 0 {
			writeText(w, http.StatusServiceUnavailable, strings.Join(why, "\n"))
			return
		}
		writeText(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { writePage(ctx, w, s) })
	for _, name := range []string{"style.css", "refresh.js", "icon.svg"} {
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, files, "files/"+name)
		})
	}
	return mux
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
