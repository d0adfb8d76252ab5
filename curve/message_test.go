package curve

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestSession checks that messages go both ways, in order, with their flags.
func TestSession(t *testing.T) {
	t.Parallel()
	client, server := newSessions(t)
	for i := range 1000 {
		flags := byte(i % 4)
		payload := randomOctets(i % 300)
		for _, dir := range [][2]*session{{client, server}, {server, client}} {
			message, err := dir[0].Seal(nil, flags, payload)
			if err != nil {
				t.Fatal(err)
			}
			if len(message) != len(payload)+MessageOverhead {
				t.Fatalf("%d bytes became %d", len(payload), len(message))
			}
			got, gotFlags, err := dir[1].Open(nil, message)
			if err != nil || gotFlags != flags || !bytes.Equal(got, payload) {
				t.Fatalf("message %d: got %x, flags %d, error %v", i, got, gotFlags, err)
			}
		}
	}
}

// TestSessionCounters checks that counters may have gaps and that everything else is a
// replay.
func TestSessionCounters(t *testing.T) {
	t.Parallel()
	client, server := newSessions(t)
	messages := make([][]byte, 6)
	for i := range messages {
		messages[i], _ = client.Seal(nil, 0, nil)
	}
	last := server.receive.last
	if last != initiateCounter {
		t.Fatalf("last counter is %d, that of INITIATE is %d", last, initiateCounter)
	}
	for _, tt := range []struct {
		name  string
		order []int
		bad   bool // the last of them is refused
	}{
		{"in order", []int{0, 1, 2, 3, 4, 5}, false},
		{"gaps", []int{1, 4, 5}, false},
		{"twice", []int{0, 0}, true},
		{"swapped", []int{1, 0}, true},
		{"first again", []int{0, 1, 2, 3, 4, 5, 0}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			receiver := server.receiver(last)
			for i, m := range tt.order {
				_, _, err := receiver.Open(nil, messages[m])
				if tt.bad && i == len(tt.order)-1 {
					wantRefusal(t, err, "MESSAGE", errNonce)
				} else if err != nil {
					t.Errorf("message %d: %v", m, err)
				}
			}
		})
	}
}

