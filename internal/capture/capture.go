// Package capture reads ZMTP connections in captures of a network (pcap and pcapng), and
// decrypts those of CURVE whose keys are in a key log (docs/spec/keylog.md).
//
// A capture can be incomplete or hostile. What it lacks is reported, and never guessed. Memory
// is bounded, whatever the capture holds: by maxFrame, maxHeld, maxPages, maxOpen,
// maxSorted and maxInterfaces.
package capture

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/reassembly"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

const (
	// maxOpen is how many TCP connections are followed at a time. Further ones are ignored,
	// and counted.
	maxOpen = 1 << 16
	// maxPages is how many pages of 1,900 bytes wait for earlier segments, over all
	// connections, and maxConnPages those of one.
	maxPages     = 16 << 10
	maxConnPages = 2 << 10
	// maxSorted is how many events are sorted by connection at a time.
	maxSorted = 1 << 16
	// patience is how long, in the time of the capture, segments wait for an earlier one.
	// The receiver may have got it even if the capture has not.
	patience = 2 * time.Second
	// quiet is how long a connection must be quiet to be forgotten when there are too many.
	quiet = time.Minute
)

// Kind is the kind of an Event.
type Kind string

// Kinds of events.
const (
	Greeting Kind = "greeting"
	Command  Kind = "command"
	Message  Kind = "message" // one frame of it
	Note     Kind = "note"    // something that is missing or wrong
	End      Kind = "end"     // of a connection
)

// Event is something that a capture shows of a connection. Fields that do not apply are zero.
type Event struct {
	Connection       int // its number, from 1 on
	Opener, Acceptor netip.AddrPort
	// FromOpener says who sent it: the side that opened the TCP connection, or the other. If
	// the capture does not show who opened it, that is the side that sent first.
	FromOpener bool
	Time       time.Time // when the capture has all of it
	Kind       Kind
	Note       string // what is missing or wrong

	Version   string // of ZMTP, in a greeting
	Mechanism string
	AsServer  bool

	Name      string          // of a command; empty if it has none that is known
	Transient curve.PublicKey // C' in HELLO, S' in WELCOME
	Key       curve.PublicKey // the client's, in INITIATE
	Metadata  zap.Metadata
	Login     string // in HELLO of PLAIN. The password is left out.
	Reason    string // in ERROR
	TTL       time.Duration
	Topic     bool // Data is a topic of SUBSCRIBE or CANCEL, a group of JOIN or LEAVE, or the context of PING or PONG

	Size int    // in bytes: of a message's frame, a topic or a command, decrypted if that is possible
	More bool   // more frames of the message follow
	Data []byte // the beginning of a message's frame, or a topic: at most Config.Bytes
}

// Config says how to decode a capture.
type Config struct {
	Keys  *KeyLog            // if nil, CURVE is not decrypted
	Bytes int                // how much of each frame events have
	Emit  func(*Event) error // called for each event, in order; its error ends Decode
}

// Summary counts what a capture holds.
type Summary struct {
	Packets     int
	Connections int // that speak ZMTP
	Other       int // TCP connections that do not begin with a greeting of ZMTP
	Middle      int // TCP connections whose beginning is not in the capture
	Ignored     int // packets of TCP connections beyond maxOpen
	Truncated   int // packets of which the capture has a part only
	Fragments   int // IP fragments, which are ignored
}

// decoder decodes one capture.
type decoder struct {
	cfg       Config
	sum       Summary
	conns     map[tuple]*conn // that packets may belong to
	open      int             // in pool
	last      uint64          // number of the last conn
	assembler *reassembly.Assembler
	starting  *conn // for the next call of New
	final     bool  // the capture has been read
	now       time.Time
	flushed   time.Time
	held      int // bytes of incomplete frames

	sorting bool // collect events, because several connections have them in any order
	sorted  []*Event
	err     error // of Emit
}

