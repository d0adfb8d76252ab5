package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// errNoCapture means that a file is neither pcap nor pcapng.
var errNoCapture = errors.New("capture: not a capture: expected pcap or pcapng, as tcpdump and Wireshark write it")

// maxInterfaces is how many interfaces a pcapng file may name. The library keeps them, and a
// few more that arrive in one read.
const maxInterfaces = 1024

// errInterfaces means that a pcapng file names too many interfaces.
var errInterfaces = fmt.Errorf("more than %d interfaces", maxInterfaces)

// bounded reads a pcapng file, and fails when it names too many interfaces.
type bounded struct {
	from io.Reader
	ng   *pcapgo.NgReader // nil before the first section
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.ng != nil && b.ng.NInterfaces() > maxInterfaces {
		return 0, errInterfaces
	}
	return b.from.Read(p)
}

// readSize is how much of a capture is read at a time.
const readSize = 64 << 10

// source reads the packets of a capture.
type source struct {
	read func() ([]byte, gopacket.CaptureInfo, error)
	link layers.LinkType // of all packets, unless they have their own
}

// pcapng is the type of the first block of a pcapng file; it reads the same in both byte orders.
const pcapng = 0x0A0D0D0A

func newSource(r io.Reader) (*source, error) {
	file := &bounded{from: r}
	in := bufio.NewReaderSize(file, readSize)
	magic, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(magic) < 4 {
		return nil, errNoCapture
	}
	if binary.BigEndian.Uint32(magic) == pcapng {
		ng, err := pcapgo.NewNgReader(in, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
		if err != nil {
			return nil, errNoCapture
		}
		file.ng = ng
		return &source{read: ng.ReadPacketData}, nil
	}
	pcap, err := pcapgo.NewReader(in)
	if err != nil {
		return nil, errNoCapture
	}
	return &source{read: pcap.ReadPacketData, link: pcap.LinkType()}, nil
}

// next returns the next packet, and the decoder of its outer layer.
func (s *source) next() ([]byte, gopacket.CaptureInfo, gopacket.Decoder, error) {
	data, info, err := s.read()
	if err != nil {
		return nil, info, nil, err
	}
	link := s.link
	if len(info.AncillaryData) > 0 {
		if own, ok := info.AncillaryData[0].(layers.LinkType); ok {
			link = own
		}
	}
	switch link {
	case layers.LinkTypeIPv4:
		return data, info, layers.LayerTypeIPv4, nil
	case layers.LinkTypeIPv6:
		return data, info, layers.LayerTypeIPv6, nil
	case layers.LinkTypeEthernet, layers.LinkTypeNull, layers.LinkTypeLoop, layers.LinkTypeRaw, layers.LinkTypePPP,
		layers.LinkTypeLinuxSLL, layers.LinkTypeLinuxSLL2, layers.LinkTypeIEEE802_11, layers.LinkTypeIEEE80211Radio:
		return data, info, link, nil
	}
	return nil, info, nil, fmt.Errorf("link type %d is not supported: expected Ethernet, loopback, raw IP or Linux cooked", link)
}
