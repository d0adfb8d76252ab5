package curve

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"iter"
	"strings"
	"testing"
)

// target is a command and a receiver that expects exactly that one.
type target struct {
	name    string
	command []byte
	last    uint64 // counter before it in the same direction
	try     func(command []byte) error
}

// targets lists every command of a transcript.
func (tr *transcript) targets(t *testing.T) []target {
	t.Helper()
	st := tr.play(t)
	// This server has not yet accepted the INITIATE.
	server := tr.server(t)
	if _, _, err := server.welcome(nil, tr.Hello); err != nil {
		t.Fatal(err)
	}
	server.random = rand.Reader
	targets := []target{
		{"HELLO", tr.Hello, 0, func(command []byte) error {
			_, _, err := server.welcome(nil, command)
			return err
		}},
		{"WELCOME", tr.Welcome, 0, func(command []byte) error {
			_, err := st.beforeWelcome.clone().HandleWelcome(nil, command, nil)
			return err
		}},
		{"INITIATE", tr.Initiate, 1, func(command []byte) error {
			_, err := server.initiate(1, command)
			return err
		}},
		{"READY", tr.Ready, 0, func(command []byte) error {
			_, _, err := st.beforeReady.clone().handleReady(command)
			return err
		}},
	}
	for i, m := range tr.Messages {
		_, receiver := tr.ends(t, st, i)
		last := tr.lastBefore(i)
		targets = append(targets, target{"MESSAGE", m.Command, last, func(command []byte) error {
			_, _, err := receiver.receiver(last).Open(nil, command)
			return err
		}})
	}
	return targets
}

// forEachTarget runs a subtest for each command of each transcript. The
// command is a copy.
func forEachTarget(t *testing.T, test func(t *testing.T, g target)) {
	forEachTranscript(t, func(t *testing.T, tr *transcript) {
		for i, g := range tr.targets(t) {
			t.Run(fmt.Sprintf("%d_%s", i, g.name), func(t *testing.T) {
				t.Parallel()
				g.command = bytes.Clone(g.command)
				test(t, g)
			})
		}
	})
}

// field is one field of a command, and the error that must meet a change in it.
type field struct {
	name string
	size int // 0: all the rest
	want func(altered []byte, last uint64) error
}

func always(err error) func([]byte, uint64) error {
	return func([]byte, uint64) error { return err }
}

// wantCounter returns the error for a changed counter. One that does not grow is refused as
// such; any other does not fit its box. HELLO and READY have no counter before them.
func wantCounter(altered []byte, last uint64) error {
	if counter := binary.BigEndian.Uint64(altered); last > 0 && counter <= last {
		return errNonce
	}
	return errBox
}

// wantKey returns the error for a changed key. X25519 would ignore the top bit, so a key
// that has it set is refused.
func wantKey(altered []byte, _ uint64) error {
	if altered[KeySize-1]&0x80 != 0 {
		return ErrPublicKey
	}
	return errBox
}

// layouts are the fields of the commands, from RFC 26.
var layouts = map[string]struct {
	fields   []field
	min, max int // bytes; a max of 0 means no limit
}{
	"HELLO": {[]field{
		{"name", 6, always(errName)},
		{"version", 2, always(errVersion)},
		{"padding", 72, always(errPadding)},
		{"C'", 32, wantKey},
		{"counter", 8, wantCounter},
		{"box", 0, always(errBox)},
	}, 200, 200},
	"WELCOME": {[]field{
		{"name", 8, always(errName)},
		{"nonce", 16, always(errBox)},
		{"box", 0, always(errBox)},
	}, 168, 168},
	"INITIATE": {[]field{
		{"name", 9, always(errName)},
		{"cookie", 96, always(errCookie)},
		{"counter", 8, wantCounter},
		{"box", 0, always(errBox)},
	}, 257, 0},
	"READY": {[]field{
		{"name", 6, always(errName)},
		{"counter", 8, wantCounter},
		{"box", 0, always(errBox)},
	}, 30, 0},
	"MESSAGE": {[]field{
		{"name", 8, always(errName)},
		{"counter", 8, wantCounter},
		{"box", 0, always(errBox)},
	}, 33, 0},
}

