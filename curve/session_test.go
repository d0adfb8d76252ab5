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

// TestSession: messages go both ways, in order, with their flags.
func TestSession(t *testing.T) {
	t.Parallel()
	client, server := newSessions(t)
	for i := range 1000 {
		flags := byte(i % 4)
		payload := randomOctets(i % 300)
		for _, dir := range [][2]*Session{{client, server}, {server, client}} {
			message, err := dir[0].Seal(nil, flags, payload)
			if err != nil {
				t.Fatal(err)
			}
			if len(message) != len(payload)+MessageOverhead {
				t.Fatalf("%d octets became %d", len(payload), len(message))
			}
			got, gotFlags, err := dir[1].Open(nil, message)
			if err != nil || gotFlags != flags || !bytes.Equal(got, payload) {
				t.Fatalf("message %d: got %x, flags %d, error %v", i, got, gotFlags, err)
			}
		}
	}
}

// TestSessionCounters: gaps are fine, all else is a replay.
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
					wantRefusal(t, err, "MESSAGE", ErrNonce)
				} else if err != nil {
					t.Errorf("message %d: %v", m, err)
				}
			}
		})
	}
}

// TestHandshakeCounters: the counters of handshake and session are one row in
// each direction, wherever the other side starts it.
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
	_, counter, err := p.server.Welcome(nil, hello)
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
	var peer *Peer
	for _, n := range []uint64{4, 5, 6} {
		b := binary.BigEndian.AppendUint64(bytes.Clone(initiate[:head]), n)
		peer, err = p.server.Initiate(counter, p.client.shared.seal(b, text, shortNonce(initiatePrefix, n)))
		if n <= counter {
			wantRefusal(t, err, "INITIATE", ErrNonce)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	// READY of a server that starts with 9.
	ready := binary.BigEndian.AppendUint64([]byte(readyName), 9)
	ready = peer.shared.seal(ready, nil, shortNonce(readyPrefix, 9))
	_, server, err := peer.Ready(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, client, err := p.client.HandleReady(ready)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		sender, receiver *Session
		last             uint64 // of the handshake
	}{{client, server, 6}, {server, client, 9}} {
		for n := uint64(1); n < 12; n++ {
			message := tt.sender.send.cipher.seal(nil, n, 0, nil)
			_, _, err := tt.receiver.receiver(tt.receiver.receive.last).Open(nil, message)
			if n <= tt.last {
				wantRefusal(t, err, "MESSAGE", ErrNonce)
			} else if err != nil {
				t.Errorf("counter %d after %d: %v", n, tt.last, err)
			}
		}
	}
}

// TestSessionExhausted: the counter doesn't wrap.
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
		wantRefusal(t, err, "MESSAGE", ErrExhausted)
		if string(out) != "before" {
			t.Errorf("got %q", out)
		}
	}
	// Nothing comes after the last counter, not even for a peer that wraps.
	wrapped := client.send.cipher.seal(nil, 0, 0, nil)
	_, _, err := server.Open(nil, wrapped)
	wantRefusal(t, err, "MESSAGE", ErrNonce)
}

// TestSessionFlags: flags that don't exist are neither sent nor taken.
func TestSessionFlags(t *testing.T) {
	t.Parallel()
	client, server := newSessions(t)
	for flags := 4; flags < 256; flags++ {
		out, err := client.Seal([]byte("before"), byte(flags), nil)
		wantRefusal(t, err, "MESSAGE", ErrFlags)
		if string(out) != "before" {
			t.Errorf("got %q", out)
		}
		last := server.receive.last
		forged := client.send.cipher.seal(nil, last+1, byte(flags), []byte("payload"))
		out, got, err := server.receiver(last).Open([]byte("before"), forged)
		wantRefusal(t, err, "MESSAGE", ErrFlags)
		if got != 0 || string(out) != "before" {
			t.Errorf("got flags %d, %q", got, out)
		}
	}
	// A refusal to seal is the caller's mistake, and harms nothing.
	if _, err := client.Seal(nil, FlagMore|FlagCommand, nil); err != nil {
		t.Error(err)
	}
}

