// Package web is zauth's HTTP server for its operator: metrics for Prometheus, health checks,
// and a status page. It only reads. Each request is bounded in size and time, and their number
// at a time is bounded too.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// limits bound what clients of the server can use.
type limits struct {
	connections int
	headerBytes int           // net/http adds 4 KiB
	headerTime  time.Duration // to send the header of a request
	readTime    time.Duration // to send a request
	writeTime   time.Duration // to receive the reply, from the end of the request's header
	idleTime    time.Duration // between requests
	endTime     time.Duration // for requests in progress when the server ends
}

// defaultLimits fit browsers and Prometheus, which asks once in 15 seconds to a minute.
var defaultLimits = limits{
	connections: 32,
	headerBytes: 8 << 10,
	headerTime:  5 * time.Second,
	readTime:    10 * time.Second,
	writeTime:   20 * time.Second,
	idleTime:    90 * time.Second,
	endTime:     2 * time.Second,
}

// Serve answers requests to ln by HTTP/1 until ctx is done, and closes ln. host is the host of
// the address to listen on, as the operator named it: beside IP addresses and localhost, requests
// may name no other. The error is nil when ctx is done.
func Serve(ctx context.Context, ln net.Listener, host string, s Source) error {
	return serve(ctx, ln, guard(host, newHandler(ctx, s)), s.Log, defaultLimits)
}

func serve(ctx context.Context, ln net.Listener, handler http.Handler, log *slog.Logger, l limits) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler:   handler,
		Protocols: protocols,
		// OPTIONS * is refused as any other method.
		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               l.headerBytes,
		ReadHeaderTimeout:            l.headerTime,
		ReadTimeout:                  l.readTime,
		WriteTimeout:                 l.writeTime,
		IdleTimeout:                  l.idleTime,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		patience, cancel := context.WithTimeout(context.Background(), l.endTime)
		defer cancel()
		if server.Shutdown(patience) != nil {
			server.Close()
		}
	})
	err := server.Serve(netutil.LimitListener(ln, l.connections))
	if stop() {
		server.Close()
		return err // ctx isn't done: the listener failed
	}
	<-ended
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