// fieldAt returns the field at an offset of a command, and its bytes.
func fieldAt(name string, command []byte, offset int) (field, []byte) {
	start := 0
	for _, f := range layouts[name].fields {
		if f.size == 0 {
			return f, command[start:]
		}
		if offset < start+f.size {
			return f, command[start : start+f.size]
		}
		start += f.size
	}
	panic("offset beyond the command")
}

// offsets yields which bytes of a command to try: all, up to 8 KiB. To try
// each takes time that grows with the square of the size, so of longer ones it
// is the first 512, where the fields are, the last 64, and between them fewer
// the more there are.
func offsets(size int) iter.Seq[int] {
	return func(yield func(int) bool) {
		stride := 1 + (size>>13)*(size>>13)
		for i := range size {
			if (i < 512 || i >= size-64 || i%stride == 0) && !yield(i) {
				return
			}
		}
	}
}

// TestVectorsFlipped changes every bit and inverts every byte of every command. Each
// change must be refused for the right reason, and the true command must be accepted
// afterwards, once.
func TestVectorsFlipped(t *testing.T) {
	forEachTarget(t, func(t *testing.T, g target) {
		masks := []byte{0xff, 1, 2, 4, 8, 16, 32, 64, 128}
		for i := range offsets(len(g.command)) {
			for j, mask := range masks {
				if testing.Short() && j > 0 && j != 1+i%8 {
					continue
				}
				g.command[i] ^= mask
				f, octets := fieldAt(g.name, g.command, i)
				err := g.try(g.command)
				wantRefusal(t, err, g.name, f.want(octets, g.last))
				g.command[i] ^= mask
				if t.Failed() {
					t.Fatalf("byte %d (%s) ^ %#02x", i, f.name, mask)
				}
			}
		}
		if err := g.try(g.command); err != nil {
			t.Errorf("the unaltered command, after the altered ones: %v", err)
		}
		if g.name == "INITIATE" {
			wantRefusal(t, g.try(g.command), g.name, errCookieUsed)
		}
	})
}

// TestVectorsCut checks that a command of any other length is refused for the right
// reason.
func TestVectorsCut(t *testing.T) {
	forEachTarget(t, func(t *testing.T, g target) {
		layout := layouts[g.name]
		for n := range offsets(len(g.command)) {
			want := errBox
			switch {
			case n < layout.fields[0].size:
				want = errName
			case n < layout.min:
				want = errLength
			}
			wantRefusal(t, g.try(g.command[:n]), g.name, want)
			if t.Failed() {
				t.Fatalf("cut to %d bytes", n)
			}
		}
		want := errBox
		if layout.max > 0 {
			want = errLength
		}
		wantRefusal(t, g.try(append(g.command, 0)), g.name, want)
	})
}