// Decode reads a capture to its end. If the capture is invalid or cut off, it returns an
// error, after the events of what is before that.
func Decode(r io.Reader, cfg Config) (Summary, error) {
	d := &decoder{cfg: cfg, conns: map[tuple]*conn{}}
	d.assembler = reassembly.NewAssembler(reassembly.NewStreamPool(d))
	d.assembler.AssemblerOptions = reassembly.AssemblerOptions{MaxBufferedPagesTotal: maxPages, MaxBufferedPagesPerConnection: maxConnPages}
	src, err := newSource(r)
	if err != nil {
		return d.sum, err
	}
	for err == nil && d.err == nil {
		err = d.packet(src)
	}
	d.final = true
	if d.err == nil {
		d.inOrder(func() { d.assembler.FlushAll() })
	}
	if d.err != nil {
		return d.sum, d.err
	}
	if errors.Is(err, io.EOF) {
		return d.sum, nil
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return d.sum, fmt.Errorf("capture: cut off in packet %d", d.sum.Packets+1)
	}
	return d.sum, fmt.Errorf("capture: packet %d: %w", d.sum.Packets+1, err)
}

// packet reads a packet and follows its TCP connection.
func (d *decoder) packet(src *source) error {
	data, info, first, err := src.next()
	if err != nil {
		return err
	}
	d.sum.Packets++
	if info.CaptureLength < info.Length {
		d.sum.Truncated++
	}
	if info.Timestamp.After(d.now) {
		d.now = info.Timestamp
	}
	packet := gopacket.NewPacket(data, first, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	tcp, _ := packet.TransportLayer().(*layers.TCP)
	if tcp == nil {
		if packet.Layer(gopacket.LayerTypeFragment) != nil {
			d.sum.Fragments++
		}
		return nil
	}
	var from, to netip.Addr
	var ok1, ok2 bool
	switch ip := packet.NetworkLayer().(type) {
	case *layers.IPv4:
		from, ok1 = netip.AddrFromSlice(ip.SrcIP)
		to, ok2 = netip.AddrFromSlice(ip.DstIP)
	case *layers.IPv6:
		from, ok1 = netip.AddrFromSlice(ip.SrcIP)
		to, ok2 = netip.AddrFromSlice(ip.DstIP)
	}
	if ok1 && ok2 {
		d.segment(tuple{netip.AddrPortFrom(from, uint16(tcp.SrcPort)), netip.AddrPortFrom(to, uint16(tcp.DstPort))}, tcp, info)
	}
	if d.now.Sub(d.flushed) > patience && d.sum.Packets%256 == 0 {
		d.flush()
	}
	return nil
}

// flush gives up on segments that have been missing for too long and, if there are too many
// connections, on quiet ones.
func (d *decoder) flush() {
	d.flushed = d.now
	options := reassembly.FlushOptions{T: d.now.Add(-patience)}
	if d.open > maxOpen/2 {
		options.TC = d.now.Add(-quiet)
	}
	d.inOrder(func() { d.assembler.FlushWithOptions(options) })
}

// inOrder calls f, which causes events of several connections in any order, and passes them on
// sorted by connection.
func (d *decoder) inOrder(f func()) {
	d.sorting = true
	f()
	d.pass()
	d.sorting = false
}

// pass passes on the events that were collected.
func (d *decoder) pass() {
	slices.SortStableFunc(d.sorted, func(a, b *Event) int { return cmp.Compare(a.Connection, b.Connection) })
	for _, e := range d.sorted {
		if d.err == nil {
			d.err = d.cfg.Emit(e)
		}
	}
	d.sorted = nil
}

// emit passes an event on.
func (d *decoder) emit(e *Event) {
	switch {
	case d.err != nil:
	case d.sorting:
		if d.sorted = append(d.sorted, e); len(d.sorted) == maxSorted {
			d.pass()
		}
	default:
		d.err = d.cfg.Emit(e)
	}
}
