package sasl

import (
	"errors"
	"slices"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// faulty is a codec of a program that has faults: each field, if set, replaces the function
// of FILEMQ.
type faulty struct {
	message func(Command) ([][]byte, error)
	parse   func([][]byte) (Command, error)
}

func (f faulty) Message(c Command) ([][]byte, error) {
	if f.message != nil {
		return f.message(c)
	}
	return FILEMQ.Message(c)
}

func (f faulty) Parse(m [][]byte) (Command, error) {
	if f.parse != nil {
		return f.parse(m)
	}
	return FILEMQ.Parse(m)
}

// TestNilResponse: a codec that returns nil for an empty response does not delay a mechanism: the
// first YARLY always has a response.
func TestNilResponse(t *testing.T) {
	t.Parallel()
	codec := faulty{parse: func(m [][]byte) (Command, error) {
		c, err := FILEMQ.Parse(m)
		if len(c.Data) == 0 {
			c.Data = nil
		}
		return c, err
	}}
	for _, name := range strongest {
		s, cfg := newTestServer(t, new(gate)), testConfig(name)
		s.cfg.Codec, cfg.Codec = codec, codec
		c := newClient(t, cfg)
		if w := exchange(t, c, s); w.client != nil || w.server != nil || !c.Done() {
			t.Errorf("%s: %v, %v", name, w.client, w.server)
		}
	}
	s := newTestServer(t, new(gate))
	s.cfg.Codec = codec
	ohai(t, s)
	_, err := send(t, s, yarly(t, Plain, nil))
	checkError(t, "an empty PLAIN", err, ErrProtocol)
}

// TestNoMessageFromCodec: a codec that returns no frames fails, so that neither side waits for
// a message that nobody sends.
func TestNoMessageFromCodec(t *testing.T) {
	t.Parallel()
	silent := faulty{message: func(Command) ([][]byte, error) { return nil, nil }}
	s, cfg := newTestServer(t, new(gate)), testConfig(Plain)
	s.cfg.Codec, cfg.Codec = silent, silent
	_, err := send(t, s, compose(t, Command{Kind: OHAI}))
	checkError(t, "server", err, errEmpty)
	_, err = newClient(t, cfg).Start()
	checkError(t, "client", err, errEmpty)
}

// TestRubbishFromCodec: commands that no codec should return break the protocol on either
// side, in every state, and admit nobody.
func TestRubbishFromCodec(t *testing.T) {
	t.Parallel()
	var rubbish Command
	codec := faulty{parse: func(m [][]byte) (Command, error) {
		if m == nil {
			return rubbish, nil
		}
		return FILEMQ.Parse(m)
	}}
	for _, c := range []Command{
		{}, {Kind: 7}, {Kind: 255}, {Kind: YARLY}, {Kind: ORLY}, {Kind: YARLY, Mechanisms: []string{""}},
		{Kind: YARLY, Mechanisms: []string{Plain, Anonymous}}, {Kind: YARLY, Mechanisms: []string{"plain"}},
		{Kind: YARLY, Mechanisms: []string{Plain}, Data: make([]byte, maxData+1)},
		{Kind: YARLY, Mechanisms: []string{Plain}, Data: []byte("\x00alice\x00wonderland"), Reason: "please"},
		{Kind: ORLY, Mechanisms: mechanisms(maxMechanisms + 1)}, {Kind: ORLY, Mechanisms: []string{Plain, Plain}},
		{Kind: OHAI, Data: []byte("x")}, {Kind: OHAI, Mechanisms: []string{Plain}}, {Kind: OHAIOK, Reason: "welcome"},
		{Kind: RTFM, Reason: "a\nb"}, {Kind: SRSLY, Reason: "ä"},
	} {
		rubbish = c
		for _, at := range []state{start, choosing, exchanging, open} {
			s, _, _ := serverAt(t, at, testConfig(ScramSHA256))
			s.cfg.Codec = codec
			answer, err := send(t, s, nil)
			checkError(t, "server", err, ErrProtocol)
			if _, ok := s.User(); ok || answer.Kind != RTFM {
				t.Errorf("%v in state %d: %v", c.Kind, at, answer.Kind)
			}
			if at == start || at == open {
				continue
			}
			client, _ := clientAt(t, at, ScramSHA256)
			client.cfg.Codec = codec
			_, err = client.Handle(nil)
			checkError(t, "client", err, ErrProtocol)
		}
	}
}

// TestParseFails: an error of a codec breaks the protocol, whatever it says, unless it is
// ErrForeign.
func TestParseFails(t *testing.T) {
	t.Parallel()
	errOwn := errors.New("not a line")
	for _, err := range []error{errOwn, ErrTampered, ErrTries, &RefusedError{err: errOwn}} {
		s, _, _ := serverAt(t, open, testConfig(ScramSHA256))
		s.cfg.Codec = faulty{parse: func([][]byte) (Command, error) { return Command{Kind: OHAIOK}, err }}
		reply, got := s.Handle(t.Context(), nil)
		if checkError(t, "server", got, ErrProtocol); !errors.Is(got, err) || reply == nil || s.state != start {
			t.Errorf("%v, %q, state %d", got, reply, s.state)
		}
	}
}

// TestMessageFails: if the codec cannot write the answer, the server is ended, and nobody is
// authenticated. A client can start again.
func TestMessageFails(t *testing.T) {
	t.Parallel()
	errOwn := errors.New("out of ink")
	for _, kind := range []Kind{ORLY, OHAIOK, SRSLY, RTFM} {
		g := new(gate)
		s := newTestServer(t, g)
		messages := [][][]byte{compose(t, Command{Kind: OHAI}), yarly(t, Plain, []byte("\x00alice\x00wonderland"))}
		switch kind {
		case SRSLY:
			messages[1] = yarly(t, Plain, []byte("\x00alice\x00wrong"))
		case RTFM:
			messages = messages[1:]
		}
		s.cfg.Codec = faulty{message: func(c Command) ([][]byte, error) {
			if c.Kind == kind {
				return frames("half a message"), errOwn
			}
			return FILEMQ.Message(c)
		}}
		var reply [][]byte
		var err error
		for _, m := range messages {
			if reply, err = s.Handle(t.Context(), m); err != nil {
				break
			}
		}
		if checkError(t, kind.String(), err, errOwn); reply != nil {
			t.Errorf("%v: %q", kind, reply)
		}
		if _, ok := s.User(); ok {
			t.Errorf("%v: authenticated", kind)
		}
		_, err = s.Handle(t.Context(), messages[0])
		checkError(t, kind.String(), err, errClosed)
	}
	c := newTestClient(t, ScramSHA256)
	_, err := c.Start()
	ztest.Must(t, err)
	c.cfg.Codec = faulty{message: func(Command) ([][]byte, error) { return nil, errOwn }}
	_, err = c.Handle(orly(t, nil, ScramSHA256))
	checkError(t, "client", err, errOwn)
	if c.state != start {
		t.Errorf("state %d", c.state)
	}
	_, err = c.Start()
	checkError(t, "client", err, errOwn)
}

// TestReusedMessages: a codec may overwrite a message when it parses the next one: nothing refers
// to the old one.
func TestReusedMessages(t *testing.T) {
	t.Parallel()
	var buffers [][]byte
	codec := faulty{parse: func(m [][]byte) (Command, error) {
		for _, b := range buffers { // the message before is overwritten
			clear(b)
		}
		buffers = nil
		for _, frame := range m {
			buffers = append(buffers, slices.Clone(frame))
		}
		return FILEMQ.Parse(buffers)
	}}
	for _, name := range strongest {
		s, cfg := newTestServer(t, new(gate)), testConfig(name)
		s.cfg.Codec, cfg.Codec = codec, codec
		c := newClient(t, cfg)
		if w := exchange(t, c, s); w.client != nil || w.server != nil || !c.Done() {
			t.Errorf("%s: %v, %v", name, w.client, w.server)
		}
	}
}
