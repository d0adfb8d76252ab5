package sasl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	gosasl "github.com/emersion/go-sasl"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

var (
	errClosed    = errors.New("sasl: this Server is closed")
	errUndecided = errors.New("no decision")
)

// maxTries is how many exchanges a client may begin without success.
const maxTries = 5

// maxRounds is the largest number of responses in one exchange. CURVE and SCRAM have three.
const maxRounds = 8

// state is the state of an exchange on either side.
type state byte

const (
	start      state = iota // OHAI comes next
	choosing                // the mechanisms are offered
	exchanging              // a mechanism is chosen
	open                    // the client is admitted
	ended                   // nothing comes next
)

// A User is an authenticated client. Plain data: don't change it while it is in use.
type User struct {
	Mechanism string          // the mechanism by which it authenticated
	ID        string          // the user id, from the handler
	Key       curve.PublicKey // the key that it has proved, if the decision was about it; otherwise zero
	Metadata  zap.Metadata    // the metadata, from the handler
}

// A Server is the server's side of the exchange with one client. For one goroutine at a
// time. NewServer returns one; the zero Server refuses every command.
type Server struct {
	cfg       ServerConfig
	state     state
	tries     int      // without success
	rounds    int      // of this exchange
	offered   []string // in this exchange
	name      string   // of the mechanism in use
	mechanism gosasl.Server
	decided   *User // the client that the gate has admitted, before the exchange ends

	// ctx is the context of the Handle call in progress, because go-sasl's callbacks take none.
	ctx context.Context
}

// User returns the authenticated client. It returns false if the client is not
// authenticated, or if it was and has begun a new exchange.
func (s *Server) User() (User, bool) {
	if s.state != open {
		return User{}, false
	}
	return *s.decided, true
}

// Layer returns the security layer of the mechanism CURVE, which seals messages to the client
// and opens messages from it. Both are nil until the client is authenticated, and with any
// other mechanism. A new exchange or Close does not close them.
func (s *Server) Layer() (*curve.Sealer, *curve.Opener) {
	if m, ok := s.mechanism.(layered); ok && s.state == open {
		return m.layer()
	}
	return nil, nil
}

// Close ends the exchange and wipes the keys of the mechanism CURVE. Handle then refuses
// every command. It may be called more than once.
func (s *Server) Close() {
	s.reset(ended)
}

// Handle takes a message from the client and returns the reply, or nil if there is nothing
// to send. It asks the Handler or the Policy with ctx, and blocks until there is a decision:
// a tenth of a second for a password of PLAIN. So don't call it where other clients wait.
//
// An error says why the client is not admitted, for the log. There can be a reply beside it:
//
//   - *RefusedError: the handler refused the client, which may try again.
//   - ErrTampered: the same, because someone on the path interfered.
//   - ErrProtocol: the client broke the protocol. It may try again.
//   - ErrTries: the client has used up its 5 tries. Close the connection.
//   - ErrForeign: the message belongs to another protocol. Nothing has changed.
//
// Pass Handle only messages of the exchange. Any other message breaks the protocol and ends
// the exchange, even if the client is authenticated. Handle does not keep the message.
func (s *Server) Handle(ctx context.Context, message [][]byte) (reply [][]byte, err error) {
	if s.cfg.Codec == nil {
		return nil, errors.New("sasl: this Server is not from NewServer")
	}
	if s.state == ended {
		return nil, s.over()
	}
	c, err := parse(s.cfg.Codec, message)
	if errors.Is(err, ErrForeign) {
		return nil, fmt.Errorf("sasl: %w", err)
	}
	s.ctx = ctx
	defer func() { s.ctx = nil }()
	var answer Command
	switch {
	case errors.Is(err, errKind):
		answer, err = s.broken("unexpected command", err) // such as a request before OHAI
	case err != nil:
		answer, err = s.broken("malformed command", err)
	default:
		answer, err = s.handle(&c)
	}
	reply, failed := messageOf(s.cfg.Codec, answer)
	if failed != nil {
		s.reset(ended)
		return nil, failed
	}
	return reply, err
}

