package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// frameOf returns a frame.
func frameOf(flags byte, body []byte) []byte {
	if len(body) <= 255 {
		return append([]byte{flags, byte(len(body))}, body...)
	}
	return append(binary.BigEndian.AppendUint64([]byte{flags | flagLong}, uint64(len(body))), body...)
}

// greetingOf returns a greeting of ZMTP 3.
func greetingOf(minor byte, mechanism string) []byte {
	g := make([]byte, greetingSize)
	g[0], g[9], g[10], g[11] = 0xFF, 0x7F, 3, minor
	copy(g[12:], mechanism)
	return g
}

// readyOf returns READY of NULL.
func readyOf(t testing.TB, socketType string) []byte {
	t.Helper()
	body, err := zap.Metadata{{Name: "Socket-Type", Value: socketType}}.Append([]byte("\x05READY"))
	ztest.Must(t, err)
	return frameOf(flagCommand, body)
}

// null returns the beginning of a connection of NULL.
func null(t testing.TB, opener, acceptor string) []chunk {
	t.Helper()
	return []chunk{
		{true, greetingOf(1, "NULL")}, {false, greetingOf(1, "NULL")},
		{true, readyOf(t, opener)}, {false, readyOf(t, acceptor)},
	}
}

// begun are the lines of null.
func nullLines(opener, acceptor string) []string {
	return []string{"1 > greeting 3.1 NULL", "1 < greeting 3.1 NULL", "1 > command READY " + opener, "1 < command READY " + acceptor}
}

// TestFaults: what a connection lacks or breaks is reported, and the rest is shown.
func TestFaults(t *testing.T) {
	t.Parallel()
	closed := "1 > end: closed"
	for name, tt := range map[string]struct {
		more []chunk // after READY
		want []string
	}{
		"all commands": {[]chunk{
			{true, frameOf(flagCommand, []byte("\x04PING\x00\x05ctx"))},
			{false, frameOf(flagCommand, []byte("\x04PONGctx"))},
			{true, frameOf(flagCommand, []byte("\x09SUBSCRIBEa"))},
			{true, frameOf(flagCommand, []byte("\x06CANCELa"))},
			{true, frameOf(flagCommand, []byte("\x05ERROR\x03400"))},
			{true, frameOf(0, []byte("\x01b"))},
			{true, frameOf(0, []byte("\x00b"))},
			{true, frameOf(flagMore, []byte("\x00b"))},
			{true, frameOf(0, []byte("\x01b"))},
		}, []string{`1 > command PING "ctx"`, `1 < command PONG "ctx"`, `1 > command SUBSCRIBE "a"`, `1 > command CANCEL "a"`,
			"1 > command ERROR 400", `1 > command SUBSCRIBE "b"`, `1 > command CANCEL "b"`, `1 > message "\x00b" more`, `1 > message "\x01b"`, closed}},
		"malformed commands": {[]chunk{
			{true, frameOf(flagCommand, nil)},
			{true, frameOf(flagCommand, []byte("\x09SECRET"))},
			{true, frameOf(flagCommand, []byte("\x06SECRET"))},
			{true, frameOf(flagCommand, []byte("\x04PING\x00"))},
			{true, frameOf(flagCommand, []byte("\x05ERROR\x04400"))},
			{true, frameOf(flagCommand, []byte("\x05READY\x04"))},
		}, []string{"1 > command: unknown command", "1 > command: unknown command", "1 > command: unknown command",
			"1 > command PING: malformed", "1 > command ERROR: malformed", "1 > command READY: malformed metadata", closed}},
		"reserved flags": {[]chunk{{true, []byte{8, 0}}, {false, frameOf(0, []byte("still"))}},
			[]string{"1 > note: not a frame of ZMTP: its flags are 0x08", `1 < message "still"`, closed}},
		"size": {[]chunk{{true, []byte{flagLong, 0x80, 0, 0, 0, 0, 0, 0, 0}}},
			[]string{"1 > note: not a frame of ZMTP: its size is more than 2^63-1", closed}},
		"cut off in a header": {[]chunk{{true, []byte{flagLong, 0}}}, []string{"1 > note: ends in the header of a frame", closed}},
		"cut off in a body":   {[]chunk{{false, []byte{0, 9, 1}}}, []string{"1 < note: ends in a frame, after 1 of 9 bytes", closed}},
		"cut off in a giant": {[]chunk{{true, []byte{flagLong, 0x7F, 0, 0, 0, 0, 0, 0, 0, 1}}},
			[]string{"1 > note: ends in a frame, after 1 of 9151314442816847872 bytes", closed}},
		"too large": {[]chunk{{true, frameOf(0, make([]byte, maxFrame+1))}, {true, frameOf(0, []byte("next"))}},
			[]string{`1 > message "" of 16777217: too large to decode`, `1 > message "next"`, closed}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, _, err := decode(t, wire{mss: 32 << 10}.of(t, append(null(t, "SUB", "PUB"), tt.more...)), nil)
			ztest.Must(t, err)
			want(t, lines, append(nullLines("SUB", "PUB"), tt.want...)...)
		})
	}
}