// TestHandshakeCounters checks that the counters of messages continue those of the
// handshake in each direction, whatever counter the peer starts with.
func TestHandshakeCounters(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	welcome, _ := p.toWelcome(t)
	shared, transient := p.client.shared.clone(), p.client.transient
	hello := append([]byte(helloName), 1, 0)
	hello = append(hello, make([]byte, paddingSize)...)
	hello = append(hello, public(transient)[:]...)
	hello = binary.BigEndian.AppendUint64(hello, 5)
	hello = shared.seal(hello, make([]byte, zerosSize), shortNonce(helloPrefix, 5))
	_, counter, err := p.server.welcome(nil, hello)
	if counter != 5 || err != nil {
		t.Fatalf("got counter %d, %v", counter, err)
	}
	initiate, err := p.client.HandleWelcome(nil, welcome, nil)
	if err != nil {
		t.Fatal(err)
	}
	const head = len(initiateName) + cookieSize
	text, ok := p.client.shared.open(nil, initiate[head+counterSize:], shortNonce(initiatePrefix, initiateCounter))
	if !ok {
		t.Fatal("INITIATE does not open")
	}
	var peer *peer
	for _, n := range []uint64{4, 5, 6} {
		b := binary.BigEndian.AppendUint64(bytes.Clone(initiate[:head]), n)
		peer, err = p.server.initiate(counter, p.client.shared.seal(b, text, shortNonce(initiatePrefix, n)))
		if n <= counter {
			wantRefusal(t, err, "INITIATE", errNonce)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	// READY of a server that starts with 9.
	ready := binary.BigEndian.AppendUint64([]byte(readyName), 9)
	ready = peer.shared.seal(ready, nil, shortNonce(readyPrefix, 9))
	_, server, err := peer.ready(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, client, err := p.client.handleReady(ready)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		sender, receiver *session
		last             uint64 // of the handshake
	}{{client, server, 6}, {server, client, 9}} {
		for n := uint64(1); n < 12; n++ {
			message := tt.sender.send.cipher.seal(nil, n, 0, nil)
			_, _, err := tt.receiver.receiver(tt.receiver.receive.last).Open(nil, message)
			if n <= tt.last {
				wantRefusal(t, err, "MESSAGE", errNonce)
			} else if err != nil {
				t.Errorf("counter %d after %d: %v", n, tt.last, err)
			}
		}
	}
}

// TestSessionExhausted checks that the counter does not wrap.
func TestSessionExhausted(t *testing.T) {
	t.Parallel()
	client, server := newSessions(t)
	client.send.last = math.MaxUint64 - 2
	for range 2 {
		message, err := client.Seal(nil, 0, []byte("one of the last"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.Open(nil, message); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		out, err := client.Seal([]byte("before"), 0, nil)
		wantRefusal(t, err, "MESSAGE", errExhausted)
		if string(out) != "before" {
			t.Errorf("got %q", out)
		}
	}
	// Nothing comes after the last counter, not even for a peer that wraps.
	wrapped := client.send.cipher.seal(nil, 0, 0, nil)
	_, _, err := server.Open(nil, wrapped)
	wantRefusal(t, err, "MESSAGE", errNonce)
}

// TestSessionFlags checks that reserved flags are neither sent nor accepted.
func TestSessionFlags(t *testing.T) {
	t.Parallel()
	client, server := newSessions(t)
	for flags := 4; flags < 256; flags++ {
		out, err := client.Seal([]byte("before"), byte(flags), nil)
		if _, ok := errors.AsType[*ProtocolError](err); ok || !errors.Is(err, errFlags) || string(out) != "before" {
			t.Errorf("got %q, %v", out, err)
		}
		last := server.receive.last
		forged := client.send.cipher.seal(nil, last+1, byte(flags), []byte("payload"))
		out, got, err := server.receiver(last).Open([]byte("before"), forged)
		wantRefusal(t, err, "MESSAGE", errFlags)
		if got != 0 || string(out) != "before" {
			t.Errorf("got flags %d, %q", got, out)
		}
	}
	// A refusal to seal is the caller's mistake, and harms nothing.
	if _, err := client.Seal(nil, FlagMore|FlagCommand, nil); err != nil {
		t.Error(err)
	}
}

// TestSessionDead checks that after one refused message an Opener opens no other, not
// even a good one, and has wiped its key. The Sealer still works.
func TestSessionDead(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]struct {
		spoil func([]byte) []byte
		want  error
	}{
		"name":   {func(b []byte) []byte { b[1] ^= 1; return b }, errName},
		"length": {func(b []byte) []byte { return b[:32] }, errLength},
		"nonce":  {func(b []byte) []byte { clear(b[8:16]); return b }, errNonce},
		"box":    {func(b []byte) []byte { b[40] ^= 1; return b }, errBox},
		"empty":  {func([]byte) []byte { return nil }, errName},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := newSessions(t)
			bad, _ := client.Seal(nil, 0, []byte("first message"))
			good, _ := client.Seal(nil, 0, []byte("second message"))
			cipher := server.receive.cipher
			_, _, err := server.Open(nil, spoil.spoil(bad))
			wantRefusal(t, err, "MESSAGE", spoil.want)
			out, flags, err := server.Open([]byte("before"), good)
			wantRefusal(t, err, "MESSAGE", errClosed)
			if string(out) != "before" || flags != 0 {
				t.Errorf("got %q, flags %d", out, flags)
			}
			if !isZero(cipher.subkey.octets[:]) {
				t.Error("the key is still there")
			}
			answer, err := server.Seal(nil, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := client.Open(nil, answer); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDirectionsConcurrent seals and opens in both directions at the same time: a Sealer
// and an Opener of one connection share nothing.
func TestDirectionsConcurrent(t *testing.T) {
	t.Parallel()
	client, server := newSessions(t)
	var wg sync.WaitGroup
	for _, ends := range [][2]*session{{client, server}, {server, client}} {
		sender, receiver := ends[0], ends[1]
		wire := make(chan []byte, 16)
		wg.Go(func() {
			defer close(wire)
			for range 2000 {
				message, err := sender.Seal(nil, 0, []byte("some payload"))
				if err != nil {
					t.Error(err)
					return
				}
				wire <- message
			}
		})
		wg.Go(func() {
			for message := range wire {
				if payload, _, err := receiver.Open(nil, message); err != nil || string(payload) != "some payload" {
					t.Errorf("got %q, %v", payload, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestClose checks that Close wipes the key, and that a closed end refuses everything.
func TestClose(t *testing.T) {
	t.Parallel()
	client, server := newSessions(t)
	message, err := server.Seal(nil, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := [][]byte{client.send.cipher.subkey.octets[:], client.receive.cipher.subkey.octets[:]}
	client.Close()
	client.Close()
	for _, key := range keys {
		if !isZero(key) {
			t.Error("Close leaves a key")
		}
	}
	_, err = client.Seal(nil, 0, nil)
	wantRefusal(t, err, "MESSAGE", errClosed)
	_, _, err = client.Open(nil, message)
	wantRefusal(t, err, "MESSAGE", errClosed)
}

// TestSessionAllocations checks that Seal and Open allocate nothing if dst has the
// capacity.
func TestSessionAllocations(t *testing.T) {
	ztest.Unraced(t)
	client, server := newSessions(t)
	for _, n := range []int{0, 64, 64 << 10, 1 << 20} {
		payload := randomOctets(n)
		message := make([]byte, 0, n+MessageOverhead)
		opened := make([]byte, 0, n)
		allocs := testing.AllocsPerRun(100, func() {
			var err error
			if message, err = client.Seal(message[:0], FlagMore, payload); err != nil {
				t.Fatal(err)
			}
			if opened, _, err = server.Open(opened[:0], message); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%d bytes: %v allocations for Seal and Open, want 0", n, allocs)
		}
		if !bytes.Equal(opened, payload) {
			t.Errorf("%d bytes: opened as something else", n)
		}
	}
}
