package tally

import (
	"context"
	"log/slog"
	"regexp"
	"time"
)

// perSource bounds the lines of one level that one source causes in a period, whatever
// they say. The lines that tell of counts don't count.
const perSource = 20

// maxCause is how many octets of a cause are remembered.
const maxCause = 255

// left are the classes of a Log: one for each level, so that what hardly matters takes
// no place from what does.
var left = [...]Class{
	{Bound: perSource, Level: slog.LevelDebug, More: "log lines left out"},
	{Bound: perSource, Level: slog.LevelInfo, More: "log lines left out"},
	{Bound: perSource, Level: slog.LevelWarn, More: "log lines left out"},
	{Bound: perSource, Level: slog.LevelError, More: "log lines left out"},
}

// Log logs lines that others can cause: within a minute once for each message, cause
// and address, and 20 for each source and level. Those left out are counted. Safe for
// concurrent use.
type Log struct{ tally *Tally[cause] }

// cause is the same for lines that say the same.
type cause struct {
	level                   slog.Level
	message, address, cause string
}

// Again is "handshake failed again", with the address and the cause.
func (c cause) Again() Line {
	var attrs []slog.Attr
	for _, a := range [...]slog.Attr{slog.String("address", c.address), slog.String("cause", c.cause)} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	return Line{c.level, c.message + " again", attrs}
}

// NewLog returns a Log that logs to log; nil discards. Close it.
func NewLog(log *slog.Logger) *Log {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Log{New[cause](log)}
}

// port is that of an IP address in a text.
var port = regexp.MustCompile(`(\.[0-9]+|\]):[0-9]+`)

// Tell logs a line with these attributes, or counts it. The address is that of the
// peer who caused it, with or without a port, as [Network] reads it, or "". Lines with
// the same level, message, cause and address say the same, whatever ports are in these:
// each connection has another. What else differs each time belongs into the attributes,
// not into the cause. Only the lines with the counts name address and cause by
// themselves.
func (l *Log) Tell(level slog.Level, message, address, why string, attrs ...slog.Attr) {
	ctx := context.Background()
	if !l.tally.log.Enabled(ctx, level) {
		return
	}
	if port.MatchString(why) {
		why = port.ReplaceAllString(why, "$1")
	}
	if len(why) > maxCause {
		why = why[:maxCause]
	}
	repeated, ok := l.tally.Once(time.Now(), classOf(level), address, cause{level, message, host(address), why})
	if !ok {
		return
	}
	if repeated > 0 {
		attrs = append(attrs[:len(attrs):len(attrs)], slog.Int("repeated", repeated))
	}
	l.tally.log.LogAttrs(ctx, level, message, attrs...)
}

// classOf returns the class that a level belongs to.
func classOf(level slog.Level) *Class {
	for i := len(left) - 1; i > 0; i-- {
		if level >= left[i].Level {
			return &left[i]
		}
	}
	return &left[0]
}

// Close logs what was counted. Lines afterwards are logged, each of them.
func (l *Log) Close() { l.tally.Close() }
