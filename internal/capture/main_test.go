package capture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/zcurve/zcurve/internal/ztest"
)

func TestMain(m *testing.M) { ztest.Main(m) }

// chunk holds bytes that one side of a connection has sent at a time.
type chunk struct {
	fromOpener bool
	data       []byte
}

// recording is a TCP connection that a relay has recorded.
type recording struct {
	mu     sync.Mutex
	chunks []chunk
}

func (r *recording) add(fromOpener bool, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chunks = append(r.chunks, chunk{fromOpener, bytes.Clone(data)})
}

// relay accepts one connection, connects it to an address, and records both directions. It
// returns its own address, and a function that waits for the end of the connection.
func relay(t testing.TB, to string) (at string, end func() []chunk) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(t, err)
	t.Cleanup(func() { ln.Close() })
	var r recording
	done := make(chan struct{})
	go func() {
		defer close(done)
		opener, err := ln.Accept()
		if err != nil {
			return
		}
		defer opener.Close()
		acceptor, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer acceptor.Close()
		var both sync.WaitGroup
		both.Go(func() { r.copy(acceptor, opener, true) })
		both.Go(func() { r.copy(opener, acceptor, false) })
		both.Wait()
	}()
	return ln.Addr().String(), func() []chunk {
		ztest.Receive(t, "the end of the connection", done)
		return r.chunks
	}
}

func (r *recording) copy(to, from net.Conn, fromOpener bool) {
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			r.add(fromOpener, buf[:n]) // before the other side can answer
			to.Write(buf[:n])
		}
		if err != nil {
			to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}

// wire says how the packets of a capture look.
type wire struct {
	link    layers.LinkType // zero for BSD's loopback
	v6      bool
	mss     int // zero for 1,448 bytes
	ng      bool
	snaplen int // zero for no limit
	port    layers.TCPPort
	isn     uint32
	noSYN   bool
	noEnd   bool
	mixed   bool // repeat and reorder the segments of each chunk
}

// begun is when captures begin.
var begun = time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)

// packets returns the packets of a connection: its beginning, its data in segments, and its end.
func (w wire) packets(t testing.TB, chunks []chunk) [][]byte {
	t.Helper()
	if w.mss == 0 {
		w.mss = 1448
	}
	port := 50000 + w.port
	seq := map[bool]uint32{true: 1<<32 - 100 + w.isn, false: 7000} // the first overflows soon
	var all [][]byte
	add := func(fromOpener bool, set func(*layers.TCP), data []byte) {
		tcp := &layers.TCP{SrcPort: port, DstPort: 5555, Seq: seq[fromOpener], Ack: seq[!fromOpener], ACK: true, Window: 65535}
		if !fromOpener {
			tcp.SrcPort, tcp.DstPort = tcp.DstPort, tcp.SrcPort
		}
		if set != nil {
			set(tcp)
		}
		all = append(all, w.packet(t, fromOpener, tcp, data))
		seq[fromOpener] += uint32(len(data))
		if tcp.SYN || tcp.FIN {
			seq[fromOpener]++
		}
	}
	if w.noSYN {
		seq[true]++
		seq[false]++
	} else {
		add(true, func(tcp *layers.TCP) { tcp.SYN, tcp.ACK = true, false }, nil)
		add(false, func(tcp *layers.TCP) { tcp.SYN = true }, nil)
	}
	add(true, nil, nil)
	for _, c := range chunks {
		first := len(all)
		for data := range slices.Chunk(c.data, w.mss) {
			add(c.fromOpener, nil, data)
		}
		// Without SYN, the first bytes must come first.
		if w.mixed && (!w.noSYN || c.data[0] != 0xFF) {
			all = append(all[:first], mix(all[first:])...)
		}
		add(!c.fromOpener, nil, nil) // acknowledges
	}
	if !w.noEnd {
		add(true, func(tcp *layers.TCP) { tcp.FIN = true }, nil)
		add(false, func(tcp *layers.TCP) { tcp.FIN = true }, nil)
	}
	return all
}