// over says why the server is ended.
func (s *Server) over() error {
	if s.tries >= maxTries {
		return fmt.Errorf("sasl: %w", ErrTries)
	}
	return errClosed
}

func (s *Server) handle(c *Command) (Command, error) {
	switch {
	case c.Kind == OHAI:
		return s.begin()
	case c.Kind == YARLY && s.state == choosing:
		name := c.Mechanisms[0]
		if !slices.Contains(s.offered, name) {
			return s.broken("mechanism was not offered", fmt.Errorf("mechanism %s was not offered", name))
		}
		s.state, s.name, s.mechanism = exchanging, name, s.newServer(name)
		return s.next(c.Data)
	case c.Kind == YARLY && s.state == exchanging:
		if c.Mechanisms[0] != s.name {
			return s.broken("mechanism changed", fmt.Errorf("mechanism changed from %s to %s", s.name, c.Mechanisms[0]))
		}
		return s.next(c.Data)
	}
	return s.broken("unexpected command", fmt.Errorf("unexpected %s", c.Kind))
}

// begin answers OHAI, which ends any earlier exchange.
func (s *Server) begin() (Command, error) {
	s.reset(start)
	if s.tries >= maxTries {
		s.reset(ended)
		return Command{Kind: SRSLY, Reason: "400 too many tries"}, fmt.Errorf("sasl: %w", ErrTries)
	}
	s.tries++
	allowed, err := s.allowed(s.cfg.Link.isEncrypted())
	if err != nil {
		return refusal(zap.StatusError), fmt.Errorf("sasl: %w", err)
	}
	s.offered = slices.DeleteFunc(slices.Clone(allowed), func(name string) bool { return s.lacks(name) != "" })
	if len(s.offered) == 0 {
		return refusal(zap.StatusRefused), s.refused(zap.Refuse("no mechanism to offer on this connection: "+s.missing(allowed)), nil)
	}
	s.state = choosing
	return Command{Kind: ORLY, Mechanisms: s.offered}, nil
}

// allowed returns the mechanisms that the program and the policy allow.
func (s *Server) allowed(encrypted bool) (names []string, err error) {
	names, policy := s.cfg.Mechanisms, s.cfg.Policy
	if policy == nil {
		return names, nil
	}
	defer recovered(&err)
	allowed := policy.Mechanisms(s.cfg.Domain, encrypted)
	if names == nil {
		return allowed, nil
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(allowed, name) }), nil
}

// recovered turns a panic of the policy into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the policy panics: %v", p)
	}
}

// missing says, for the log, why there is no mechanism to offer.
func (s *Server) missing(allowed []string) string {
	var missing []string
	for _, name := range allowed {
		missing = append(missing, name+" "+s.lacks(name))
	}
	encrypted, _ := s.allowed(true)
	for _, name := range encrypted {
		if !slices.Contains(allowed, name) {
			missing = append(missing, name+" needs an encrypted connection, or the policy's sasl must name it")
		}
	}
	if len(missing) == 0 {
		return fmt.Sprintf("the policy has none for the domain %q", s.cfg.Domain)
	}
	return strings.Join(missing, ", ")
}

// lacks returns what a mechanism needs that the server does not have, or "".
func (s *Server) lacks(name string) string {
	link := &s.cfg.Link
	switch {
	case name == ScramSHA256Plus && !link.isBound():
		return "needs the channel binding of a CURVE connection"
	case name == Curve && s.cfg.Curve == nil:
		return "needs the server's key"
	case name == External && !link.isCurve() && link.Principal == "":
		return "needs a connection that proves the client"
	case name == Plain && s.cfg.Policy == nil && !link.isEncrypted() && !s.cfg.InsecurePlain:
		return "needs an encrypted connection"
	case !slices.Contains(strongest, name):
		return "is unknown"
	}
	return ""
}