// TestSessionDead: after one refused message a session opens no other, not
// even a good one, and its key is gone. It can still seal.
func TestSessionDead(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]struct {
		spoil func([]byte) []byte
		want  error
	}{
		"name":   {func(b []byte) []byte { b[1] ^= 1; return b }, ErrName},
		"length": {func(b []byte) []byte { return b[:32] }, ErrLength},
		"nonce":  {func(b []byte) []byte { clear(b[8:16]); return b }, ErrNonce},
		"box":    {func(b []byte) []byte { b[40] ^= 1; return b }, ErrBox},
		"empty":  {func([]byte) []byte { return nil }, ErrName},
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
			wantRefusal(t, err, "MESSAGE", ErrClosed)
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

// TestSessionConcurrent: both directions at once, closed in the middle.
func TestSessionConcurrent(t *testing.T) {
	t.Parallel()
	client, server := newSessions(t)
	var wg sync.WaitGroup
	half := make(chan struct{})
	for _, ends := range [][2]*Session{{client, server}, {server, client}} {
		sender, receiver := ends[0], ends[1]
		wire := make(chan []byte, 16)
		wg.Go(func() {
			defer close(wire)
			for i := range 2000 {
				if i == 1000 && sender == client {
					close(half)
				}
				message, err := sender.Seal(nil, 0, []byte("some payload"))
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				wire <- message
			}
		})
		wg.Go(func() {
			for message := range wire {
				payload, _, err := receiver.Open(nil, message)
				if errors.Is(err, ErrClosed) {
					continue
				}
				if err != nil || string(payload) != "some payload" {
					t.Errorf("got %q, %v", payload, err)
				}
			}
		})
	}
	<-half
	client.Close()
	client.Close()
	wg.Wait()
	if _, err := client.Seal(nil, 0, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Seal after Close: %v", err)
	}
	if _, _, err := client.Open(nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Open after Close: %v", err)
	}
}

// TestSessionAllocations: none, when dst has room.
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
			t.Errorf("%d octets: %v allocations for Seal and Open, want 0", n, allocs)
		}
		if !bytes.Equal(opened, payload) {
			t.Errorf("%d octets: opened as something else", n)
		}
	}
}

// TestSplit: the halves go on where the session was, and it is closed.
func TestSplit(t *testing.T) {
	t.Parallel()
	client, server := newSessions(t)
	first, err := client.Seal(nil, 0, []byte("first"))
	if err != nil {
		t.Fatal(err)
	}
	sealer, _ := client.Split()
	second, err := sealer.Seal(nil, FlagMore, []byte("second"))
	if err != nil {
		t.Fatal(err)
	}
	if out, _, err := server.Open(nil, first); err != nil || string(out) != "first" {
		t.Errorf("got %q, %v", out, err)
	}
	_, opener := server.Split()
	if out, flags, err := opener.Open(nil, second); err != nil || flags != FlagMore || string(out) != "second" {
		t.Errorf("got %q, flags %d, %v", out, flags, err)
	}
	_, _, err = opener.Open(nil, first)
	wantRefusal(t, err, "MESSAGE", ErrNonce)
	for _, ended := range []*Session{client, server} {
		_, err := ended.Seal(nil, 0, nil)
		wantRefusal(t, err, "MESSAGE", ErrClosed)
		_, _, err = ended.Open(nil, second)
		wantRefusal(t, err, "MESSAGE", ErrClosed)
		ended.Close()
	}
	key := sealer.cipher.subkey.octets
	sealer.Close()
	sealer.Close()
	opener.Close()
	if !isZero(key[:]) {
		t.Error("Close leaves the key")
	}
	_, err = sealer.Seal(nil, 0, nil)
	wantRefusal(t, err, "MESSAGE", ErrClosed)
	_, _, err = opener.Open(nil, second)
	wantRefusal(t, err, "MESSAGE", ErrClosed)
}
