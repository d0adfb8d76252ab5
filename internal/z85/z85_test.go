package z85

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestVector checks the test case of RFC 32.
func TestVector(t *testing.T) {
	t.Parallel()
	raw := []byte{0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B}
	text, err := Append([]byte("before "), raw)
	if string(text) != "before HelloWorld" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	got, err := AppendDecoded([]byte{1, 2}, "HelloWorld")
	if !bytes.Equal(got, append([]byte{1, 2}, raw...)) || err != nil {
		t.Errorf("got %x, %v", got, err)
	}
}

func TestExtremes(t *testing.T) {
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
		got, err := Append(nil, []byte(raw))
		if string(got) != text || err != nil {
			t.Errorf("%x: got %q, %v, want %q", raw, got, err, text)
		}
		back, err := AppendDecoded(nil, []byte(text))
		if string(back) != raw || err != nil {
			t.Errorf("%q: got %x, %v, want %x", text, back, err, raw)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for n := 0; n <= 256; n += 4 {
		raw := make([]byte, n)
		rand.Read(raw)
		text, err := Append(nil, raw)
		if err != nil || len(text) != n/4*5 {
			t.Fatalf("%x: got %q, %v", raw, text, err)
		}
		got, err := AppendDecoded(nil, text)
		if !bytes.Equal(got, raw) || err != nil {
			t.Fatalf("%q: got %x, %v, want %x", text, got, err, raw)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for n := range 20 {
		if n%4 == 0 {
			continue
		}
		out, err := Append([]byte("before"), make([]byte, n))
		wantError(t, err, ErrLength, n)
		if string(out) != "before" {
			t.Errorf("%d bytes: got %q", n, out)
		}
	}
	for _, tt := range []struct {
		text   string
		want   error
		offset int
	}{
		{"0", ErrLength, 1},
		{"HelloWorl", ErrLength, 9},
		{"HelloWorld!", ErrLength, 11},
		{"Hello orld", ErrCharacter, 5},
		{"~ello", ErrCharacter, 0},
		{"Hell\n", ErrCharacter, 4},
		{"Hell\x00", ErrCharacter, 4},
		{"Hel\xc3\xa9", ErrCharacter, 3},
		{"%nSc1", ErrOverflow, 0}, // 2^32
		{"#####", ErrOverflow, 0},
		{"Hello#####", ErrOverflow, 5},
		{"#####Hell ", ErrOverflow, 0},
	} {
		out, err := AppendDecoded([]byte("before"), tt.text)
		wantError(t, err, tt.want, tt.offset)
		if string(out) != "before" {
			t.Errorf("%q: got %q", tt.text, out)
		}
		// The text may be a secret.
		if err != nil && strings.Contains(err.Error(), tt.text) && len(tt.text) > 1 {
			t.Errorf("error quotes the text: %v", err)
		}
	}
	// Every byte outside the alphabet is refused, in every position.
	for b := range 256 {
		for i := range 5 {
			text := []byte("00000")
			text[i] = byte(b)
			_, err := AppendDecoded(nil, text)
			if strings.IndexByte(alphabet, byte(b)) < 0 {
				wantError(t, err, ErrCharacter, i)
			} else if errors.Is(err, ErrCharacter) {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
}

func wantError(t *testing.T, err, kind error, offset int) {
	t.Helper()
	var z *Error
	if !errors.As(err, &z) || !errors.Is(err, kind) || z.Offset != offset {
		t.Errorf("got %v, want %v at %d", err, kind, offset)
	}
}

// TestSecret checks that the functions for secrets agree with the tables, for every
// character and every value.
func TestSecret(t *testing.T) {
	t.Parallel()
	for v := range uint32(len(alphabet)) {
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

// TestWipedAlloc checks that decoding a text that is not Z85 leaves nothing in memory,
// neither in dst nor in a buffer that was too short.
func TestWipedAlloc(t *testing.T) { // not in parallel: AllocsPerRun counts everything
	ztest.Unraced(t)
	for _, text := range []string{"HelloWorldHello orld", "HelloWorld#####"} {
		buf := bytes.Repeat([]byte{0xAA}, 40)
		out, err := AppendDecoded(buf[:4], text)
		if err == nil || len(out) != 4 {
			t.Fatalf("got %x, %v", out, err)
		}
		if !bytes.Equal(buf[4:12], make([]byte, 8)) {
			t.Errorf("%q: %x is left", text, buf[4:12])
		}
	}
	text := strings.Repeat("Hello", 8)
	if n := testing.AllocsPerRun(10, func() { AppendDecoded(nil, text) }); n != 1 {
		t.Errorf("decoding a key allocates %v buffers", n)
	}
	if n := testing.AllocsPerRun(10, func() { Append(nil, make([]byte, 32)) }); n != 1 {
		t.Errorf("encoding a key allocates %v buffers", n)
	}
}

// FuzzZ85 checks that a text that decodes encodes to the same text, and vice versa.
func FuzzZ85(f *testing.F) {
	for _, text := range []string{"", "HelloWorld", "%nSc0", "%nSc1", "#####", "00000", "0000", "Hello orld", "\xff\x00\n~,"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var z *Error
		raw, err := AppendDecoded(nil, data)
		if err == nil {
			if text, err := Append(nil, raw); err != nil || !bytes.Equal(text, data) {
				t.Errorf("%q came back as %q, %v", data, text, err)
			}
		} else if !errors.As(err, &z) || z.Offset < 0 || z.Offset > len(data) || raw != nil {
			t.Errorf("%q: %v", data, err)
		}
		text, err := Append(nil, data)
		if err == nil {
			if raw, err := AppendDecoded(nil, text); err != nil || !bytes.Equal(raw, data) {
				t.Errorf("%x came back as %x, %v", data, raw, err)
			}
		} else if len(data)%4 == 0 {
			t.Errorf("%x: %v", data, err)
		}
	})
}
