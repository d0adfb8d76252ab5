package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/spf13/pflag"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/web"
)

// httpFlags are the flags of the HTTP server.
type httpFlags struct {
	http        string
	allowRemote bool
}

func (f *httpFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.http, "http", "", "serve metrics, health checks and a status page on `HOST:PORT`")
	flags.BoolVar(&f.allowRemote, "http-allow-remote", false, "let --http listen beyond loopback, where others can read it")
}

// listenHTTP listens on --http. It returns nil without it. It looks up no name, so that only
// addresses and localhost can be loopback.
func (f *httpFlags) listenHTTP(ctx context.Context) (net.Listener, error) {
	if f.http == "" {
		if f.allowRemote {
			return nil, cli.Usagef("--http-allow-remote requires --http HOST:PORT")
		}
		return nil, nil
	}
	at := "tcp://" + f.http
	if err := endpoint.Check(at); err != nil {
		return nil, cli.Usagef("--http %q: must be HOST:PORT, such as 127.0.0.1:9828", f.http)
	}
	if !f.allowRemote && !endpoint.IsLocal(at) {
		return nil, cli.Hint(fmt.Errorf("refusing to serve HTTP on %s: other machines can read it", f.http),
			"use 127.0.0.1, or pass --http-allow-remote if everyone who reaches this address may read it")
	}
	ln, err := endpoint.Listen(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("--http: %w", err)
	}
	return ln, nil
}

// serveHTTP answers HTTP requests about d until ctx is done.
func (f *httpFlags) serveHTTP(ctx context.Context, ln net.Listener, d *daemon, log *slog.Logger) error {
	host, _, _ := net.SplitHostPort(f.http)
	err := web.Serve(ctx, ln, host, web.Source{Status: d.status, Monitor: d.monitor, AdmitTo: d.flags.admitTo, Log: log})
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("--http %s: %w", f.http, err)
	}
	return nil
}