// TestGreetings: greetings of other protocols and versions.
func TestGreetings(t *testing.T) {
	t.Parallel()
	zmtp2 := append([]byte("\xFF\x00\x00\x00\x00\x00\x00\x00\x01\x7F"), 1, 5, 0, 0)
	for name, tt := range map[string]struct {
		chunks []chunk
		want   []string
		sum    Summary
	}{
		"HTTP": {[]chunk{{true, []byte("GET / HTTP/1.1\r\n")}, {false, []byte("HTTP/1.1 200 OK\r\n")}}, nil, Summary{Other: 1}},
		"HTTP server": {[]chunk{{true, greetingOf(1, "NULL")[:11]}, {false, []byte("HTTP/1.1 400 Bad Request\r\n")}},
			[]string{`1 < note: does not speak ZMTP: it begins with "HTTP/1.1 4"`, "1 > note: ends in its greeting, after 11 of 64 bytes", "1 > end: closed"}, Summary{Connections: 1}},
		"TLS client": {[]chunk{{true, []byte("\x16\x03\x01")}, {false, greetingOf(1, "NULL")}},
			[]string{`1 > note: does not speak ZMTP: it begins with "\x16\x03\x01"`, "1 < greeting 3.1 NULL", "1 > end: closed"}, Summary{Connections: 1}},
		"ZMTP 2": {[]chunk{{true, greetingOf(1, "CURVE")}, {false, zmtp2}},
			[]string{"1 > greeting 3.1 CURVE", "1 < note: an old version of ZMTP, number 1: only 3 and later can be decoded", "1 > end: closed"}, Summary{Connections: 1}},
		"not quite a signature": {[]chunk{{true, make([]byte, 64)}, {false, []byte("\xFF\x00\x00\x00\x00\x00\x00\x00\x00\x00")}}, nil, Summary{Other: 1}},
		"one byte":              {[]chunk{{true, []byte{0xFF}}}, nil, Summary{Other: 1}},
		"nothing":               {nil, nil, Summary{}},
		"another mechanism": {[]chunk{{true, greetingOf(0, "GSSAPI")}, {true, frameOf(flagCommand, []byte("\x08INITIATEtoken"))}, {true, frameOf(0, []byte("x"))}},
			[]string{"1 > greeting 3.0 GSSAPI", "1 > command: cannot be decoded: another mechanism than NULL, PLAIN and CURVE",
				`1 > message "" of 1: cannot be decoded: another mechanism than NULL, PLAIN and CURVE`, "1 > end: closed"}, Summary{Connections: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, sum, err := decode(t, wire{}.of(t, tt.chunks), nil)
			ztest.Must(t, err)
			want(t, lines, tt.want...)
			if sum.Packets = 0; sum != tt.sum {
				t.Errorf("got %+v, want %+v", sum, tt.sum)
			}
		})
	}
}

