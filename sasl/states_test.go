package sasl

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// stateNames are the states in the tables of docs/spec/sasl.md.
var stateNames = map[string]state{"start": start, "choosing": choosing, "exchanging": exchanging, "open": open, "ended": ended}

// cell is a cell of a state table: what happens in a state, and the next state.
type cell struct {
	answer string
	next   state
}

// stateTable reads the table below a heading of the specification: by event and state.
func stateTable(t *testing.T, heading string) map[string]map[state]cell {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(ztest.Root(t), "docs", "spec", "sasl.md"))
	ztest.Must(t, err)
	_, section, ok := strings.Cut(string(text), "\n### "+heading+"\n")
	if !ok {
		t.Fatalf("no section %s", heading)
	}
	var states []state
	table := map[string]map[state]cell{}
	for _, line := range strings.Split(section, "\n") {
		if !strings.HasPrefix(line, "|") {
			if len(table) > 0 {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		event := strings.TrimSpace(cells[0])
		if strings.HasPrefix(event, "---") {
			continue
		}
		row := map[state]cell{}
		for i, text := range cells[1:] {
			if text = strings.TrimSpace(text); states == nil || len(states) <= i {
				s, ok := stateNames[text]
				if !ok {
					t.Fatalf("unknown state %q", text)
				}
				states = append(states, s)
				continue
			}
			answer, next, ok1 := strings.Cut(text, " → ")
			s, ok2 := stateNames[next]
			if !ok1 || !ok2 {
				t.Fatalf("%s: malformed cell %q", event, text)
			}
			row[states[i]] = cell{answer, s}
		}
		if len(row) == 4 {
			table[event] = row
		}
	}
	return table
}

// serverAt returns a server in a state, and the messages that an honest client of
// SCRAM-SHA-256 sends next: in the state exchanging, next is its proof.
func serverAt(t *testing.T, at state, cfg ClientConfig) (s *Server, c *Client, next [][]byte) {
	t.Helper()
	s, c = newTestServer(t, new(gate)), newClient(t, cfg)
	if at == open {
		exchange(t, newTestClient(t, Plain), s)
	}
	message, err := c.Start()
	ztest.Must(t, err)
	for s.state != at {
		reply, err := s.Handle(t.Context(), message)
		ztest.Must(t, err)
		message, err = c.Handle(reply)
		ztest.Must(t, err)
	}
	if at == start || at == open {
		message = yarly(t, ScramSHA256, []byte("n,,n=alice,r=nonce"))
	}
	return s, c, message
}

// TestServerStates: in each state, a server does what its table in the specification says.
func TestServerStates(t *testing.T) {
	t.Parallel()
	same := func(message [][]byte) func(*testing.T, state) (*Server, [][]byte) {
		return func(t *testing.T, at state) (*Server, [][]byte) {
			s, _, _ := serverAt(t, at, testConfig(ScramSHA256))
			return s, message
		}
	}
	ohai := compose(t, Command{Kind: OHAI})
	plain := yarly(t, Plain, []byte("\x00alice\x00wonderland"))
	commands := map[string]Command{
		"ORLY": {Kind: ORLY, Mechanisms: []string{ScramSHA256}}, "OHAI-OK": {Kind: OHAIOK},
		"SRSLY": {Kind: SRSLY, Reason: "400 refused"}, "RTFM": {Kind: RTFM, Reason: "no"},
	}
	events := map[string][]func(*testing.T, state) (*Server, [][]byte){
		"OHAI": {same(ohai)},
		"OHAI, but there is no mechanism to offer": {func(t *testing.T, at state) (*Server, [][]byte) {
			s, _, _ := serverAt(t, at, testConfig(ScramSHA256))
			s.cfg.Policy.(*gate).offer = []string{}
			return s, ohai
		}},
		"OHAI, but the tries are used up": {func(t *testing.T, at state) (*Server, [][]byte) {
			s, _, _ := serverAt(t, at, testConfig(ScramSHA256))
			if at != open { // where a success has set them back
				s.tries = maxTries
			}
			return s, ohai
		}},
		"YARLY, and the mechanism continues": {func(t *testing.T, at state) (*Server, [][]byte) {
			s, _, next := serverAt(t, at, testConfig(ScramSHA256))
			return s, next
		}},
		"YARLY, and the mechanism has succeeded": {func(t *testing.T, at state) (*Server, [][]byte) {
			s, c, next := serverAt(t, at, testConfig(ScramSHA256))
			if at != exchanging {
				return s, plain
			}
			reply, err := s.Handle(t.Context(), next)
			ztest.Must(t, err)
			next, err = c.Handle(reply)
			ztest.Must(t, err)
			return s, next
		}},
		"YARLY, but the client is refused": {func(t *testing.T, at state) (*Server, [][]byte) {
			cfg := testConfig(ScramSHA256)
			cfg.Password = zap.NewPassword("wrong")
			s, _, next := serverAt(t, at, cfg)
			if at != exchanging {
				next = yarly(t, Plain, []byte("\x00alice\x00wrong"))
			}
			return s, next
		}},
		"YARLY, but the offer or the binding differs": {func(t *testing.T, at state) (*Server, [][]byte) {
			cfg := testConfig(ScramSHA256Plus)
			cfg.Link.Binding[5]++
			s, _, next := serverAt(t, at, cfg)
			if at != exchanging {
				next = yarly(t, ScramSHA256, []byte("y,,n=alice,r=nonce"))
			}
			return s, next
		}},
		"YARLY with a malformed response": {same(yarly(t, ScramSHA256, []byte("please")))},
		"YARLY of a mechanism that is not offered, or not the one chosen": {same(yarly(t, "GSSAPI", nil)), func(t *testing.T, at state) (*Server, [][]byte) {
			s, _, _ := serverAt(t, at, testConfig(ScramSHA256))
			if at == choosing {
				return s, yarly(t, "KERBEROS_V4", nil)
			}
			return s, plain
		}},
		"ORLY, OHAI-OK, SRSLY or RTFM":  nil,
		"a malformed command":           {same(frames("\xAA\xA3\x03"))},
		"a message of another protocol": {same(frames("GET /"))},
	}
	for _, c := range commands {
		const name = "ORLY, OHAI-OK, SRSLY or RTFM"
		events[name] = append(events[name], same(compose(t, c)))
	}
	table := stateTable(t, "The server")
	if len(table) != len(events) {
		t.Errorf("the table has %d rows, and the test %d", len(table), len(events))
	}
	for event, tests := range events {
		for at, want := range table[event] {
			for _, prepare := range tests {
				s, message := prepare(t, at)
				if s.state != at {
					t.Fatalf("%s: the server is in state %d, not %d", event, s.state, at)
				}
				answer, err := send(t, s, message)
				got := cell{answer.Kind.String(), s.state}
				if answer.Kind == 0 {
					got.answer = "nothing"
				}
				if got != want {
					t.Errorf("%s in state %d: got %v, expected %v: %v", event, at, got, want, err)
				}
				if _, ok := s.User(); ok != (s.state == open) {
					t.Errorf("%s in state %d: authenticated: %v", event, at, ok)
				}
			}
		}
		if len(table[event]) != 4 {
			t.Errorf("the table has no row %q", event)
		}
	}
}

// clientAt returns a client of SCRAM-SHA-256 in a state, and the server's next message.
func clientAt(t *testing.T, at state, mechanism string) (c *Client, next [][]byte) {
	t.Helper()
	s, c := newTestServer(t, new(gate)), newTestClient(t, mechanism)
	if at == start {
		return c, orly(t, nil, mechanism)
	}
	message, err := c.Start()
	ztest.Must(t, err)
	for {
		next, err = s.Handle(t.Context(), message)
		ztest.Must(t, err)
		if c.state == at {
			return c, next
		}
		message, err = c.Handle(next)
		ztest.Must(t, err)
		if c.state == open && at == open {
			return c, compose(t, Command{Kind: OHAIOK})
		}
	}
}

// TestClientStates: in each state, a client does what its table in the specification says.
func TestClientStates(t *testing.T) {
	t.Parallel()
	type event func(*testing.T, state) (*Client, [][]byte)
	same := func(mechanism string, message [][]byte) event {
		return func(t *testing.T, at state) (*Client, [][]byte) {
			c, _ := clientAt(t, at, mechanism)
			return c, message
		}
	}
	proved := func(t *testing.T, at state) (*Client, [][]byte) {
		mechanism := Plain
		if at == choosing {
			mechanism = Anonymous
		}
		c, _ := clientAt(t, at, mechanism)
		return c, compose(t, Command{Kind: OHAIOK})
	}
	events := map[string][]event{
		"ORLY that offers a mechanism to use": {func(t *testing.T, at state) (*Client, [][]byte) {
			c, _ := clientAt(t, at, ScramSHA256)
			c.cfg.Mechanisms = []string{ScramSHA256, Plain}
			return c, orly(t, nil, Plain)
		}},
		"ORLY that offers nothing to use": {same(ScramSHA256, orly(t, nil, "GSSAPI"))},
		"ORLY with the mechanism chosen and its next challenge": {func(t *testing.T, at state) (*Client, [][]byte) {
			return clientAt(t, at, ScramSHA256)
		}, func(t *testing.T, at state) (*Client, [][]byte) {
			return clientAt(t, at, Curve)
		}},
		"ORLY with the mechanism chosen and a malformed challenge": {
			same(ScramSHA256, orly(t, []byte("please"), ScramSHA256)), same(Curve, orly(t, []byte("please"), Curve)),
			same(Plain, orly(t, []byte("please"), Plain)),
		},
		"ORLY that shows another offer or another connection": {func(t *testing.T, at state) (*Client, [][]byte) {
			c, next := clientAt(t, at, ScramSHA256)
			switch at {
			case choosing:
				c.cfg.Link = Link{}
			case exchanging:
				next[1] = bytes.Replace(next[1], []byte(",h="), []byte(",h=AAAA"), 1)
			}
			return c, next
		}},
		"OHAI-OK, and all is proved": {proved},
		"OHAI-OK, but the server has not proved what it must": {
			same(ScramSHA256, compose(t, Command{Kind: OHAIOK})), same(Curve, compose(t, Command{Kind: OHAIOK})),
		},
		"SRSLY":                         {same(ScramSHA256, compose(t, Command{Kind: SRSLY, Reason: "400 refused"}))},
		"RTFM":                          {same(ScramSHA256, compose(t, Command{Kind: RTFM, Reason: "read it"}))},
		"OHAI or YARLY":                 {same(ScramSHA256, compose(t, Command{Kind: OHAI})), same(ScramSHA256, yarly(t, ScramSHA256, nil))},
		"a malformed command":           {same(ScramSHA256, frames("\xAA\xA3\x03"))},
		"a message of another protocol": {same(ScramSHA256, frames("HTTP/1.1 400 Bad Request"))},
		"the program begins":            {same(ScramSHA256, nil)},
	}
	table := stateTable(t, "The client")
	if len(table) != len(events) {
		t.Errorf("the table has %d rows, and the test %d", len(table), len(events))
	}
	for name, tests := range events {
		for at, want := range table[name] {
			for _, prepare := range tests {
				c, message := prepare(t, at)
				if c.state != at {
					t.Fatalf("%s: the client is in state %d, not %d", name, c.state, at)
				}
				got := cell{clientAnswer(t, c, message), c.state}
				if got.next = c.state; got != want {
					t.Errorf("%s in state %d: got %v, expected %v", name, at, got, want)
				}
				if c.Done() != (c.state == open) {
					t.Errorf("%s in state %d: done: %v", name, at, c.Done())
				}
			}
		}
		if len(table[name]) != 4 {
			t.Errorf("the table has no row %q", name)
		}
	}
}

// clientAnswer hands a message to a client, or starts it if the message is nil, and returns
// what it does in the words of the table.
func clientAnswer(t *testing.T, c *Client, message [][]byte) string {
	t.Helper()
	idle := c.state == start || c.state == open
	handle := func() ([][]byte, error) { return c.Handle(message) }
	if message == nil {
		handle = c.Start
	}
	reply, err := handle()
	if reply != nil {
		command, failed := FILEMQ.Parse(reply)
		ztest.Must(t, failed, err)
		return command.Kind.String()
	}
	_, refused := errors.AsType[*RefusedError](err)
	switch {
	case err == nil:
		return "done"
	case idle:
		return "not taken"
	case refused:
		return "fails: refused"
	case errors.Is(err, ErrForeign):
		return "ignored"
	case errors.Is(err, ErrTampered):
		return "fails: interferes"
	case errors.Is(err, ErrProtocol):
		return "fails: protocol"
	}
	return "fails: nothing to use"
}
