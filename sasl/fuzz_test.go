package sasl

import (
	"errors"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// The fuzzers read their input as steps: a byte says which, and the next bytes are its
// operands.
type steps []byte

func (s *steps) next() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

// data takes bytes: one with the size, and so many.
func (s *steps) data() []byte {
	n := min(int(s.next()), len(*s))
	data := (*s)[:n]
	*s = (*s)[n:]
	return data
}

// change changes a byte of a message.
func (s *steps) change(message [][]byte) {
	frame := message[int(s.next())%len(message)]
	if at := int(s.next()); len(frame) > 0 {
		frame[at%len(frame)] ^= s.next()
	}
}

// command returns any command.
func (s *steps) command() Command {
	c := Command{Kind: Kind(s.next() % 8)}
	switch c.Kind {
	case ORLY, YARLY:
		for bits, i := s.next(), 0; i < len(strongest); i++ {
			if bits>>i&1 == 1 {
				c.Mechanisms = append(c.Mechanisms, strongest[i])
			}
		}
		c.Data = s.data()
	case SRSLY, RTFM:
		c.Reason = string(s.data())
	}
	return c
}

// seeds are the steps that both fuzzers begin with: honest exchanges, with attacks in
// between.
func seeds(f *testing.F) {
	for client := range byte(8) {
		f.Add([]byte{client, 0, 0, 0, 0, 0, 0, 0, 0})
		f.Add([]byte{client, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0})
		f.Add([]byte{client, 0, 0, 2, 1, 7, 1, 0, 0, 0, 0})
		f.Add([]byte{client, 0, 0, 0, 1, 1, 0, 1, 5, 0, 0, 0, 0, 1, 1, 3, 0})
		f.Add([]byte{client, 1, 1, 1, 3, 1 << 4, 19, 0, 'a', 'l', 'i', 'c', 'e', 0, 'w', 'o', 'n', 'd', 'e', 'r', 'l', 'a', 'n', 'd', 0})
	}
	f.Add([]byte{5, 3, 3, 0xAA, 0xA3, 2, 0, 4, 4, 4})
}

// configs are the clients of the fuzzers.
func fuzzClient(t *testing.T, choice byte) *Client {
	mechanisms := strongest
	if choice %= 8; int(choice) < len(strongest) {
		mechanisms = strongest[choice : choice+1]
	}
	cfg := testConfig(mechanisms...)
	if choice == 7 {
		cfg.Username = "mallory"
	}
	return newClient(t, cfg)
}

// FuzzServer: whatever a client sends, beside or in place of what an honest one would, the
// server never panics, answers each message of the protocol exactly once, has a user only right
// after the OHAI-OK that the gate agreed to in this exchange, and ends after its tries.
func FuzzServer(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		in := steps(input)
		g := new(gate)
		s, c := newTestServer(t, g), fuzzClient(t, in.next())
		honest, err := c.Start()
		ztest.Must(t, err)
		begun, admitted := 0, 0 // OHAIs without success; decisions before this exchange
		for range 64 {
			if len(in) == 0 {
				break
			}
			message := honest
			switch in.next() % 5 {
			case 0: // what the honest client sends
			case 1: // any command
				command := in.command()
				if message, err = FILEMQ.Message(command); err != nil {
					continue
				}
			case 2: // what the honest client sends, with another byte
				message = clone(honest)
				if message != nil {
					in.change(message)
				}
			case 3: // anything
				message = split(in.data())
			case 4: // the honest client begins again
				if honest, err = c.Start(); err != nil {
					t.Fatal(err)
				}
				message = honest
			}
			ended := s.state == ended
			parsed, parseErr := FILEMQ.Parse(message)
			if parsed.Kind == OHAI && parseErr == nil {
				begun, admitted = begun+1, g.admitted
			}
			reply, err := s.Handle(t.Context(), message)
			user, ok := s.User()
			if reply == nil {
				if !ended && !errors.Is(err, ErrForeign) || ended && ok {
					t.Fatalf("no reply to %q: %v", message, err)
				}
				continue
			}
			answer, failed := FILEMQ.Parse(reply)
			ztest.Must(t, failed)
			switch {
			case ended:
				t.Fatalf("a server that is ended answers %v", answer.Kind)
			case ok != (answer.Kind == OHAIOK), ok && (err != nil || user.ID == "" || g.admitted != admitted+1):
				t.Fatalf("%v answers %q: user %v, %v, %d decisions", answer.Kind, message, user, err, g.admitted-admitted)
			case (answer.Kind == SRSLY || answer.Kind == RTFM) != (err != nil):
				t.Fatalf("%v with %v", answer.Kind, err)
			case begun > maxTries && answer.Kind == ORLY:
				t.Fatalf("try number %d", begun)
			}
			if ok {
				begun--
			}
			if next, err := c.Handle(reply); err == nil && next != nil {
				honest = next
			}
		}
	})
}

// FuzzClient: whatever a server sends, beside or in place of what an honest one would, the
// client never panics, replies or fails but never both, believes the server only after an
// OHAI-OK, and with SCRAM and CURVE only if the gate of the honest one has agreed.
func FuzzClient(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, input []byte) {
		in := steps(input)
		g := new(gate)
		choice := in.next()
		s, c := newTestServer(t, g), fuzzClient(t, choice)
		message, err := c.Start()
		ztest.Must(t, err)
		honest, err := s.Handle(t.Context(), message)
		ztest.Must(t, err)
		for range 64 {
			if len(in) == 0 {
				break
			}
			message := honest
			switch in.next() % 5 {
			case 0:
			case 1:
				command := in.command()
				if message, err = FILEMQ.Message(command); err != nil {
					continue
				}
			case 2:
				message = clone(honest)
				if message != nil {
					in.change(message)
				}
			case 3:
				message = split(in.data())
			case 4:
				if message, err = c.Start(); err != nil {
					t.Fatal(err)
				}
				if honest, _ = s.Handle(t.Context(), message); honest == nil {
					return // its tries are used up
				}
				message = honest
			}
			was, name := c.state, c.Mechanism()
			reply, err := c.Handle(message)
			if err != nil && (reply != nil || c.Done() && was != open) {
				t.Fatalf("%q and %v", reply, err)
			}
			if c.Done() && was != open {
				parsed, failed := FILEMQ.Parse(message)
				proved := name == ScramSHA256 || name == ScramSHA256Plus || name == Curve
				if failed != nil || parsed.Kind != OHAIOK || proved && g.admitted == 0 {
					t.Fatalf("the client believes %q with %s after %d decisions", message, name, g.admitted)
				}
				return
			}
			if reply != nil {
				if next, _ := s.Handle(t.Context(), reply); next != nil {
					honest = next
				}
			}
		}
	})
}

func clone(message [][]byte) (c [][]byte) {
	for _, frame := range message {
		c = append(c, append([]byte{}, frame...))
	}
	return c
}