// TestVectorsOrder checks that every command but the expected one, and every step out
// of order, is refused.
func TestVectorsOrder(t *testing.T) {
	forEachTranscript(t, func(t *testing.T, tr *transcript) {
		reject, err := AppendError(nil, "400")
		if err != nil {
			t.Fatal(err)
		}
		t.Run("commands", func(t *testing.T) {
			commands := map[string][]byte{
				"HELLO": tr.Hello, "WELCOME": tr.Welcome, "INITIATE": tr.Initiate, "READY": tr.Ready, "ERROR": reject,
			}
			for _, m := range tr.Messages {
				commands["MESSAGE"] = m.Command
			}
			for _, g := range tr.targets(t) {
				for name, command := range commands {
					if name != g.name {
						wantRefusal(t, g.try(command), g.name, errName)
					}
				}
			}
		})
		t.Run("client steps", func(t *testing.T) {
			st := tr.play(t)
			done := st.beforeReady.clone()
			if _, _, err := done.handleReady(tr.Ready); err != nil {
				t.Fatal(err)
			}
			closed := st.beforeReady.clone()
			closed.Close()
			failed := st.beforeReady.clone()
			_, _, err := failed.handleReady(tr.Welcome)
			wantRefusal(t, err, "READY", errName)
			states := []struct {
				name   string
				client *Client
				due    string
			}{
				{"new", tr.client(t), "HELLO"},
				{"HELLO sent", st.beforeWelcome, "WELCOME"},
				{"INITIATE sent", st.beforeReady, "READY"},
				{"READY received", done, ""},
				{"closed", closed, ""},
				{"failed", failed, ""},
			}
			steps := []struct {
				name string
				take func(*Client) error
			}{
				{"HELLO", func(c *Client) error { _, err := c.Hello(nil); return err }},
				{"WELCOME", func(c *Client) error { _, err := c.HandleWelcome(nil, tr.Welcome, nil); return err }},
				{"READY", func(c *Client) error { _, _, err := c.handleReady(tr.Ready); return err }},
			}
			for _, state := range states {
				for _, step := range steps {
					if strings.Contains(state.due, step.name) {
						continue
					}
					t.Run(state.name+"/"+step.name, func(t *testing.T) {
						client := state.client.clone()
						wantRefusal(t, step.take(client), step.name, errOrder)
						// It is over: not even the expected step is accepted.
						for _, step := range steps {
							wantRefusal(t, step.take(client), step.name, errOrder)
						}
					})
				}
			}
		})
		t.Run("server steps", func(t *testing.T) {
			accepted := func() *peer {
				server := tr.server(t)
				if _, _, err := server.welcome(nil, tr.Hello); err != nil {
					t.Fatal(err)
				}
				// Without the HELLO of the same connection the counter is not known to grow.
				_, err := server.initiate(2, tr.Initiate)
				wantRefusal(t, err, "INITIATE", errNonce)
				p, err := server.initiate(1, tr.Initiate)
				if err != nil {
					t.Fatal(err)
				}
				_, err = server.initiate(1, tr.Initiate)
				wantRefusal(t, err, "INITIATE", errCookieUsed)
				return p
			}
			for name, end := range map[string]func(*peer) error{
				"ready": func(p *peer) error { _, _, err := p.ready(nil, tr.ServerMetadata); return err },
				"close": func(p *peer) error { p.Close(); return nil },
			} {
				t.Run(name, func(t *testing.T) {
					p := accepted()
					if err := end(p); err != nil {
						t.Fatal(err)
					}
					ready, session, err := p.ready([]byte("before"), nil)
					wantRefusal(t, err, "READY", errOrder)
					if string(ready) != "before" || session != nil {
						t.Errorf("got %q and a session %v", ready, session != nil)
					}
				})
			}
		})
		t.Run("messages", func(t *testing.T) {
			st := tr.play(t)
			for i, m := range tr.Messages {
				sender, receiver := tr.ends(t, st, i)
				// Too late, or twice.
				for _, last := range []uint64{m.Nonce, m.Nonce + 1, 1<<64 - 1} {
					_, _, err := receiver.receiver(last).Open(nil, m.Command)
					wantRefusal(t, err, "MESSAGE", errNonce)
				}
				// Back to its sender.
				_, _, err := sender.receiver(0).Open(nil, m.Command)
				wantRefusal(t, err, "MESSAGE", errBox)
			}
		})
	})
}

// TestVectorsOtherConnection checks that each command is refused on every other
// connection.
func TestVectorsOtherConnection(t *testing.T) {
	var other []target
	keys := GenerateKey()
	server, err := NewServer(keys)
	if err != nil {
		t.Fatal(err)
	}
	p := pair{newClient(t, keys.Public()), server}
	hello, err := p.client.Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.welcome(nil, hello); err != nil {
		t.Fatal(err)
	}
	waiting := newPair(t)
	waiting.toInitiate(t)
	session, _ := newSessions(t)
	other = []target{
		{name: "HELLO", try: func(b []byte) error { _, _, err := server.welcome(nil, b); return err }},
		{name: "WELCOME", try: func(b []byte) error { _, err := p.client.clone().HandleWelcome(nil, b, nil); return err }},
		{name: "INITIATE", try: func(b []byte) error { _, err := server.initiate(1, b); return err }},
		{name: "READY", try: func(b []byte) error { _, _, err := waiting.client.clone().handleReady(b); return err }},
		{name: "MESSAGE", try: func(b []byte) error { _, _, err := session.receiver(0).Open(nil, b); return err }},
	}
	forEachTranscript(t, func(t *testing.T, tr *transcript) {
		for _, g := range tr.targets(t) {
			want := errBox
			if g.name == "INITIATE" {
				want = errCookie
			}
			for _, o := range other {
				if o.name == g.name {
					wantRefusal(t, o.try(g.command), g.name, want)
				}
			}
		}
	})
}
