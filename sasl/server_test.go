package sasl

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// TestTries: a client begins five times without success, no matter what succeeds in between. After
// that, the server answers nothing.
func TestTries(t *testing.T) {
	t.Parallel()
	wrong := testConfig(Plain)
	wrong.Password = zap.NewPassword("wrong")
	g := new(gate)
	s := newTestServer(t, g)
	for range maxTries - 1 {
		checkRefused(t, exchange(t, newClient(t, wrong), s).server, Plain, zap.StatusRefused)
		ztest.Must(t, exchange(t, newTestClient(t, Anonymous), s).server)
	}
	for range 2 * maxTries {
		ztest.Must(t, exchange(t, newTestClient(t, Plain), s).server)
	}
	asked := len(g.requests)
	checkRefused(t, exchange(t, newClient(t, wrong), s).server, Plain, zap.StatusRefused)
	c := newTestClient(t, Plain)
	w := exchange(t, c, s)
	checkError(t, "server", w.server, ErrTries)
	checkRefused(t, w.client, "", zap.StatusRefused)
	message, err := c.Start()
	ztest.Must(t, err)
	for range 3 {
		reply, err := s.Handle(t.Context(), message)
		checkError(t, "server", err, ErrTries)
		if reply != nil {
			t.Errorf("the server answers %q", reply)
		}
	}
	if got := len(g.requests); got != asked+1 {
		t.Errorf("%d requests in the last try", got-asked)
	}
}

// TestBrokenTries: commands that break the protocol are tries, too, even before the first OHAI.
func TestBrokenTries(t *testing.T) {
	t.Parallel()
	messages := map[string]func(*Server) [][]byte{
		"YARLY": func(*Server) [][]byte { return yarly(t, Plain, nil) },
		"after OHAI": func(s *Server) [][]byte {
			ohai(t, s)
			return yarly(t, Plain, nil)
		},
		"malformed": func(*Server) [][]byte { return frames("\xAA\xA3\x02") },
		"RTFM":      func(*Server) [][]byte { return compose(t, Command{Kind: RTFM, Reason: "no, you"}) },
	}
	for name, message := range messages {
		s := newTestServer(t, new(gate))
		for range maxTries {
			answer, err := send(t, s, message(s))
			checkError(t, name, err, ErrProtocol)
			if answer.Kind != RTFM {
				t.Errorf("%s: %v", name, answer.Kind)
			}
		}
		reply, err := s.Handle(t.Context(), frames("\xAA\xA3\x01\x06FILEMQ\x01"))
		checkError(t, name, err, ErrTries)
		if reply != nil {
			t.Errorf("%s: the server answers", name)
		}
	}
}

// TestUnexpected: the client of a protocol that sends another command of it, for example before
// it has authenticated, is not told that the command is malformed.
func TestUnexpected(t *testing.T) {
	t.Parallel()
	for want, message := range map[string][][]byte{
		"unexpected command": frames("\xAA\xA3\x09"), // HUGZ
		"malformed command":  frames("\xAA\xA3\x03"),
	} {
		reply, err := send(t, newTestServer(t, new(gate)), message)
		checkError(t, want, err, ErrProtocol)
		if reply.Kind != RTFM || reply.Reason != want {
			t.Errorf("%v, want %s", reply, want)
		}
	}
}

// TestForeign: a message of another protocol changes nothing, in any state, and is not a try.
func TestForeign(t *testing.T) {
	t.Parallel()
	s, c := newTestServer(t, new(gate)), newTestClient(t, ScramSHA256)
	foreign := func(*Command) {
		for range 100 {
			reply, err := s.Handle(t.Context(), frames("GET / HTTP/1.1"))
			if reply != nil || !errors.Is(err, ErrForeign) {
				t.Errorf("%q, %v", reply, err)
			}
			if c.state == choosing || c.state == exchanging {
				reply, err := c.Handle(frames("HTTP/1.1 400 Bad Request"))
				if reply != nil || !errors.Is(err, ErrForeign) {
					t.Errorf("%q, %v", reply, err)
				}
			}
		}
	}
	w := &wire{toServer: foreign, toClient: foreign}
	w.run(t, c, s)
	if _, ok := s.User(); !ok || !c.Done() {
		t.Errorf("%v, %v", w.client, w.server)
	}
}

// TestClosed: a closed server answers nothing and has no user.
func TestClosed(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{OHAI, YARLY, OHAIOK} {
		s := newTestServer(t, new(gate))
		w := &wire{toClient: func(c *Command) {
			if c.Kind == kind || kind == YARLY && c.Kind == ORLY {
				s.Close()
			}
		}}
		if kind == OHAI {
			s.Close()
		}
		w.run(t, newTestClient(t, ScramSHA256), s)
		if kind != OHAIOK {
			checkError(t, kind.String(), w.server, errClosed)
		}
		if _, ok := s.User(); ok {
			t.Error("a closed server has a user")
		}
	}
}

