package sasl

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	gosasl "github.com/emersion/go-sasl"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// ClientConfig configures a [Client].
type ClientConfig struct {
	// Codec is the codec of your protocol.
	Codec Codec
	// Mechanisms are the mechanisms to use, in order of preference. If nil, all for which the
	// client has credentials, strongest first: SCRAM-SHA-256-PLUS, CURVE, EXTERNAL,
	// SCRAM-SHA-256, PLAIN. A client without credentials then uses ANONYMOUS.
	Mechanisms []string
	// Username and Password are for PLAIN and SCRAM: at most 255 bytes each, without zero
	// bytes. SCRAM prepares both with SASLprep (RFC 4013).
	Username string
	Password zap.Password
	// Key and ServerKey are the client's secret key and the server's public key, for CURVE.
	Key       curve.SecretKey
	ServerKey curve.PublicKey
	// Link describes the connection to the server.
	Link Link
	// InsecurePlain allows PLAIN over an unencrypted connection. Anyone on the path can then
	// read the password.
	InsecurePlain bool
}

// A Client is the client's side of the exchange. For one goroutine at a time. NewClient
// returns one.
type Client struct {
	cfg       ClientConfig
	state     state
	rounds    int
	offered   []string
	name      string // of the mechanism in use
	mechanism gosasl.Client
}

// mutual is a mechanism by which the server proves something to the client.
type mutual interface {
	verified() bool // whether it has
}

var (
	errUnverified = errors.New("the server admits the client without proving itself")
	errRelayed    = errors.New("the server is on a CURVE connection, and this client is not")
	errUnasked    = errors.New("the server admits the client without asking for credentials")
	errLoginText  = errors.New("sasl: user name or password has a zero byte, or more than 255 bytes")
)

// Format writes the mechanism in use, for each verb: a Client contains a password.
func (c Client) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "client %s", c.name) }

// NewClient returns a client. It returns an error if cfg is invalid.
func NewClient(cfg ClientConfig) (*Client, error) {
	if cfg.Codec == nil {
		return nil, errors.New("sasl: no Codec")
	}
	if err := checkMechanisms(cfg.Mechanisms); err != nil {
		return nil, err
	}
	for _, text := range []string{cfg.Username, cfg.Password.Reveal()} {
		if len(text) > maxLogin || strings.Contains(text, "\x00") {
			return nil, errLoginText
		}
	}
	if cfg.Username == "" && cfg.Password.Reveal() != "" {
		return nil, errors.New("sasl: Password without Username")
	}
	if !cfg.Key.IsZero() {
		if err := cfg.ServerKey.Check(); err != nil {
			return nil, fmt.Errorf("sasl: ServerKey: %w", err)
		}
	}
	cfg.Mechanisms = slices.Clone(cfg.Mechanisms)
	return &Client{cfg: cfg}, nil
}

// Start returns the message that begins an exchange. It may be called again at any time, for
// example after a refusal, and ends any earlier exchange.
func (c *Client) Start() ([][]byte, error) {
	if c.cfg.Codec == nil {
		return nil, errors.New("sasl: this Client is not from NewClient")
	}
	c.reset(choosing)
	return messageOf(c.cfg.Codec, Command{Kind: OHAI})
}

// Done reports whether the server has admitted the client. With SCRAM and CURVE, the server
// has also proved itself.
func (c *Client) Done() bool { return c.state == open }

// Mechanism returns the mechanism that the client has chosen, or "".
func (c *Client) Mechanism() string { return c.name }

// Layer returns the security layer of the mechanism CURVE, which seals messages to the server
// and opens messages from it. Both are nil before Done, and with any other mechanism. A new
// exchange or Close does not close them.
func (c *Client) Layer() (*curve.Sealer, *curve.Opener) {
	if m, ok := c.mechanism.(layered); ok && c.state == open {
		return m.layer()
	}
	return nil, nil
}

// Close ends the exchange and wipes the keys of the mechanism CURVE. It may be called more
// than once, and Start may be called after it.
func (c *Client) Close() { c.reset(start) }

// Handle takes a message from the server and returns the reply. The reply is nil if the
// client is Done, or if there is an error. After an error, call Start for another try, except
// after ErrForeign, which changes nothing. The errors:
//
//   - *RefusedError: the server refused the client.
//   - ErrTampered: someone on the path changed the offer, or the server did not prove itself.
//   - ErrProtocol: either side broke the protocol.
//   - Others say why no mechanism can be used.
//
// With SCRAM, Handle derives a key from the password, with as many iterations as the server
// says: up to 2,000,000, which take about a second.
func (c *Client) Handle(message [][]byte) (reply [][]byte, err error) {
	if c.state != choosing && c.state != exchanging {
		return nil, errors.New("sasl: no exchange in progress")
	}
	command, err := parse(c.cfg.Codec, message)
	if err != nil {
		if !errors.Is(err, ErrForeign) {
			c.reset(start)
		}
		return nil, fmt.Errorf("sasl: %w", err)
	}
	answer, err := c.handle(&command)
	if err != nil {
		c.reset(start)
		return nil, err
	}
	if answer.Kind == 0 {
		return nil, nil
	}
	if reply, err = messageOf(c.cfg.Codec, answer); err != nil {
		c.reset(start)
		return nil, err
	}
	return reply, nil
}

