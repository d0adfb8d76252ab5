package zap_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// TestMetadataWire: the wire form is as in RFC 23.
func TestMetadataWire(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		metadata zap.Metadata
		wire     string
	}{
		{"none", nil, ""},
		{"one", zap.Metadata{{Name: "Socket-Type", Value: "REQ"}}, "\x0bSocket-Type\x00\x00\x00\x03REQ"},
		{"empty value", zap.Metadata{{Name: "Identity"}}, "\x08Identity\x00\x00\x00\x00"},
		{"two", zap.Metadata{{Name: "a", Value: "\x00\xff"}, {Name: "B+1._-", Value: "\n"}},
			"\x01a\x00\x00\x00\x02\x00\xff\x06B+1._-\x00\x00\x00\x01\n"},
		{"longest name", zap.Metadata{{Name: strings.Repeat("n", 255)}}, "\xff" + strings.Repeat("n", 255) + "\x00\x00\x00\x00"},
		{"longer value than one byte can count", zap.Metadata{{Name: "X", Value: strings.Repeat("v", 0x10203)}},
			"\x01X\x00\x01\x02\x03" + strings.Repeat("v", 0x10203)},
	} {
		got, err := tt.metadata.Append([]byte("before"))
		if err != nil || string(got) != "before"+tt.wire {
			t.Errorf("%s: got %q, %v", tt.name, got, err)
		}
		back, err := zap.ParseMetadata([]byte(tt.wire))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.metadata, back, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestMetadataGet(t *testing.T) {
	t.Parallel()
	m := zap.Metadata{{Name: "User-Id", Value: "alice"}, {Name: "Empty"}}
	for _, name := range []string{"User-Id", "user-id", "USER-ID"} {
		if value := m.Get(name); value != "alice" {
			t.Errorf("%s: got %q", name, value)
		}
	}
	for _, name := range []string{"empty", "User"} {
		if value := m.Get(name); value != "" {
			t.Errorf("%s: got %q", name, value)
		}
	}
}

func TestParseMetadataMalformed(t *testing.T) {
	t.Parallel()
	const good = "\x01a\x00\x00\x00\x01v"
	for _, tt := range []struct{ name, data string }{
		{"name length only", "\x01"},
		{"cut off in the name", "\x05name"},
		{"no value length", "\x01a"},
		{"cut off in the value length", "\x01a\x00\x00\x00"},
		{"cut off in the value", "\x01a\x00\x00\x00\x02v"},
		{"value of 2^31-1 bytes", "\x01a\x7f\xff\xff\xffv"},
		{"value of 2^31 bytes", "\x01a\x80\x00\x00\x00v"},
		{"value of 2^32-1 bytes", "\x01a\xff\xff\xff\xffv"},
		{"empty name", "\x00\x00\x00\x00\x01v"},
		{"one byte left over", good + "\x00"},
		{"second one cut off", good + "\x01b\x00\x00\x00\x01"},
		{"name twice", good + good},
		{"name twice in another case", good + "\x01A\x00\x00\x00\x00"},
		{"space in the name", "\x03a b\x00\x00\x00\x00"},
		{"NUL in the name", "\x01\x00\x00\x00\x00\x00"},
		{"control character in the name", "\x01\n\x00\x00\x00\x00"},
		{"colon in the name", "\x01:\x00\x00\x00\x00"},
		{"name beyond ASCII", "\x02\xc3\xa9\x00\x00\x00\x00"},
	} {
		if m, err := zap.ParseMetadata([]byte(tt.data)); !errors.Is(err, zap.ErrMetadata) || m != nil {
			t.Errorf("%s: got %v, %v", tt.name, m, err)
		}
	}
	// Cut anywhere except after a value, it does not parse.
	whole := good + "\x08Identity\x00\x00\x00\x05abcde"
	for n := range len(whole) {
		_, err := zap.ParseMetadata([]byte(whole[:n]))
		if atEnd := n == 0 || n == len(good); errors.Is(err, zap.ErrMetadata) == atEnd {
			t.Errorf("%q: got %v", whole[:n], err)
		}
	}
}

func TestAppendMetadataMalformed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		metadata zap.Metadata
	}{
		{"empty name", zap.Metadata{{}}},
		{"name of 256 bytes", zap.Metadata{{Name: strings.Repeat("n", 256)}}},
		{"space in the name", zap.Metadata{{Name: "a b"}}},
		{"name beyond ASCII", zap.Metadata{{Name: "é"}}},
		{"second one", zap.Metadata{{Name: "a"}, {Name: "="}}},
		{"name twice", zap.Metadata{{Name: "a"}, {Name: "b"}, {Name: "A"}}},
	} {
		got, err := tt.metadata.Append([]byte("before"))
		if !errors.Is(err, zap.ErrMetadata) || string(got) != "before" {
			t.Errorf("%s: got %q, %v", tt.name, got, err)
		}
	}
}

// TestNameCharacters: a name can contain the characters of RFC 23 and no others.
func TestNameCharacters(t *testing.T) {
	t.Parallel()
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+"
	for c := range 256 {
		name := string([]byte{byte(c)})
		_, err := zap.Metadata{{Name: name}}.Append(nil)
		if ok := strings.Contains(allowed, name); errors.Is(err, zap.ErrMetadata) == ok {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

// manyProperties returns n properties in wire form, of 10 bytes each.
func manyProperties(n int) []byte {
	var data []byte
	for i := range n {
		data = append(data, 5)
		data = fmt.Appendf(data, "%05x", i)
		data = binary.BigEndian.AppendUint32(data, 0)
	}
	return data
}

// TestManyProperties: a list has MaxProperties names at most, so a peer cannot take more
// time and memory by sending more.
func TestManyProperties(t *testing.T) {
	t.Parallel()
	most := manyProperties(zap.MaxProperties)
	m, err := zap.ParseMetadata(most)
	if err != nil || len(m) != zap.MaxProperties {
		t.Fatalf("got %d properties, %v", len(m), err)
	}
	if again, err := m.Append(nil); err != nil || !bytes.Equal(again, most) {
		t.Errorf("written again it is %d bytes, %v", len(again), err)
	}
	m = append(m, zap.Metadata{{Name: "one-more"}}...)
	if _, err := m.Append(nil); !errors.Is(err, zap.ErrMetadata) {
		t.Errorf("one more than the limit was written: %v", err)
	}
	for _, n := range []int{zap.MaxProperties + 1, 1638} {
		if m, err := zap.ParseMetadata(manyProperties(n)); !errors.Is(err, zap.ErrMetadata) || m != nil {
			t.Errorf("%d were read: %v", n, err)
		}
	}
}

// TestManyPropertiesAllocate: names beyond the bound are not parsed.
func TestManyPropertiesAllocate(t *testing.T) {
	ztest.Unraced(t)
	count := func(n int) float64 {
		data := manyProperties(n)
		return testing.AllocsPerRun(100, func() { zap.ParseMetadata(data) })
	}
	if most, got := count(zap.MaxProperties), count(1638); got > most+10 {
		t.Errorf("%v allocations to refuse as many as fit in a handshake command of zmtp, %v to read as many as are allowed", got, most)
	}
}

// BenchmarkParseMetadata parses the metadata of a REQ socket, and as many names as
// possible.
func BenchmarkParseMetadata(b *testing.B) {
	usual, err := zap.Metadata{{Name: "Socket-Type", Value: "REQ"}, {Name: "Identity"}}.Append(nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data []byte
	}{{"usual", usual}, {"most", manyProperties(zap.MaxProperties)}} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := zap.ParseMetadata(tt.data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
