package curve

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestZ85Vector is the test case of RFC 32.
func TestZ85Vector(t *testing.T) {
	t.Parallel()
	raw := []byte{0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B}
	text, err := AppendZ85([]byte("before "), raw)
	if string(text) != "before HelloWorld" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	got, err := AppendZ85Decoded([]byte{1, 2}, "HelloWorld")
	if !bytes.Equal(got, append([]byte{1, 2}, raw...)) || err != nil {
		t.Errorf("got %x, %v", got, err)
	}
}

func TestZ85Extremes(t *testing.T) {
	t.Parallel()
	for raw, text := range map[string]string{
		"":                                 "",
		"\x00\x00\x00\x00":                 "00000",
		"\x00\x00\x00\x01":                 "00001",
		"\x00\x00\x00\x54":                 "0000#",
		"\x00\x00\x00\x55":                 "00010",
		"\xff\xff\xff\xff":                 "%nSc0",
		"\xff\xff\xff\xff\x00\x00\x00\x00": "%nSc000000",
	} {
		got, err := AppendZ85(nil, []byte(raw))
		if string(got) != text || err != nil {
			t.Errorf("%x: got %q, %v, want %q", raw, got, err, text)
		}
		back, err := AppendZ85Decoded(nil, []byte(text))
		if string(back) != raw || err != nil {
			t.Errorf("%q: got %x, %v, want %x", text, back, err, raw)
		}
	}
}

func TestZ85RoundTrip(t *testing.T) {
	t.Parallel()
	for n := 0; n <= 256; n += 4 {
		raw := randomOctets(n)
		text, err := AppendZ85(nil, raw)
		if err != nil || len(text) != n/4*5 {
			t.Fatalf("%x: got %q, %v", raw, text, err)
		}
		got, err := AppendZ85Decoded(nil, text)
		if !bytes.Equal(got, raw) || err != nil {
			t.Fatalf("%q: got %x, %v, want %x", text, got, err, raw)
		}
	}
}

func TestZ85Errors(t *testing.T) {
	t.Parallel()
	for n := range 20 {
		if n%4 == 0 {
			continue
		}
		out, err := AppendZ85([]byte("before"), make([]byte, n))
		wantZ85Error(t, err, ErrZ85Length, n)
		if string(out) != "before" {
			t.Errorf("%d octets: got %q", n, out)
		}
	}
	for _, tt := range []struct {
		text   string
		want   error
		offset int
	}{
		{"0", ErrZ85Length, 1},
		{"HelloWorl", ErrZ85Length, 9},
		{"HelloWorld!", ErrZ85Length, 11},
		{"Hello orld", ErrZ85Character, 5},
		{"~ello", ErrZ85Character, 0},
		{"Hell\n", ErrZ85Character, 4},
		{"Hell\x00", ErrZ85Character, 4},
		{"Hel\xc3\xa9", ErrZ85Character, 3},
		{"%nSc1", ErrZ85Overflow, 0}, // 2^32
		{"#####", ErrZ85Overflow, 0},
		{"Hello#####", ErrZ85Overflow, 5},
		{"#####Hell ", ErrZ85Overflow, 0},
	} {
		out, err := AppendZ85Decoded([]byte("before"), tt.text)
		wantZ85Error(t, err, tt.want, tt.offset)
		if string(out) != "before" {
			t.Errorf("%q: got %q", tt.text, out)
		}
		// It may be a secret.
		if err != nil && strings.Contains(err.Error(), tt.text) && len(tt.text) > 1 {
			t.Errorf("error quotes the text: %v", err)
		}
	}
	// Every octet that is no character of Z85 is refused, wherever it stands.
	for b := range 256 {
		for i := range 5 {
			text := []byte("00000")
			text[i] = byte(b)
			_, err := AppendZ85Decoded(nil, text)
			if strings.IndexByte(z85Alphabet, byte(b)) < 0 {
				wantZ85Error(t, err, ErrZ85Character, i)
			} else if errors.Is(err, ErrZ85Character) {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

func wantZ85Error(t *testing.T, err, kind error, offset int) {
	t.Helper()
	var z *Z85Error
	if !errors.As(err, &z) || !errors.Is(err, kind) || z.Offset != offset {
		t.Errorf("got %v, want %v at %d", err, kind, offset)
	}
}

// TestZ85Secret: what is computed for secrets is what the tables say, for every
// character and every value.
func TestZ85Secret(t *testing.T) {
	t.Parallel()
	for v := range uint32(len(z85Alphabet)) {
		if got, want := secretCharacter(v), publicCharacter(v); got != want {
			t.Errorf("%d: got %q, expected %q", v, got, want)
		}
	}
	for c := range 256 {
		if got, want := secretValue(byte(c)), publicValue(byte(c)); got != want {
			t.Errorf("%#x: got %d, expected %d", c, got, want)
		}
	}
}

// TestZ85WipedAlloc: what was decoded of a text that is no Z85 isn't left in memory, and
// neither is a shorter buffer that was outgrown.
func TestZ85WipedAlloc(t *testing.T) { // not in parallel: AllocsPerRun counts everything
	ztest.Unraced(t)
	for _, text := range []string{"HelloWorldHello orld", "HelloWorld#####"} {
		buf := bytes.Repeat([]byte{0xAA}, 40)
		out, err := AppendZ85Decoded(buf[:4], text)
		if err == nil || len(out) != 4 {
			t.Fatalf("got %x, %v", out, err)
		}
		if !isZero(buf[4:12]) {
			t.Errorf("%q: %x is left", text, buf[4:12])
		}
	}
	text := strings.Repeat("Hello", 8)
	if n := testing.AllocsPerRun(10, func() { AppendZ85Decoded(nil, text) }); n != 1 {
		t.Errorf("decoding a key makes %v buffers", n)
	}
	if n := testing.AllocsPerRun(10, func() { AppendZ85(nil, make([]byte, KeySize)) }); n != 1 {
		t.Errorf("encoding a key makes %v buffers", n)
	}
}