// TestPlain: neither HELLO nor what is in its place shows a password.
func TestPlain(t *testing.T) {
	t.Parallel()
	lines, _, err := decode(t, wire{}.of(t, []chunk{
		{true, greetingOf(0, "PLAIN")}, {false, greetingOf(0, "PLAIN")},
		{true, frameOf(flagCommand, []byte("\x05HELLO\x05alice\x06secret"))},
		{true, frameOf(0, []byte("\x05HELLO\x05alice\x06secret"))},
		{true, frameOf(flagCommand, []byte("\x05HELLO\x05alic"))},
		{true, frameOf(flagCommand, []byte("\x06secret"))},
		{true, frameOf(flagCommand, []byte("\x06secret\x06secret"))},
		{false, frameOf(flagCommand, []byte("^RROR\x03400"))},
	}), nil)
	ztest.Must(t, err)
	want(t, lines, "1 > greeting 3.0 PLAIN", "1 < greeting 3.0 PLAIN", "1 > command HELLO alice", "1 > command HELLO alice", "1 > command HELLO: malformed",
		"1 > command: unknown command", "1 > command: unknown command", "1 < command ERROR 400", "1 > end: closed")
}

// TestKeys: what a connection of CURVE shows with a wrong or an incomplete key log, and if
// someone has changed it.
func TestKeys(t *testing.T) {
	t.Parallel()
	chunks, keys := ours(t, curveMechanism(), true)
	change := func(edit func(k *logged)) *KeyLog {
		changed := &KeyLog{conns: map[curve.PublicKey]*logged{}}
		for client, k := range keys.conns {
			first, second := *k.first, *k.second
			c := &logged{k.server, &first, &second}
			edit(c)
			changed.conns[client] = c
		}
		return changed
	}
	// last is the opener's last chunk with a message of 32 bytes or more.
	at := -1
	for i, c := range chunks {
		if c.fromOpener && bytes.Contains(c.data, []byte("\x07MESSAGE")) && at < 0 {
			at = i
		}
	}
	if at < 0 {
		t.Fatal("no message")
	}
	edited := func(edit func(c *chunk)) []chunk {
		all := slices.Clone(chunks)
		all[at].data = bytes.Clone(all[at].data)
		edit(&all[at])
		return all
	}
	for name, tt := range map[string]struct {
		chunks []chunk
		keys   *KeyLog
		want   string // a line that must be there
		none   string // a part that no line may have
	}{
		"no key log":   {chunks, nil, "1 < note: " + noKeyLog, "hello"},
		"no line":      {chunks, &KeyLog{}, "1 < note: " + noLine, "hello"},
		"first key":    {chunks, change(func(k *logged) { k.first[0]++ }), "1 < command WELCOME: " + notOpened, "\x00\x00"},
		"other S'":     {chunks, change(func(k *logged) { k.server[0]++ }), "1 < command WELCOME: " + otherKey, "\x00\x00"},
		"second key":   {chunks, change(func(k *logged) { k.second[0]++ }), "1 > command INITIATE: " + notOpened, "hello"},
		"changed text": {edited(func(c *chunk) { c.data[len(c.data)-1]++ }), keys, `1 > message MESSAGE "" of 38: ` + notOpened, `> message "hello"`},
		"repeated":     {edited(func(c *chunk) { c.data = append(c.data, c.data...) }), keys, `1 > message "hello": its counter is 3, after 3: repeated or out of order`, "\x00\x00"},
		"no HELLO":     {slices.DeleteFunc(slices.Clone(chunks), func(c chunk) bool { return bytes.Contains(c.data, []byte("\x05HELLO")) }), keys, "1 < note: " + noHello, "hello"},
		"unencrypted": {edited(func(c *chunk) { c.data = append(c.data, frameOf(0, []byte("hi"))...) }), keys,
			`1 > message "" of 2: not encrypted, in a connection that is`, "\x00\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, _, err := decode(t, wire{}.of(t, tt.chunks), tt.keys)
			ztest.Must(t, err)
			if !slices.Contains(lines, tt.want) {
				t.Errorf("%q is not in\n%s", tt.want, strings.Join(lines, "\n"))
			}
			for _, line := range lines {
				if strings.Contains(line, tt.none) {
					t.Errorf("shows %s", line)
				}
			}
		})
	}
}

