package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// packages matches names of this module's packages at the beginning of each part of a
// message. A library puts its name in front of its errors, but the users of a tool have
// not called a library.
var packages = regexp.MustCompile(`(?m)(^|: )(?:(?:cert|armor|capture|curve|keystore|boltstore|policy|zap|remote|audit|zmtp|libzmq|zpl): )+`)

// Message returns the text of an error without the names of packages and system calls:
// "forged.key: cert: invalid signature" is "forged.key: invalid signature".
func Message(err error) string {
	text := err.Error()
	file, ok := errors.AsType[*fs.PathError](err)
	if !ok {
		return strip(text)
	}
	// "open x: no such file or directory" is "x: no such file or directory". The path is
	// left out meanwhile, as parts of it can look like a package.
	const path = "\x00"
	text = strings.Replace(text, file.Error(), path+": "+file.Err.Error(), 1)
	text = strings.Replace(text, file.Path+": "+path, path, 1)
	return strings.Replace(strip(text), path, file.Path, 1)
}

// Subject returns the name of a file for the beginning of a message. One that looks like
// a package, which Message would leave out, gets a path.
func Subject(file string) string {
	if strip(file+": ") != file+": " {
		return "./" + file
	}
	return file
}

func strip(text string) string { return packages.ReplaceAllString(text, "$1") }

// printing keeps lines on stderr apart when several goroutines print.
var printing sync.Mutex

// Note prints a message for people on stderr.
func Note(cmd *cobra.Command, format string, args ...any) {
	printing.Lock()
	defer printing.Unlock()
	fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
}

// Warn prints a warning on stderr.
func Warn(cmd *cobra.Command, format string, args ...any) {
	Note(cmd, "%s", label(cmd, yellow, "warning")+visible(strip(fmt.Sprintf(format, args...))))
}

// PrintError prints an error on stderr, and its hint.
func PrintError(cmd *cobra.Command, err error) {
	text := label(cmd, red, "error") + visible(Message(err))
	if hint := HintOf(err); hint != "" {
		text += "\n" + label(cmd, cyan, "hint") + visible(hint)
	}
	Note(cmd, "%s", text)
}

// visible escapes characters that a terminal could act on, as in the name of a file.
func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) || r == '\n' || r == '\t' {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// label returns the beginning of a line on stderr: "zcert: error: ".
func label(cmd *cobra.Command, color color, kind string) string {
	return fmt.Sprintf("%s: %s ", cmd.Root().Name(), paint(cmd.ErrOrStderr(), color, kind+":"))
}

// ReplaceAttr is for slog.HandlerOptions. It removes the names of packages from
// errors.
func ReplaceAttr(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok {
		a.Value = slog.StringValue(Message(err))
	}
	return a
}

// Log returns a logger that prints a package's log messages of level warn and above as
// warnings and errors of the tool, with the attributes after the message.
func Log(cmd *cobra.Command) *slog.Logger {
	l := &logger{cmd: cmd}
	l.Handler = slog.NewTextHandler(&l.line, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
			return slog.Attr{}
		}
		return ReplaceAttr(groups, a)
	}})
	return slog.New(l)
}

// logger formats attributes with its Handler, one record at a time.
type logger struct {
	slog.Handler
	cmd  *cobra.Command
	mu   sync.Mutex
	line bytes.Buffer
}

// Handle prints a record.
func (l *logger) Handle(ctx context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line.Reset()
	if err := l.Handler.Handle(ctx, r); err != nil {
		return err
	}
	text := r.Message
	if attrs := bytes.TrimSpace(l.line.Bytes()); len(attrs) > 0 {
		text += ": " + string(attrs)
	}
	color, kind := yellow, "warning"
	if r.Level >= slog.LevelError {
		color, kind = red, "error"
	}
	Note(l.cmd, "%s", label(l.cmd, color, kind)+text)
	return nil
}

// Quote returns the name of a file as an argument of a command that can be pasted to a
// shell.
func Quote(file string) string {
	if strings.HasPrefix(file, "-") {
		file = "./" + file
	}
	if file != "" && strings.Trim(file, safe) == "" {
		return file
	}
	return "'" + strings.ReplaceAll(file, "'", `'\''`) + "'"
}

// safe are characters that mean nothing special to a shell.
const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+@/:,"

// Printable returns a text that others chose unchanged, or quoted if a terminal could act on it.
func Printable(text string) string {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