// TestUserEnds: a client that begins again, or breaks the protocol, is no longer authenticated.
func TestUserEnds(t *testing.T) {
	t.Parallel()
	for _, message := range [][][]byte{
		compose(t, Command{Kind: OHAI}),
		compose(t, Command{Kind: OHAIOK}),
		yarly(t, Plain, []byte("\x00alice\x00wonderland")),
		frames("\xAA\xA3"),
	} {
		s := newTestServer(t, new(gate))
		exchange(t, newTestClient(t, Plain), s)
		if _, ok := s.User(); !ok {
			t.Fatal("no user")
		}
		send(t, s, message)
		if user, ok := s.User(); ok || user.ID != "" {
			t.Errorf("after %q the client is still %v", message, user)
		}
	}
}

// TestHandlerInTime: a handler that never answers delays an exchange no longer than the context
// allows, with each mechanism. The client may try again later.
func TestHandlerInTime(t *testing.T) {
	t.Parallel()
	for _, name := range strongest {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			t.Cleanup(func() { close(release) })
			ctx, cancel := context.WithCancelCause(t.Context())
			cause := errors.New("the program has waited long enough")
			g := &gate{handle: func(context.Context) bool {
				cancel(cause)
				<-release
				return false
			}}
			s, c := newTestServer(t, g), newTestClient(t, name)
			message, err := c.Start()
			ztest.Must(t, err)
			var refusal error
			for message != nil {
				message, refusal = s.Handle(ctx, message)
				message, err = c.Handle(message)
			}
			checkRefused(t, refusal, name, zap.StatusTryLater)
			checkError(t, "server", refusal, cause)
			checkRefused(t, err, name, zap.StatusTryLater)
			if s.state != start {
				t.Errorf("state %d", s.state)
			}
		})
	}
}

// TestHandlerFails: a handler that panics, ends its goroutine, makes no decision or returns
// rubbish admits nobody, and its error is only for the log.
func TestHandlerFails(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]func(context.Context) bool{
		"panic":       func(context.Context) bool { panic("out of order") },
		"ends":        func(context.Context) bool { runtime.Goexit(); return false },
		"no decision": func(context.Context) bool { return false },
	} {
		for _, mechanism := range strongest {
			s, c := newTestServer(t, &gate{handle: handle}), newTestClient(t, mechanism)
			w := exchange(t, c, s)
			checkRefused(t, w.server, mechanism, zap.StatusError)
			checkRefused(t, w.client, mechanism, zap.StatusError)
			if refused, ok := errors.AsType[*RefusedError](w.client); ok && refused.Reply.Text != "server error" {
				t.Errorf("%s: the client learns %q", name, refused.Reply.Text)
			}
		}
	}
}

// TestCredentialsAreCopies: a handler may wipe the credentials that it is asked about.
func TestCredentialsAreCopies(t *testing.T) {
	t.Parallel()
	for _, name := range strongest {
		g := new(gate)
		wipe := zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
			reply := g.Handle(ctx, req)
			for _, c := range req.Credentials {
				clear(c)
			}
			return reply
		})
		s, c := newTestServer(t, g), newTestClient(t, name)
		s.cfg.Handler = wiping{wipe, g}
		w := exchange(t, c, s)
		if w.server != nil || !c.Done() || s.cfg.Link != testLink {
			t.Errorf("%s: %v, %v", name, w.client, w.server)
		}
	}
}

// wiping is a Policy that decides by another handler.
type wiping struct {
	zap.Handler
	*gate
}

func (w wiping) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	return w.Handler.Handle(ctx, req)
}

// TestEndless: a mechanism that never ends is stopped after 8 rounds.
func TestEndless(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, new(gate))
	ohai(t, s)
	s.state, s.name, s.mechanism = exchanging, Plain, endless{}
	for range maxRounds {
		answer, err := send(t, s, yarly(t, Plain, nil))
		if err != nil || answer.Kind != ORLY {
			t.Fatalf("%v, %v", answer.Kind, err)
		}
	}
	answer, err := send(t, s, yarly(t, Plain, nil))
	checkError(t, "server", err, ErrProtocol)
	if answer.Kind != RTFM || answer.Reason != "too many rounds" {
		t.Errorf("%v %s", answer.Kind, answer.Reason)
	}
}

// endless is either side of a mechanism that does not end, and never asks the gate.
type endless struct{ done bool }

func (m endless) Next([]byte) ([]byte, bool, error) { return nil, m.done, nil }

