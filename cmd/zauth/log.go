package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/zcurve/zcurve/internal/cli"
)

// logOutput writes the log through a lineQueue, so that decisions don't wait for the
// reader of stderr.
type logOutput struct {
	*lineQueue
	newHandler func(io.Writer, *slog.HandlerOptions) slog.Handler
	asText     bool
	level      slog.LevelVar
}

// newLog returns a log to stderr of level and above, in format text, json or auto:
// text on a terminal, JSON otherwise. It writes errors as explain returns them. Close the output
// after the last message.
func newLog(stderr io.Writer, level, format string, explain func(error) error) (*slog.Logger, *logOutput, error) {
	out := &logOutput{}
	if err := out.setLevel(level); err != nil {
		return nil, nil, err
	}
	f, ok := stderr.(*os.File)
	switch {
	case format == "text", format == "auto" && ok && term.IsTerminal(int(f.Fd())):
		out.asText = true
		out.newHandler = func(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(w, o) }
	case format == "json", format == "auto":
		out.newHandler = func(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewJSONHandler(w, o) }
	default:
		return nil, nil, cli.Usagef("--log-format %q: must be text, json or auto", format)
	}
	out.lineQueue = newLineQueue(stderr, func(dropped int) []byte {
		return out.line(slog.LevelWarn, "log lines dropped: nothing read stderr", slog.Int("count", dropped))
	})
	return slog.New(out.newHandler(out, &slog.HandlerOptions{Level: &out.level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.AnyValue(explain(err))
		}
		return cli.ReplaceAttr(groups, a)
	}})), out, nil
}

// setLevel writes messages of a level and above from now on.
func (o *logOutput) setLevel(level string) error {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return cli.Usagef("--log-level %q: must be debug, info, warn or error", level)
	}
	o.level.Set(least)
	return nil
}

// line formats a line of the log, whatever --log-level is.
func (o *logOutput) line(level slog.Level, message string, attr slog.Attr) []byte {
	var b bytes.Buffer
	r := slog.NewRecord(time.Now(), level, message, 0)
	r.AddAttrs(attr)
	o.newHandler(&b, nil).Handle(context.Background(), r)
	return b.Bytes()
}

// listening writes that zauth listens on an endpoint, whatever --log-level is:
// "listening on ENDPOINT", or the same in JSON.
func (o *logOutput) listening(endpoint string) {
	if o.asText {
		fmt.Fprintf(o, "listening on %s\n", endpoint)
		return
	}
	o.Write(o.line(slog.LevelInfo, "listening", slog.String("endpoint", endpoint)))
}