func (c *Client) handle(command *Command) (answer Command, err error) {
	switch command.Kind {
	case ORLY:
		if c.state == choosing {
			return c.choose(command.Mechanisms)
		}
		return c.next(command)
	case OHAIOK:
		return Command{}, c.admitted()
	case SRSLY:
		return Command{}, &RefusedError{Mechanism: c.name, Reply: parseReason(command.Reason)}
	case RTFM:
		return Command{}, fmt.Errorf("sasl: %w: from the server: %s", ErrProtocol, command.Reason)
	}
	return Command{}, fmt.Errorf("sasl: %w: unexpected %s", ErrProtocol, command.Kind)
}

// choose chooses a mechanism and makes the first response.
func (c *Client) choose(offered []string) (Command, error) {
	c.offered = slices.Clone(offered)
	if slices.Contains(offered, ScramSHA256Plus) && !c.cfg.Link.isCurve() {
		return Command{}, fmt.Errorf("sasl: %w: %w", ErrTampered, errRelayed)
	}
	var missing []string
	for _, name := range c.preferred() {
		why := c.lacks(name)
		if !slices.Contains(offered, name) {
			if why != "" && c.cfg.Mechanisms == nil {
				continue // neither side has a use for it
			}
			why = cmp.Or(why, "is not offered")
		}
		if why != "" {
			missing = append(missing, name+" "+why)
			continue
		}
		c.state, c.name, c.mechanism = exchanging, name, c.newClient(name)
		_, response, err := c.mechanism.Start()
		if err != nil {
			return Command{}, fmt.Errorf("sasl: %s: %w", name, err)
		}
		return Command{Kind: YARLY, Mechanisms: []string{name}, Data: response}, nil
	}
	return Command{}, fmt.Errorf("sasl: no mechanism to use: the server offers %s; %s",
		strings.Join(offered, ", "), strings.Join(missing, ", "))
}

// preferred returns the mechanisms in order of preference.
func (c *Client) preferred() []string {
	if c.cfg.Mechanisms != nil {
		return c.cfg.Mechanisms
	}
	link := &c.cfg.Link
	if c.cfg.Username != "" || !c.cfg.Key.IsZero() || link.isCurve() || link.Principal != "" {
		return strongest[:len(strongest)-1] // not ANONYMOUS: the client has credentials
	}
	return strongest
}

// lacks returns what a mechanism needs that the client does not have, or "".
func (c *Client) lacks(name string) string {
	switch {
	case name == Curve && c.cfg.Key.IsZero():
		return "needs a key"
	case name == External && !c.cfg.Link.isCurve() && c.cfg.Link.Principal == "":
		return "needs a connection that proves the client"
	case (name == ScramSHA256 || name == ScramSHA256Plus || name == Plain) && (c.cfg.Username == "" || c.cfg.Password.Reveal() == ""):
		return "needs a user name and a password"
	case name == ScramSHA256Plus && !c.cfg.Link.isBound():
		return "needs the channel binding of a CURVE connection"
	case name == Plain && !c.cfg.Link.isEncrypted() && !c.cfg.InsecurePlain:
		return "needs an encrypted connection"
	}
	return ""
}

// next passes a challenge to the mechanism.
func (c *Client) next(command *Command) (Command, error) {
	if !slices.Contains(command.Mechanisms, c.name) {
		return Command{}, fmt.Errorf("sasl: %w: the server changed the mechanism from %s to %s",
			ErrProtocol, c.name, strings.Join(command.Mechanisms, ", "))
	}
	if c.rounds++; c.rounds > maxRounds {
		return Command{}, fmt.Errorf("sasl: %w: too many rounds", ErrProtocol)
	}
	response, err := c.mechanism.Next(command.Data)
	if err != nil {
		if !errors.Is(err, ErrTampered) && !errors.Is(err, ErrProtocol) {
			err = fromGoSASL(err)
		}
		return Command{}, fmt.Errorf("sasl: %s: %w", c.name, err)
	}
	return Command{Kind: YARLY, Mechanisms: []string{c.name}, Data: response}, nil
}

// admitted handles OHAI-OK.
func (c *Client) admitted() error {
	if c.state == choosing {
		if !slices.Contains(c.preferred(), Anonymous) {
			return fmt.Errorf("sasl: %w: %w", ErrTampered, errUnasked)
		}
		c.name = Anonymous
	}
	if m, ok := c.mechanism.(mutual); ok && !m.verified() {
		return fmt.Errorf("sasl: %s: %w: %w", c.name, ErrTampered, errUnverified)
	}
	c.state = open
	return nil
}

// parseReason parses the reason of an SRSLY: a status and a text.
func parseReason(reason string) zap.Reply {
	number, text, _ := strings.Cut(reason, " ")
	switch status, _ := strconv.Atoi(number); zap.Status(status) {
	case zap.StatusTryLater, zap.StatusRefused, zap.StatusError:
		return zap.Reply{Status: zap.Status(status), Text: text}
	}
	return zap.Refuse(reason)
}

// reset ends the exchange.
func (c *Client) reset(next state) {
	if m, ok := c.mechanism.(layered); ok {
		m.close()
	}
	c.state, c.rounds, c.offered, c.name, c.mechanism = next, 0, nil, "", nil
}