// next passes a response to the mechanism.
func (s *Server) next(response []byte) (Command, error) {
	if s.rounds++; s.rounds > maxRounds {
		return s.broken("too many rounds", errors.New("too many rounds"))
	}
	if response == nil {
		response = []byte{} // to go-sasl, nil is a response that is still to come
	}
	challenge, done, err := s.mechanism.Next(response)
	switch {
	case err != nil:
		return s.failed(err)
	case !done:
		return Command{Kind: ORLY, Mechanisms: []string{s.name}, Data: challenge}, nil
	case s.decided == nil:
		return s.failed(errUndecided)
	}
	s.tries-- // not 0: a client that knows one password must not guess others endlessly
	s.state = open
	if _, ok := s.mechanism.(layered); !ok {
		s.mechanism = nil // it has messages of the client
	}
	return Command{Kind: OHAIOK}, nil
}

// failed answers a response with which the mechanism failed. The server is at its start again.
func (s *Server) failed(err error) (Command, error) {
	if errors.Is(err, errIdentity) {
		err = s.refused(zap.Refuse(errIdentity.Error()), nil)
	}
	name := s.name
	status := zap.StatusError
	refused, isRefused := errors.AsType[*RefusedError](err)
	switch {
	case isRefused:
		s.reset(start)
		return refusal(refused.Reply.Status), err
	case errors.Is(err, ErrProtocol):
		return s.broken("malformed response", fmt.Errorf("%s: %w", name, err))
	case errors.Is(err, ErrTampered):
		status = zap.StatusRefused
	case s.ctx.Err() != nil:
		status = zap.StatusTryLater
	}
	s.reset(start)
	return refusal(status), fmt.Errorf("sasl: %s: %w", name, err)
}

// ask asks the gate about the client. It returns a *RefusedError, or nil if the client is
// admitted.
func (s *Server) ask(key curve.PublicKey, mechanism string, credentials ...[]byte) error {
	for i, c := range credentials {
		credentials[i] = bytes.Clone(c) // the handler may change or keep them
	}
	reply, err := zap.Ask(s.ctx, s.cfg.Handler, &zap.Request{
		Domain:      s.cfg.Domain,
		Address:     s.cfg.Link.Address,
		Mechanism:   mechanism,
		Credentials: credentials,
	})
	if reply.Status != zap.StatusOK {
		return s.refused(reply, err)
	}
	s.decided = &User{Mechanism: s.name, ID: reply.UserID, Key: key, Metadata: reply.Metadata}
	return nil
}

// verifier returns the verifier of a login.
func (s *Server) verifier(login string) (v Verifier, err error) {
	defer recovered(&err)
	return s.cfg.Policy.Verifier(s.ctx, s.cfg.Domain, login)
}

func (s *Server) refused(reply zap.Reply, err error) error {
	return &RefusedError{Mechanism: s.name, Reply: reply, err: err}
}

// refusal returns the command that refuses a client, without the reason.
func refusal(status zap.Status) Command {
	reason := "server error"
	switch status {
	case zap.StatusRefused:
		reason = "refused"
	case zap.StatusTryLater:
		reason = "try again later"
	}
	return Command{Kind: SRSLY, Reason: fmt.Sprintf("%d %s", status, reason)}
}

// broken answers a command that breaks the protocol, and ends the exchange. A command that
// arrives outside an exchange counts as a try.
func (s *Server) broken(reason string, err error) (Command, error) {
	if s.state == start {
		s.tries++
	}
	s.reset(start)
	if s.tries >= maxTries {
		s.reset(ended)
	}
	if !errors.Is(err, ErrProtocol) {
		err = fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return Command{Kind: RTFM, Reason: reason}, fmt.Errorf("sasl: %w", err)
}

// reset ends the exchange.
func (s *Server) reset(next state) {
	if m, ok := s.mechanism.(layered); ok {
		m.close()
	}
	s.state, s.rounds, s.offered, s.name, s.mechanism, s.decided = next, 0, nil, "", nil, nil
}