// mix returns each packet twice, and reorders them within eight.
func mix(packets [][]byte) (mixed [][]byte) {
	for _, p := range packets {
		mixed = append(mixed, p, p)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for group := range slices.Chunk(mixed, 8) {
		random.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
	}
	return mixed
}

// packet returns one packet.
func (w wire) packet(t testing.TB, fromOpener bool, tcp *layers.TCP, data []byte) []byte {
	t.Helper()
	src, dst := net.IP{192, 0, 2, 1}, net.IP{192, 0, 2, 2}
	if w.v6 {
		src, dst = net.ParseIP("2001:db8::1"), net.ParseIP("2001:db8::2")
	}
	if !fromOpener {
		src, dst = dst, src
	}
	var ip interface {
		gopacket.NetworkLayer
		gopacket.SerializableLayer
	} = &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: src.To4(), DstIP: dst.To4()}
	ether, family := layers.EthernetTypeIPv4, uint32(2)
	if w.v6 {
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: src, DstIP: dst}
		ether, family = layers.EthernetTypeIPv6, 30
	}
	ztest.Must(t, tcp.SetNetworkLayerForChecksum(ip))
	var head []byte
	switch w.link {
	case layers.LinkTypeNull:
		head = []byte{byte(family), 0, 0, 0}
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6:
	case layers.LinkTypeLinuxSLL:
		head = append(make([]byte, 14), byte(ether>>8), byte(ether))
		head[3], head[5] = 1, 6
	case layers.LinkTypeLinuxSLL2:
		head = append([]byte{byte(ether >> 8), byte(ether)}, make([]byte, 18)...)
		head[9], head[11] = 1, 6
	default:
		head = append(make([]byte, 12), byte(ether>>8), byte(ether))
	}
	buf := gopacket.NewSerializeBuffer()
	ztest.Must(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, tcp, gopacket.Payload(data)))
	return append(head, buf.Bytes()...)
}

// capture returns a capture of these packets, each 10 µs after the one before.
func (w wire) capture(t testing.TB, packets [][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var write func(gopacket.CaptureInfo, []byte) error
	flush := func() error { return nil }
	if w.ng {
		ng, err := pcapgo.NewNgWriter(&out, w.link)
		ztest.Must(t, err)
		write, flush = ng.WritePacket, ng.Flush
	} else {
		pcap := pcapgo.NewWriter(&out)
		ztest.Must(t, pcap.WriteFileHeader(1<<18, w.link))
		write = pcap.WritePacket
	}
	for i, p := range packets {
		info := gopacket.CaptureInfo{Timestamp: begun.Add(time.Duration(i) * 10 * time.Microsecond), Length: len(p)}
		if w.snaplen > 0 {
			p = p[:min(len(p), w.snaplen)]
		}
		info.CaptureLength = len(p)
		ztest.Must(t, write(info, p))
	}
	ztest.Must(t, flush())
	return out.Bytes()
}

// of returns the capture of one connection.
func (w wire) of(t testing.TB, chunks []chunk) []byte { return w.capture(t, w.packets(t, chunks)) }

// decode decodes a capture, and returns a line for each event.
func decode(t testing.TB, capture []byte, keys *KeyLog) (lines []string, sum Summary, err error) {
	t.Helper()
	sum, err = Decode(bytes.NewReader(capture), Config{Keys: keys, Bytes: 32, Emit: func(e *Event) error {
		lines = append(lines, describe(e))
		return nil
	}})
	return lines, sum, err
}

// describe describes an event, without times and keys.
func describe(e *Event) string {
	by := map[bool]string{true: ">", false: "<"}[e.FromOpener]
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s %s", e.Connection, by, e.Kind)
	for _, text := range []string{e.Name, e.Version, e.Mechanism, e.Login, e.Reason, e.Metadata.Get("Socket-Type")} {
		if text != "" {
			b.WriteString(" " + text)
		}
	}
	if e.Kind == Message || e.Topic {
		fmt.Fprintf(&b, " %q", e.Data)
		if e.Size > len(e.Data) {
			fmt.Fprintf(&b, " of %d", e.Size)
		}
	}
	if e.More {
		b.WriteString(" more")
	}
	if e.Note != "" {
		b.WriteString(": " + e.Note)
	}
	return b.String()
}

// want compares lines.
func want(t *testing.T, got []string, lines ...string) {
	t.Helper()
	if !slices.Equal(got, lines) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}