// TestUndecided: a mechanism that ends without a decision admits nobody.
func TestUndecided(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, new(gate))
	exchange(t, newTestClient(t, Plain), s) // a decision of another exchange does not count
	ohai(t, s)
	s.state, s.name, s.mechanism = exchanging, Plain, endless{done: true}
	answer, err := send(t, s, yarly(t, Plain, nil))
	if answer.Kind != SRSLY || answer.Reason != "500 server error" || err == nil {
		t.Errorf("%v %q, %v", answer.Kind, answer.Reason, err)
	}
	if _, ok := s.User(); ok {
		t.Error("admitted")
	}
}

// TestReasons: a reason reveals nothing about the policy.
func TestReasons(t *testing.T) {
	t.Parallel()
	for status, want := range map[zap.Status]string{
		zap.StatusRefused: "400 refused", zap.StatusTryLater: "300 try again later", zap.StatusError: "500 server error",
	} {
		if c := refusal(status); c.Kind != SRSLY || c.Reason != want {
			t.Errorf("%v %q", c.Kind, c.Reason)
		}
		if reply := parseReason(want); reply.Status != status || reply.Text != want[4:] {
			t.Errorf("%q is %v", want, reply)
		}
	}
	if text := (&RefusedError{Reply: parseReason("400")}).Error(); text != "sasl: refused: 400" {
		t.Errorf("got %q", text)
	}
	for _, text := range []string{"", "200 OK", "404 not found", "no", "400", "-1", "99999999999999999999 x"} {
		if reply := parseReason(text); reply.Status != zap.StatusRefused {
			t.Errorf("%q is %v", text, reply)
		}
	}
}

// slow is a Policy whose verifiers are not there.
type slow struct {
	*gate
	verifier func(ctx context.Context) (Verifier, error)
}

func (p slow) Verifier(ctx context.Context, _, _ string) (Verifier, error) { return p.verifier(ctx) }

// TestNoVerifier: a policy that does not return a verifier in time, fails or panics admits nobody.
func TestNoVerifier(t *testing.T) {
	t.Parallel()
	errOwn := errors.New("disk on fire")
	for name, test := range map[string]struct {
		verifier func(ctx context.Context) (Verifier, error)
		want     Command
	}{
		"late":   {func(ctx context.Context) (Verifier, error) { <-ctx.Done(); return Verifier{}, ctx.Err() }, refusal(zap.StatusTryLater)},
		"fails":  {func(context.Context) (Verifier, error) { return Verifier{}, errOwn }, refusal(zap.StatusError)},
		"panics": {func(context.Context) (Verifier, error) { panic("out of order") }, refusal(zap.StatusError)},
		"none":   {func(context.Context) (Verifier, error) { return Verifier{}, nil }, refusal(zap.StatusError)},
	} {
		g := new(gate)
		s := newTestServer(t, g)
		s.cfg.Policy = slow{g, test.verifier}
		ohai(t, s)
		ctx := t.Context()
		if name == "late" {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			ctx = ended
		}
		reply, err := s.Handle(ctx, yarly(t, ScramSHA256, []byte("n,,n=alice,r=nonce")))
		if err == nil || diff(compose(t, test.want), reply) != "" || len(g.requests) > 0 || s.state != start {
			t.Errorf("%s: %q, %v", name, reply, err)
		}
	}
}

// panicking is a policy with a bug.
type panicking struct{ Policy }

func (panicking) Mechanisms(string, bool) []string { panic("out of order") }

// TestNoOffer: a policy that panics when it is asked what to offer refuses the client.
func TestNoOffer(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, new(gate))
	s.cfg.Policy = panicking{}
	reply, err := s.Handle(t.Context(), compose(t, Command{Kind: OHAI}))
	if err == nil || diff(compose(t, refusal(zap.StatusError)), reply) != "" || s.state != start {
		t.Errorf("%q, %v", reply, err)
	}
}

// TestPlainWithoutPolicy: a server that asks a daemon offers PLAIN on a connection that is not
// encrypted only if the program says so. With a Policy, that says it.
func TestPlainWithoutPolicy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ encrypted, insecure, offered bool }{
		{false, false, false}, {false, true, true}, {true, false, true}, {true, true, true},
	} {
		s, err := NewServer(ServerConfig{
			Codec: FILEMQ, Handler: zap.HandlerFunc(new(gate).Handle), Mechanisms: []string{Plain, Anonymous},
			InsecurePlain: test.insecure, Link: Link{Local: true, Encrypted: test.encrypted},
		})
		ztest.Must(t, err)
		if offered := slices.Contains(ohai(t, s), Plain); offered != test.offered {
			t.Errorf("%+v: offered: %v", test, offered)
		}
	}
}
