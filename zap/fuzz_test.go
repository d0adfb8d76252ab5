package zap_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/zcurve/zcurve/zap"
)

// join encodes frames, each with its size in two bytes in front.
func join(frames [][]byte) []byte {
	var data []byte
	for _, f := range frames {
		data = binary.BigEndian.AppendUint16(data, uint16(len(f)))
		data = append(data, f...)
	}
	return data
}

// split decodes arbitrary bytes to frames. The last frame may be shorter than its size.
func split(data []byte) (frames [][]byte) {
	for len(data) >= 2 {
		size := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
		frames = append(frames, data[2:2+size])
		data = data[2+size:]
	}
	return frames
}

// FuzzRequest: a request that parses is written unchanged. Other frames are an error,
// with or without a return address.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][][]byte{
		request("NULL"),
		request("PLAIN", "alice", "secret"),
		request("CURVE", key),
		request("GSSAPI", "alice@EXAMPLE"),
		request("X-TOKEN", "a", "b", "c"),
		slices.Concat(frames("\x00abcd"), request("CURVE", key)),
		slices.Concat(frames("a", "b", "c"), request("NULL")),
		frames("", "2.0", "1", "payments", "192.0.2.1", "id", "NULL"),
		frames("", "1.0"),
		frames("", "", "", "", "", "", ""),
		request("CURVE", key[1:]),
	} {
		f.Add(join(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := split(data)
		env, req, answer, err := zap.ParseRequest(in)
		if err != nil {
			if !errors.Is(err, zap.ErrRequest) || req != nil {
				t.Errorf("got %v, %v", req, err)
			}
		} else {
			again, err := zap.AppendRequest(slices.Clone(env.RoutingIDs), env.RequestID, req)
			if err != nil {
				t.Fatal(err)
			}
			if diff := diffFrames(in, again); diff != "" {
				t.Errorf("written again (-want +got):\n%s", diff)
			}
		}
		if !answer {
			return
		}
		reply, err := zap.AppendReply(nil, env, zap.Reply{Status: zap.StatusError})
		if err != nil {
			t.Fatal(err)
		}
		n := len(env.RoutingIDs)
		if diff := diffFrames(slices.Concat(in[:n], frames("", "1.0"), in[n+2:n+3], frames("500", "", "", "")), reply); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
	})
}

// FuzzReply: a reply that parses is written unchanged.
func FuzzReply(f *testing.F) {
	for _, seed := range [][][]byte{
		frames("", "1.0", "1", "200", "OK", "alice", "\x07X-Group\x00\x00\x00\x07traders"),
		frames("a", "b", "", "1.0", "1", "200", "", "", ""),
		frames("", "1.0", "", "300", "busy", "", ""),
		frames("", "1.0", "1", "400", "unknown key", "", ""),
		frames("", "1.0", "1", "500", "internal error", "", ""),
		frames("", "2.0", "1", "200", "OK", "", ""),
		frames("", "1.0", "1", "+20", "OK", "", ""),
		frames("", "1.0", "1", "400", "", "alice", ""),
		frames("", "1.0", "1", "200", "", "", "\x01a\x7f\xff\xff\xff"),
		frames("", "1.0", "1", "200", "", "", "\x01a\x00\x00\x00\x00\x01A\x00\x00\x00\x00"),
	} {
		f.Add(join(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := split(data)
		id, reply, err := zap.ParseReply(in)
		if err != nil {
			if !errors.Is(err, zap.ErrReply) {
				t.Errorf("got %v", err)
			}
			return
		}
		n := slices.IndexFunc(in, func(frame []byte) bool { return len(frame) == 0 })
		again, err := zap.AppendReply(nil, zap.Envelope{RoutingIDs: in[:n], RequestID: id}, reply)
		if err != nil {
			t.Fatal(err)
		}
		if diff := diffFrames(in, again); diff != "" {
			t.Errorf("written again (-want +got):\n%s", diff)
		}
	})
}

// FuzzMetadata: metadata that parses is written unchanged, and Get finds each name.
func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{
		"",
		"\x0bSocket-Type\x00\x00\x00\x03REQ\x08Identity\x00\x00\x00\x00",
		"\x01a\x00\x00\x00\x01v",
		"\x01a\x00\x00\x00\x01v\x01A\x00\x00\x00\x00",
		"\x01a\x80\x00\x00\x00v",
		"\x01a\xff\xff\xff\xffv",
		"\x00\x00\x00\x00\x00",
		"\x03a b\x00\x00\x00\x00",
		"\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := zap.ParseMetadata(data)
		if err != nil {
			if !errors.Is(err, zap.ErrMetadata) || m != nil {
				t.Errorf("got %v, %v", m, err)
			}
			return
		}
		again, err := m.Append(nil)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q came back as %q, %v", data, again, err)
		}
		for _, p := range m {
			if value := m.Get(p.Name); value != p.Value {
				t.Errorf("%s is %q, and was found as %q", p.Name, p.Value, value)
			}
		}
	})
}