// TestLoss: packets that the capture lacks, or of which it has a part.
func TestLoss(t *testing.T) {
	t.Parallel()
	chunks := append(null(t, "PUSH", "PULL"), chunk{true, frameOf(0, bytes.Repeat([]byte("x"), 3000))}, chunk{true, frameOf(0, []byte("next"))})
	begin := nullLines("PUSH", "PULL")
	packets := wire{}.packets(t, chunks)
	longer := wire{}.packets(t, append(chunks[:len(chunks):len(chunks)], chunk{true, frameOf(0, []byte("last"))}))
	// SYN, SYN, ACK, and then for each chunk its segments and an ACK. Those of the large
	// frame are 11, 12 and 13.
	without := func(indices ...int) [][]byte {
		var some [][]byte
		for i, p := range packets {
			if !slices.Contains(indices, i) {
				some = append(some, p)
			}
		}
		return some
	}
	for name, tt := range map[string]struct {
		wire    wire
		packets [][]byte
		want    []string
	}{
		"a body's part": {wire{}, without(12), append(begin[:4:4], `1 > message "" of 3000: 1448 bytes are missing from the capture`, `1 > message "next"`, "1 > end: closed")},
		"a body's end":  {wire{}, without(13), append(begin[:4:4], `1 > message "" of 3000: 113 bytes are missing from the capture`, `1 > message "next"`, "1 > end: closed")},
		"a header": {wire{}, without(11), append(begin[:4:4],
			"1 > note: 1448 bytes are missing from the capture: what follows in this direction cannot be decoded", "1 > end: closed")},
		"the last frame": {wire{}, without(15), append(begin[:4:4], `1 > message "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" of 3000`,
			"1 > note: 6 bytes are missing from the capture, at the end", "1 > end: closed")},
		"a body's end and a frame": {wire{}, slices.Delete(slices.Delete(slices.Clone(longer), 15, 16), 13, 14), append(begin[:4:4],
			"1 > note: 119 bytes are missing from the capture: what follows in this direction cannot be decoded", "1 > end: closed")},
		"READY": {wire{}, without(7), []string{begin[0], begin[1], begin[3],
			"1 > note: 28 bytes are missing from the capture: what follows in this direction cannot be decoded", "1 > end: closed"}},
		"a greeting": {wire{}, without(3), []string{begin[1], begin[3],
			"1 > note: 64 bytes are missing from the capture: what follows in this direction cannot be decoded", "1 > end: closed"}},
		"the end":       {wire{}, packets[:15], append(begin[:4:4], `1 > message "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" of 3000`, "1 > end: the capture ends")},
		"the beginning": {wire{}, packets[7:], nil},
		"the opener's beginning": {wire{}, append([][]byte{packets[5]}, packets[7:]...), // so the acceptor sends first
			[]string{begin[0], "1 < note: begins before the capture: it cannot be decoded", "1 > command READY PULL", "1 > end: closed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, sum, err := decode(t, tt.wire.capture(t, tt.packets), nil)
			ztest.Must(t, err)
			want(t, lines, tt.want...)
			if tt.want == nil && sum.Middle != 1 {
				t.Errorf("%+v", sum)
			}
		})
	}
	t.Run("snaplen", func(t *testing.T) {
		t.Parallel()
		w := wire{link: layers.LinkTypeEthernet, snaplen: 14 + 20 + 20 + 70}
		lines, sum, err := decode(t, w.of(t, chunks), nil)
		ztest.Must(t, err)
		want(t, lines, append(begin[:4:4], `1 > message "" of 3000: 2799 bytes are missing from the capture`, `1 > message "next"`, "1 > end: closed")...)
		if sum.Truncated != 3 {
			t.Errorf("%+v", sum)
		}
	})
}

