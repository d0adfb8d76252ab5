package sasl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/internal/ztest"
)

// malformed is a message that no codec may take for a command, and why.
type malformed struct {
	message [][]byte
	want    error
}

// frames returns a message.
func frames(texts ...string) (message [][]byte) {
	for _, s := range texts {
		message = append(message, []byte(s))
	}
	return message
}

// diff compares commands or messages.
func diff(want, got any) string {
	if reflect.DeepEqual(want, got) { // cmp is slow with long data
		return ""
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}

// TestCodecs: a command that is written and parsed is the same, and so is each byte of a message.
// The strings of a command are copies.
func TestCodecs(t *testing.T) {
	t.Parallel()
	for _, codec := range []Codec{FILEMQ, NOM} {
		for _, c := range commands() {
			message, err := codec.Message(c)
			ztest.Must(t, err)
			got, err := codec.Parse(message)
			if err != nil || diff(c, got) != "" {
				t.Errorf("%T: %v, (-want +got):\n%s", codec, err, diff(c, got))
			}
			again, err := codec.Message(got)
			if err != nil || diff(message, again) != "" {
				t.Errorf("%T: %v, (-want +got):\n%s", codec, err, diff(message, again))
			}
			if len(got.Data) > 0 && &got.Data[0] != &message[len(message)-1][0] {
				t.Errorf("%T: the data of %v is copied", codec, c.Kind)
			}
			got.Data = slices.Clone(got.Data)
			for _, f := range message {
				clear(f)
			}
			if got.Data != nil {
				got.Data = c.Data
			}
			if diff := diff(c, got); diff != "" {
				t.Errorf("%T: changed with the message (-want +got):\n%s", codec, diff)
			}
		}
	}
}

// checkMalformed checks that a codec refuses messages, each with its own error, and returns
// nothing of them.
func checkMalformed(t *testing.T, codec Codec, messages []malformed) {
	t.Helper()
	for _, m := range messages {
		c, err := codec.Parse(m.message)
		if !errors.Is(err, m.want) {
			t.Errorf("%.80q: got %v, want %v", m.message, err, m.want)
		}
		if diff := diff(Command{}, c); diff != "" {
			t.Errorf("%.80q: %s", m.message, diff)
		}
	}
}

// TestCut: a message with a shortened frame, or with a frame more or less, is not a command,
// unless the codec does not interpret the frame.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range commands() {
		message, err := FILEMQ.Message(c)
		ztest.Must(t, err)
		for n := range message[0] {
			cut := slices.Clone(message)
			cut[0] = cut[0][:n]
			if got, err := FILEMQ.Parse(cut); err == nil || (err == ErrForeign) != (n < 2) {
				t.Errorf("%q: got %+v, %v", cut[0], got, err)
			}
		}
		for _, codec := range []Codec{FILEMQ, NOM} {
			message, err := codec.Message(c)
			ztest.Must(t, err)
			more := append(slices.Clone(message), []byte("x"))
			if got, err := codec.Parse(more); err == nil {
				t.Errorf("%.80q: got %+v", more, got)
			}
			// A challenge of NOM is the last of any number of frames.
			if less := message[:len(message)-1]; codec != NOM || c.Kind != ORLY {
				if got, err := codec.Parse(less); err == nil {
					t.Errorf("%.80q: got %+v", less, got)
				}
			}
		}
	}
}

// TestParseAllocations: a hostile message costs no more memory than the largest command.
func TestParseAllocations(t *testing.T) {
	huge := make([]byte, 1<<20)
	many := make([][]byte, 1<<16)
	for i := range many {
		many[i] = []byte("A")
	}
	for name, tt := range map[string]struct {
		codec   Codec
		message [][]byte
	}{
		"foreign":            {FILEMQ, frames(string(huge))},
		"long OHAI":          {FILEMQ, frames("\xAA\xA3\x01" + string(huge))},
		"long ORLY":          {FILEMQ, frames("\xAA\xA3\x02\x20" + string(huge))},
		"many names":         {FILEMQ, frames("\xAA\xA3\x02\xFE"+strings.Repeat("\xFF"+strings.Repeat("A", 255), 254), "")},
		"long YARLY":         {FILEMQ, frames("\xAA\xA3\x03\xFF"+string(huge), "")},
		"long response":      {FILEMQ, frames("\xAA\xA3\x03\x05PLAIN", string(huge))},
		"many frames":        {FILEMQ, append(frames("\xAA\xA3\x03\x05PLAIN"), many...)},
		"long command":       {NOM, frames(string(huge))},
		"long mechanism":     {NOM, frames("ORLY", string(huge), "")},
		"many mechanisms":    {NOM, append(frames("ORLY"), many...)},
		"long challenge":     {NOM, frames("ORLY", "PLAIN", string(huge))},
		"long reason":        {NOM, frames("WTF", string(huge))},
		"many more commands": {NOM, append(frames("OHAI"), many...)},
	} {
		const times = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			if _, err := tt.codec.Parse(tt.message); err == nil {
				t.Fatalf("%s: no error", name)
			}
		}
		runtime.ReadMemStats(&after)
		if size := (after.TotalAlloc - before.TotalAlloc) / times; size > 16<<10 {
			t.Errorf("%s: %d bytes allocated", name, size)
		}
	}
}

// join encodes a message, each frame with its size in two bytes in front.
func join(message [][]byte) (data []byte) {
	for _, f := range message {
		data = append(binary.BigEndian.AppendUint16(data, uint16(len(f))), f...)
	}
	return data
}

// split decodes any bytes to a message. The last frame may be shorter than its size.
func split(data []byte) (message [][]byte) {
	for len(data) >= 2 {
		size := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
		message = append(message, data[2:2+size])
		data = data[2+size:]
	}
	return message
}

// fuzzCodec checks that a codec writes each command that it parses as it was.
func fuzzCodec(f *testing.F, codec Codec, messages []malformed) {
	for _, c := range commands() {
		message, err := codec.Message(c)
		ztest.Must(f, err)
		f.Add(join(message))
	}
	for _, m := range messages {
		if !slices.ContainsFunc(m.message, func(f []byte) bool { return len(f) > 1<<14 }) {
			f.Add(join(m.message))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		message := split(data)
		before := fmt.Sprint(message)
		c, err := codec.Parse(message)
		if err != nil {
			if diff := diff(Command{}, c); diff != "" {
				t.Error(diff)
			}
			return
		}
		again, err := codec.Message(c)
		if err != nil || !slices.EqualFunc(message, again, bytes.Equal) {
			t.Errorf("%q is written as %q, %v", message, again, err)
		}
		if fmt.Sprint(message) != before {
			t.Error("Parse changed the message")
		}
	})
}
