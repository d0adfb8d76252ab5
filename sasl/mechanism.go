package sasl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	gosasl "github.com/emersion/go-sasl"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// strongest lists the mechanisms, strongest first.
var strongest = []string{ScramSHA256Plus, Curve, External, ScramSHA256, Plain, Anonymous}

// Mechanisms returns the mechanisms of this package, strongest first.
func Mechanisms() []string { return slices.Clone(strongest) }

// checkMechanisms returns an error if a name is unknown or a duplicate.
func checkMechanisms(names []string) error {
	for i, name := range names {
		if !slices.Contains(strongest, name) {
			return fmt.Errorf("sasl: unknown mechanism %q", name)
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("sasl: duplicate mechanism %s", name)
		}
	}
	return nil
}

const (
	maxLogin = 255 // bytes of a user name and of a password, as in RFC 24
	maxTrace = 255 // bytes of the trace of ANONYMOUS (RFC 4505, section 2)
)

var (
	errLoginSize = fmt.Errorf("user name or password is empty or longer than %d bytes", maxLogin)
	errTrace     = fmt.Errorf("trace longer than %d bytes", maxTrace)
	errIdentity  = errors.New("client asks to act as another user")
)

// layered is a mechanism that ends with a security layer.
type layered interface {
	layer() (*curve.Sealer, *curve.Opener)
	close()
}

// newServer returns the server's side of a mechanism, which asks the gate through s.ask.
func (s *Server) newServer(name string) gosasl.Server {
	link := &s.cfg.Link
	switch name {
	case Anonymous:
		return strict{gosasl.NewAnonymousServer(func(trace string) error {
			if len(trace) > maxTrace {
				return errTrace
			}
			return s.ask(curve.PublicKey{}, zap.Null)
		})}
	case Plain:
		return strict{gosasl.NewPlainServer(func(identity, username, password string) error {
			for _, text := range []string{username, password} {
				if text == "" || len(text) > maxLogin {
					return errLoginSize
				}
			}
			if identity != "" && identity != username {
				return errIdentity
			}
			return s.ask(curve.PublicKey{}, zap.Plain, []byte(username), []byte(password))
		})}
	case External:
		return strict{gosasl.NewExternalServer(func(identity string) error {
			if identity != "" {
				return errIdentity
			}
			if link.isCurve() {
				return s.ask(link.Key, zap.Curve, link.Key[:])
			}
			return s.ask(curve.PublicKey{}, zap.GSSAPI, []byte(link.Principal))
		})}
	case ScramSHA256, ScramSHA256Plus:
		return &scramServer{
			plus:     name == ScramSHA256Plus,
			offered:  s.offered,
			binding:  link.Binding,
			verifier: s.verifier,
			ask: func(login string, clientKey []byte) error {
				if name == ScramSHA256Plus {
					return s.ask(link.Key, zap.ScramSHA256Plus, []byte(login), clientKey, link.Key[:])
				}
				return s.ask(curve.PublicKey{}, zap.ScramSHA256, []byte(login), clientKey)
			},
		}
	case Curve:
		return &curveServer{
			server:  s.cfg.Curve,
			offered: s.offered,
			ask:     func(key curve.PublicKey) error { return s.ask(key, zap.Curve, key[:]) },
		}
	}
	return nil
}

// newClient returns the client's side of a mechanism.
func (c *Client) newClient(name string) gosasl.Client {
	switch name {
	case Anonymous:
		return gosasl.NewAnonymousClient("")
	case Plain:
		return gosasl.NewPlainClient("", c.cfg.Username, c.cfg.Password.Reveal())
	case External:
		return gosasl.NewExternalClient("")
	case ScramSHA256, ScramSHA256Plus:
		return &scramClient{
			plus:     name == ScramSHA256Plus,
			offered:  c.offered,
			binding:  c.cfg.Link.Binding,
			username: c.cfg.Username,
			password: c.cfg.Password,
		}
	case Curve:
		return &curveClient{key: c.cfg.Key, server: c.cfg.ServerKey, offered: c.offered}
	}
	return nil
}

// strict is a mechanism of go-sasl. Its errors mean a malformed response, unless the server's
// own callback refuses the client.
type strict struct{ gosasl.Server }

func (m strict) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = m.Server.Next(response)
	if err != nil && !isRefusal(err) && !errors.Is(err, errIdentity) {
		err = fromGoSASL(err)
	}
	return challenge, done, err
}

// fromGoSASL returns an error of package go-sasl as ErrProtocol, without the name of the
// package.
func fromGoSASL(err error) error {
	if text, ok := strings.CutPrefix(err.Error(), "sasl: "); ok {
		err = errors.New(text)
	}
	return fmt.Errorf("%w: %w", ErrProtocol, err)
}

// isRefusal reports whether an error is a decision of the gate.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*RefusedError](err)
	return ok
}
