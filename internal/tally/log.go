package tally

import (
	"context"
	"log/slog"
	"regexp"
	"time"
)

// perSource bounds the messages of one level that one source causes in a period. Messages
// with counts are not included.
const perSource = 20

// maxCause is how many bytes of a cause are remembered.
const maxCause = 255

// classes are the classes of a Log, one for each level, so that unimportant messages take
// no place from others.
var classes = [...]Class{
	{Bound: perSource, Level: slog.LevelDebug, More: "log messages left out"},
	{Bound: perSource, Level: slog.LevelInfo, More: "log messages left out"},
	{Bound: perSource, Level: slog.LevelWarn, More: "log messages left out"},
	{Bound: perSource, Level: slog.LevelError, More: "log messages left out"},
}

// Log logs messages that peers can cause: in a minute, one for each message, cause and
// address, and 20 for each source and level. It counts the others. Safe for concurrent
// use.
type Log struct{ tally *Tally[cause] }

// cause identifies a message, to count its repeats.
type cause struct {
	level                   slog.Level
	message, address, cause string
}

// Again returns "handshake failed again" with the address and the cause.
func (c cause) Again() Line {
	var attrs []slog.Attr
	for _, a := range [...]slog.Attr{slog.String("address", c.address), slog.String("err", c.cause)} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	return Line{c.level, c.message + " again", attrs}
}

// NewLog returns a Log that logs to log. If log is nil, nothing is logged. The caller
// must close it.
func NewLog(log *slog.Logger) *Log {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Log{New[cause](log)}
}

// port matches the port of an IP address in a text.
var port = regexp.MustCompile(`(\.[0-9]+|\]):[0-9]+`)

// Tell logs a message with these attributes, or counts it. address is the peer's address,
// with or without a port, as [Network] reads it; it may be empty. Messages with the same
// level, text, cause and address are repeats. Ports in the cause and the address make no
// difference, because each connection has its own. Put other values that differ each time
// into the attributes, not into the cause. Tell does not log address and why, except with
// a count.
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
		attrs = append(attrs[:len(attrs):len(attrs)], slog.Int("count", repeated))
	}
	l.tally.log.LogAttrs(ctx, level, message, attrs...)
}

// classOf returns the class of a level.
func classOf(level slog.Level) *Class {
	for i := len(classes) - 1; i > 0; i-- {
		if level >= classes[i].Level {
			return &classes[i]
		}
	}
	return &classes[0]
}

// Close logs the counts. Each later message is logged.
func (l *Log) Close() { l.tally.Close() }