// TestPorts: several connections, one after another with the same ports, and at the same time.
func TestPorts(t *testing.T) {
	t.Parallel()
	one := append(null(t, "PUSH", "PULL"), chunk{true, frameOf(0, []byte("hi"))})
	w := wire{noEnd: true}
	first, second := w.packets(t, one), wire{port: 1}.packets(t, one)
	reset := w.packet(t, false, &layers.TCP{SrcPort: 5555, DstPort: 50000, Seq: 7001 + 64 + 28, RST: true}, nil)
	w.isn = 1000
	lines, sum, err := decode(t, w.capture(t, slices.Concat(first, second[:6], [][]byte{reset}, first, second[6:], w.packets(t, one))), nil)
	ztest.Must(t, err)
	for n := 1; n <= 4; n++ {
		if !slices.Contains(lines, fmt.Sprintf(`%d > message "hi"`, n)) {
			t.Errorf("connection %d has no message", n)
		}
	}
	for _, end := range []string{"1 > end: reset", "2 > end: closed", "3 > end: its ports serve another connection", "4 > end: the capture ends"} {
		if !slices.Contains(lines, end) {
			t.Errorf("not %s", end)
		}
	}
	if sum.Connections != 4 {
		t.Errorf("%+v, %s", sum, strings.Join(lines, "\n"))
	}
}

// TestNoCaptures: files that are no captures, or not whole.
func TestNoCaptures(t *testing.T) {
	t.Parallel()
	whole := wire{}.of(t, null(t, "PUSH", "PULL"))
	ng := wire{link: layers.LinkTypeEthernet, ng: true}.of(t, null(t, "PUSH", "PULL"))
	for name, tt := range map[string]struct {
		capture []byte
		want    string
	}{
		"empty":        {nil, "capture: not a capture: expected pcap or pcapng, as tcpdump and Wireshark write it"},
		"text":         {[]byte("this is a text, and not a capture of a network"), "capture: not a capture: expected"},
		"short":        {whole[:20], "capture: not a capture: expected"},
		"header":       {whole[:len(whole)-1], "capture: cut off in packet "},
		"packet":       {whole[:30], "capture: cut off in packet 1"},
		"pcapng":       {ng[:len(ng)-5], "capture: cut off in packet "},
		"section":      {ng[:20], "capture: not a capture: expected"},
		"link type":    {append(slices.Clone(whole[:20]), append([]byte{147, 0, 0, 0}, whole[24:]...)...), "capture: packet 1: link type 147 is not supported"},
		"record size":  {append(slices.Clone(whole[:32]), append([]byte{0xFF, 0xFF, 0xFF, 0x7F}, whole[36:]...)...), "capture: packet 1: "},
		"section only": {ng[:binary.LittleEndian.Uint32(ng[4:])], ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := decode(t, tt.capture, nil)
			if got := fmt.Sprint(err); err != nil && (!strings.HasPrefix(got, tt.want) || tt.want == "") || err == nil && tt.want != "" {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	for _, text := range []string{
		"CURVEZMQ ", "CURVEZMQ x x x x", "CURVEZMQ" + strings.Repeat(" "+strings.Repeat("0", 64), 3), "\n\nCURVEZMQ" + strings.Repeat(" "+strings.Repeat("0", 64), 5),
		"CURVEZMQ" + strings.Repeat(" "+strings.Repeat("g", 64), 4), "CURVEZMQ " + strings.Repeat(" "+strings.Repeat("0", 64), 4),
	} {
		if _, err := ParseKeyLog([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), "capture: line ") || strings.Contains(err.Error(), "000") {
			t.Errorf("%q: %v", text, err)
		}
	}
	good := "# comment\nCLIENT_RANDOM 00 00\nCURVEZMQ" + strings.Repeat(" "+strings.Repeat("aB", 32), 4) + "\r\nCURVEZMQ2\n"
	if k, err := ParseKeyLog([]byte(good)); err != nil || k.Len() != 1 {
		t.Errorf("%v, %v", k, err)
	}
}
