package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/capture"
	"github.com/zcurve/zcurve/internal/cli"
)

// decoder holds the flags of decode, and what it has printed.
type decoder struct {
	keyLog string
	bytes  int
	asJSON bool
	begun  map[int]time.Time // of connections that have not ended
}

func newDecode() *cobra.Command {
	f := decoder{begun: map[int]time.Time{}}
	cmd := &cobra.Command{
		Use:   "decode FILE",
		Short: "Show the ZeroMQ connections in a network capture",
		Long: `Decode shows what a capture of a network has of ZeroMQ connections: their
handshakes, commands and messages. FILE is in the format pcap or pcapng, as tcpdump
and Wireshark write it; - means stdin. Decode finds the connections by themselves, on
any port. It never shows passwords of PLAIN.

It decrypts the CURVE connections whose keys are in the key log. A Go program writes
one if it sets InsecureKeyLog in a Config of package zmtp, or passes
WithInsecureKeyLog to a socket. The program's peer does not matter. With
the key log, anyone can read these connections, so delete it afterwards.

Each line begins with the number of the connection, the time since its first line,
and who sent it: > is the side that opened the connection.`,
		Example: `  tcpdump -i any -w capture.pcap port 5555
  zcert decode capture.pcap --keylog keys.log
  zcert decode capture.pcap --keylog keys.log --json`,
		Args: cli.OneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.keyLog, "keylog", "", "decrypt with the keys in `FILE`")
	flags.IntVar(&f.bytes, "bytes", 64, "show at most `N` bytes of each frame of a message")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON, one object a line")
	return cmd
}

func (f *decoder) run(cmd *cobra.Command, file string) error {
	if f.bytes < 0 {
		return cli.Usagef("--bytes %d: must not be negative", f.bytes)
	}
	if file == "-" && f.keyLog == "-" {
		return cli.Usagef("FILE and --keylog cannot both be stdin")
	}
	cfg := capture.Config{Bytes: f.bytes, Emit: func(e *capture.Event) error { return f.print(cmd, e) }}
	if f.keyLog != "" {
		var err error
		if cfg.Keys, err = f.loadKeys(cmd); err != nil {
			return err
		}
	}
	from, name := cmd.InOrStdin(), stdinName
	if file != "-" {
		opened, err := cli.Await(cmd.Context(), func() (*os.File, error) { return os.Open(file) })
		if err != nil {
			return err
		}
		defer opened.Close()
		from, name = opened, cli.Subject(file)
	}
	sum, err := capture.Decode(interruptible{cmd.Context(), from}, cfg)
	if cause := context.Cause(cmd.Context()); cause != nil {
		return cause
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return f.summarize(cmd, name, sum)
}

// loadKeys reads the key log.
func (f *decoder) loadKeys(cmd *cobra.Command) (*capture.KeyLog, error) {
	in, err := open(cmd, f.keyLog)
	if err != nil {
		return nil, err
	}
	text, err := in.read()
	if err != nil {
		return nil, err
	}
	if err := in.checkMode(cmd, "key log"); err != nil {
		return nil, err
	}
	keys, err := capture.ParseKeyLog(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cli.Subject(f.keyLog), err)
	}
	if keys.Len() == 0 {
		cli.Warn(cmd, "%s: no keys of CURVE connections in this file", cli.Subject(f.keyLog))
	}
	return keys, nil
}

// interruptible reads until its context is done, also while a pipe is empty.
type interruptible struct {
	ctx  context.Context
	from io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	data, err := cli.Await(r.ctx, func() ([]byte, error) {
		b := make([]byte, len(p)) // not p, which the caller may use again when ctx is done
		n, err := r.from.Read(b)
		return b[:n], err
	})
	return copy(p, data), err
}

// summarize says what decode has not shown. It returns an error if there was nothing to show.
func (f *decoder) summarize(cmd *cobra.Command, name string, sum capture.Summary) error {
	for _, part := range []struct {
		n    int
		what string
	}{
		{sum.Truncated, "packets are not whole: capture with a larger snapshot length, such as tcpdump -s 0"},
		{sum.Fragments, "IP fragments were ignored"},
		{sum.Ignored, "packets were ignored: too many connections at a time"},
		{sum.Middle, "TCP connections began before the capture, and are not shown"},
	} {
		if part.n > 0 {
			cli.Warn(cmd, "%s: %d %s", name, part.n, part.what)
		}
	}
	if sum.Connections == 0 {
		err := fmt.Errorf("%s: no ZeroMQ connection in %d packets", name, sum.Packets)
		return cli.Hint(err, "capture from before the client connects: tcpdump -i any -w capture.pcap port 5555")
	}
	return nil
}

