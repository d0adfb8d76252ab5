package capture

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/reassembly"
)

// tuple identifies the TCP connection of a packet.
type tuple struct{ from, to netip.AddrPort }

// segment passes a TCP segment to the connection that it belongs to.
func (d *decoder) segment(at tuple, tcp *layers.TCP, info gopacket.CaptureInfo) {
	if len(tcp.Payload) == 0 && !tcp.SYN && !tcp.FIN && !tcp.RST {
		return // acknowledges only
	}
	c, fromOpener := d.find(at)
	if c != nil && tcp.SYN {
		// A new connection with the same ports.
		if s := c.side(fromOpener); s.synced && s.first != tcp.Seq {
			c.replaced = true
			d.forget(c)
			c = nil
		}
	}
	if c == nil {
		if tcp.RST {
			return
		}
		if d.open >= maxOpen {
			d.sum.Ignored++
			return
		}
		d.last++
		c = &conn{decoder: d, id: d.last, opener: at.from, acceptor: at.to}
		if tcp.SYN && tcp.ACK {
			c.opener, c.acceptor = at.to, at.from
		}
		c.sides[0].conn, c.sides[1].conn = c, c
		fromOpener = c.opener == at.from
		c.openerFirst = fromOpener
		d.conns[tuple{c.opener, c.acceptor}] = c
	}
	s := c.side(fromOpener)
	if tcp.SYN {
		s.synced, s.first, s.next = true, tcp.Seq, tcp.Seq+1
	}
	d.starting = c
	d.assembler.AssembleWithContext(c.flow(fromOpener), tcp, &packetContext{info})
	if tcp.RST && !c.isZMTP {
		d.forget(c)
	}
}

// find returns the connection of a packet, or nil.
func (d *decoder) find(at tuple) (c *conn, fromOpener bool) {
	if c := d.conns[at]; c != nil {
		return c, true
	}
	return d.conns[tuple{at.to, at.from}], false
}

// forget ends a connection, so that further packets begin another.
func (d *decoder) forget(c *conn) {
	c.end()
	if at := (tuple{c.opener, c.acceptor}); d.conns[at] == c {
		delete(d.conns, at)
	}
}

// New implements reassembly.StreamFactory.
func (d *decoder) New(_, _ gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	d.open++
	return d.starting
}

// packetContext is the assembler's context of a packet.
type packetContext struct{ info gopacket.CaptureInfo }

func (c *packetContext) GetCaptureInfo() gopacket.CaptureInfo { return c.info }

// flow returns what the assembler takes for the addresses of the connection. It has the
// connection's number, so that connections that follow each other with the same addresses
// and ports are different ones.
func (c *conn) flow(fromOpener bool) gopacket.Flow {
	var opener, acceptor [9]byte
	binary.BigEndian.PutUint64(opener[:], c.id)
	binary.BigEndian.PutUint64(acceptor[:], c.id)
	acceptor[8] = 1
	if fromOpener {
		return gopacket.NewFlow(layers.EndpointIPv6, opener[:], acceptor[:])
	}
	return gopacket.NewFlow(layers.EndpointIPv6, acceptor[:], opener[:])
}

// Accept implements reassembly.Stream. Without a SYN, a direction starts with the first bytes
// that the capture has.
func (c *conn) Accept(tcp *layers.TCP, _ gopacket.CaptureInfo, dir reassembly.TCPFlowDirection, next reassembly.Sequence, start *bool, _ reassembly.AssemblerContext) bool {
	s := c.sideOf(dir)
	if next < 0 && !tcp.SYN && len(tcp.Payload) > 0 {
		*start, s.next = true, tcp.Seq
	}
	if tcp.FIN {
		s.finished, s.last = true, tcp.Seq+uint32(len(tcp.Payload))
	}
	c.reset = c.reset || tcp.RST && next == reassembly.Sequence(tcp.Seq) // others are ignored
	return !c.ended
}

// ReassembledSG implements reassembly.Stream.
func (c *conn) ReassembledSG(sg reassembly.ScatterGather, packet reassembly.AssemblerContext) {
	if c.ended {
		return // segments that waited for an earlier one when the connection was reset
	}
	dir, _, end, skip := sg.Info()
	s := c.sideOf(dir)
	c.at = later(c.at, packet.GetCaptureInfo().Timestamp)
	if skip > 0 {
		s.next += uint32(skip)
		s.gap(uint64(skip))
	}
	if n, _ := sg.Lengths(); n > 0 {
		s.next += uint32(n)
		s.take(sg.Fetch(n))
	}
	if end {
		s.closed = true
	}
	if end && c.reset {
		c.decoder.forget(c)
	}
}

// sideOf returns the side that sends in a direction of the assembler. The first is that of the
// connection's first packet.
func (c *conn) sideOf(dir reassembly.TCPFlowDirection) *side {
	return c.side((dir == reassembly.TCPDirClientToServer) == c.openerFirst)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// ReassemblyComplete implements reassembly.Stream.
func (c *conn) ReassemblyComplete(reassembly.AssemblerContext) bool {
	c.decoder.open--
	c.decoder.forget(c)
	return true
}
