package zmq4_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// TestMetadataNames sends names of programs with X-, and receives all names as programs of
// go-zeromq look them up, however the peer writes them.
func TestMetadataNames(t *testing.T) {
	t.Parallel()
	wire, err := zmq4.Metadata{"Socket-Type": "PAIR", "Identity": "a", "Hello": "1", "TWO-words": "2"}.MarshalZMTP()
	ztest.Must(t, err)
	const want = "\x08Identity\x00\x00\x00\x01a" + "\x0bSocket-Type\x00\x00\x00\x04PAIR" + "\x07X-Hello\x00\x00\x00\x011" + "\x0bX-Two-Words\x00\x00\x00\x012"
	for _, property := range []string{"\x08Identity\x00\x00\x00\x01a", "\x0bSocket-Type\x00\x00\x00\x04PAIR", "\x07X-Hello\x00\x00\x00\x011", "\x0bX-Two-Words\x00\x00\x00\x012"} {
		if len(wire) != len(want) || !bytes.Contains(wire, []byte(property)) {
			t.Errorf("%q without %q", wire, property)
		}
	}
	wire, err = zap.Metadata{{"SOCKET-type", "PAIR"}, {"identity", "a"}, {"x-hello", "1"}, {"X-userID", "2"}}.Append(nil)
	ztest.Must(t, err)
	got := zmq4.Metadata{"X-Before": "0"}
	ztest.Must(t, got.UnmarshalZMTP(wire))
	if !maps.Equal(got, zmq4.Metadata{"Socket-Type": "PAIR", "Identity": "a", "X-Hello": "1", "X-UserID": "2", "X-Before": "0"}) {
		t.Errorf("got %q", got)
	}
	var none zmq4.Metadata
	ztest.Must(t, none.UnmarshalZMTP(wire))
	if len(none) != 4 {
		t.Errorf("nil metadata became %q", none)
	}
}

func TestMetadataInvalid(t *testing.T) {
	t.Parallel()
	for name, md := range map[string]zmq4.Metadata{
		"no name": {"": "x"}, "same names": {"Name": "", "name": ""}, "invalid name": {"a b": ""}, "long name": {strings.Repeat("x", 254): ""},
	} {
		if wire, err := md.MarshalZMTP(); err == nil {
			t.Errorf("%s: %q", name, wire)
		}
	}
	for name, wire := range map[string]string{
		"only a length": "\x01", "name cut off": "\x05Hell", "no length": "\x01a", "length cut off": "\x01a\x00\x00\x00",
		"value cut off": "\x01a\x00\x00\x00\x02x", "huge value": "\x01a\xff\xff\xff\xffx", "no name": "\x00\x00\x00\x00\x00",
		"invalid name": "\x01 \x00\x00\x00\x00", "twice": "\x01a\x00\x00\x00\x00\x01A\x00\x00\x00\x00",
	} {
		md := zmq4.Metadata{}
		if err := md.UnmarshalZMTP([]byte("\x01b\x00\x00\x00\x00" + wire)); err == nil || len(md) > 0 {
			t.Errorf("%s: %v, %q", name, err, md)
		}
	}
}

func TestProperty(t *testing.T) {
	t.Parallel()
	property := zmq4.Property{K: "x-name", V: "value"}
	wire := make([]byte, 20)
	n, err := property.Read(wire)
	if n != 16 || err != io.EOF || string(wire[:n]) != "\x06X-Name\x00\x00\x00\x05value" {
		t.Fatalf("%q, %v", wire[:n], err)
	}
	var got zmq4.Property
	if n, err := got.Write(wire); n != 16 || err != nil || got != (zmq4.Property{K: "X-Name", V: "value"}) {
		t.Errorf("%d bytes, %v, %v", n, err, got)
	}
	for n := range 16 {
		_, read := property.Read(make([]byte, n))
		_, write := got.Write(wire[:n])
		if read != io.ErrShortBuffer || write != io.ErrUnexpectedEOF || got.V != "value" {
			t.Errorf("%d bytes: %v, %v, %v", n, read, write, got)
		}
	}
	_, read := zmq4.Property{K: "a b"}.Read(wire)
	_, write := got.Write([]byte("\x00\x00\x00\x00\x00"))
	if !errors.Is(read, zmq4.ErrBadProperty) || !errors.Is(write, zmq4.ErrBadProperty) {
		t.Errorf("an invalid name: %v, %v", read, write)
	}
}

func TestQueue(t *testing.T) {
	t.Parallel()
	q := zmq4.NewQueue()
	q.Pop()
	if _, ok := q.Peek(); ok || q.Len() != 0 {
		t.Error("an empty queue has a message")
	}
	const n = 3000
	for i := range n {
		q.Push(zmq4.NewMsg([]byte{byte(i)}))
	}
	for i := range n {
		if msg, ok := q.Peek(); !ok || msg.Bytes()[0] != byte(i) || q.Len() != n-i {
			t.Fatalf("message %d of %d: %v", i, q.Len(), msg)
		}
		q.Pop()
	}
	q.Push(zmq4.NewMsg(nil))
	if q.Init(); q.Len() != 0 {
		t.Error("Init leaves messages")
	}
}

// FuzzMetadata checks that what can be parsed can be written and parsed again.
func FuzzMetadata(f *testing.F) {
	for _, wire := range []string{"", "\x01a", "\x0bSocket-Type\x00\x00\x00\x04PAIR\x08identity\x00\x00\x00\x00", "\x07x-hello\x00\x00\x00\x011"} {
		f.Add([]byte(wire))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var md zmq4.Metadata
		var first zmq4.Property
		n, writeErr := first.Write(wire)
		if err := md.UnmarshalZMTP(wire); err != nil || len(wire) == 0 {
			return
		}
		if writeErr != nil || n > len(wire) || md[first.K] != first.V {
			t.Fatalf("the first is %q, %v, of %q", first, writeErr, md)
		}
		again := make([]byte, n)
		if n, err := first.Read(again); err != io.EOF || n != len(again) || !bytes.EqualFold(again, wire[:n]) {
			t.Fatalf("%q, %v, want %q", again, err, wire[:n])
		}
		if _, err := md.MarshalZMTP(); err != nil && !strings.Contains(err.Error(), "metadata") {
			t.Fatal(err)
		}
	})
}