// eventJSON is an event of a connection.
type eventJSON struct {
	Connection int            `json:"connection"`
	Time       time.Time      `json:"time"`
	From       string         `json:"from"`
	To         string         `json:"to"`
	Event      string         `json:"event"`
	Version    string         `json:"version,omitempty"`
	Mechanism  string         `json:"mechanism,omitempty"`
	AsServer   bool           `json:"as_server,omitempty"`
	Command    string         `json:"command,omitempty"`
	Transient  string         `json:"transient_key,omitempty"`
	Key        string         `json:"key,omitempty"`
	Login      string         `json:"login,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	TTL        float64        `json:"ttl_seconds,omitempty"`
	Metadata   []propertyJSON `json:"metadata,omitempty"`
	Bytes      *int           `json:"bytes,omitempty"`
	More       bool           `json:"more,omitempty"`
	Text       string         `json:"text,omitempty"`
	Hex        string         `json:"hex,omitempty"`
	Err        string         `json:"err,omitempty"`
}

// print prints an event.
func (f *decoder) print(cmd *cobra.Command, e *capture.Event) error {
	if f.asJSON {
		return f.printJSON(cmd, e)
	}
	p := cli.NewPainter(cmd)
	return cli.Print(cmd, func(out io.Writer) {
		begun, ok := f.begun[e.Connection]
		if !ok {
			begun = e.Time
			f.begun[e.Connection] = begun
			fmt.Fprintf(out, "%d %s\n", e.Connection, p.Head(fmt.Sprintf("%s > %s at %s", e.Opener, e.Acceptor, begun.UTC().Format(time.RFC3339Nano))))
		}
		by := "<"
		if e.FromOpener {
			by = ">"
		}
		name := e.Name
		switch {
		case e.Kind == capture.End:
			delete(f.begun, e.Connection)
			by, name = "-", "end"
		case e.Kind != capture.Command:
			name = string(e.Kind)
		case name == "":
			name = "command"
		}
		text := details(e)
		if e.Note != "" && text != "" {
			text += " "
		}
		switch {
		case e.Kind == capture.End:
			text += e.Note
		case e.Note != "":
			text += p.Bad("(" + e.Note + ")")
		}
		line := fmt.Sprintf("%d +%.6f %s %-9s %s", e.Connection, e.Time.Sub(begun).Seconds(), by, name, text)
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	})
}

// details describes an event.
func details(e *capture.Event) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if e.Kind == capture.Greeting {
		add("ZMTP %s", e.Version)
		add("%s", cli.Printable(e.Mechanism))
		if e.AsServer {
			add("server")
		}
	}
	if e.Transient != (curve.PublicKey{}) {
		add("transient key %v", e.Transient)
	}
	if e.Key != (curve.PublicKey{}) {
		add("client %v", e.Key)
	}
	if e.Login != "" {
		add("login %s", cli.Printable(e.Login))
	}
	if e.Reason != "" {
		add("%s", e.Reason)
	}
	if e.TTL > 0 {
		add("TTL %v", e.TTL)
	}
	for _, m := range e.Metadata {
		add("%s=%s", m.Name, cli.Printable(m.Value))
	}
	switch {
	case e.Kind == capture.Message:
		text := strconv.Itoa(e.Size) + " bytes"
		if e.Size == 1 {
			text = "1 byte"
		}
		if e.Name != "" {
			text += ", encrypted"
		}
		if len(e.Data) > 0 {
			text += " " + frame(e.Data, e.Size)
		}
		add("%s", text)
		if e.More {
			add("more")
		}
	case e.Topic:
		add("%s", frame(e.Data, e.Size))
	}
	return strings.Join(parts, ", ")
}

// frame returns the beginning of a frame that has size bytes: quoted, if that is text, and
// otherwise in hexadecimal.
func frame(data []byte, size int) string {
	text, ok := asText(data, size)
	shown := strconv.Quote(text)
	if !ok {
		shown = "0x" + hex.EncodeToString(data)
	}
	if len(data) < size {
		shown += "…"
	}
	return shown
}

// asText returns the beginning of a frame as text, if it is printable. Where it is cut, it may
// end in a part of a character, which is left out.
func asText(data []byte, size int) (text string, ok bool) {
	text = string(data)
	for i := 0; len(data) < size && i < utf8.UTFMax-1 && !utf8.ValidString(text); i++ {
		text = text[:len(text)-1]
	}
	isOther := func(r rune) bool { return !unicode.IsPrint(r) && !strings.ContainsRune("\t\r\n", r) }
	return text, utf8.ValidString(text) && !strings.ContainsFunc(text, isOther)
}

func (f *decoder) printJSON(cmd *cobra.Command, e *capture.Event) error {
	j := eventJSON{
		Connection: e.Connection, Time: e.Time.UTC(), From: e.Acceptor.String(), To: e.Opener.String(), Event: string(e.Kind),
		Version: e.Version, Mechanism: e.Mechanism, AsServer: e.AsServer, Command: e.Name,
		Login: e.Login, Reason: e.Reason, TTL: e.TTL.Seconds(), More: e.More, Err: e.Note,
	}
	if e.FromOpener {
		j.From, j.To = j.To, j.From
	}
	if e.Transient != (curve.PublicKey{}) {
		j.Transient = e.Transient.String()
	}
	if e.Key != (curve.PublicKey{}) {
		j.Key = e.Key.String()
	}
	for _, m := range e.Metadata {
		j.Metadata = append(j.Metadata, propertyJSON{m.Name, m.Value})
	}
	if e.Kind == capture.Message || e.Topic {
		j.Bytes = &e.Size
		if text, ok := asText(e.Data, e.Size); ok {
			j.Text = text
		} else {
			j.Hex = hex.EncodeToString(e.Data)
		}
	}
	return printJSON(cmd, j)
}
