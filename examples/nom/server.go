package nom

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/zcurve/zcurve/sasl"
)

const (
	// maxOpening is the time that a client has to authenticate, with all its tries.
	maxOpening = 10 * time.Second
	// maxSilence is the time after which a silent client is forgotten. HUGZ breaks the silence.
	maxSilence = time.Minute
)

// Server serves NOM on any number of connections. Safe for concurrent use.
type Server struct {
	config sasl.ServerConfig
	log    *slog.Logger
	places places
}

// NewServer returns a server that authenticates its clients as config says, whose Codec and
// Link it sets itself.
func NewServer(config sasl.ServerConfig, log *slog.Logger) *Server {
	config.Codec = sasl.NOM
	return &Server{config: config, log: log}
}

// Serve serves one client until it is gone, and closes its connection.
func (s *Server) Serve(ctx context.Context, conn Conn, link sasl.Link) {
	defer conn.Close()
	ctx, place := s.places.enter(ctx)
	defer s.places.leave(place)
	config := s.config
	config.Link = link
	auth, err := sasl.NewServer(config)
	if err != nil {
		s.log.Error("no server for a client", "err", err)
		return
	}
	defer auth.Close()
	p := &peer{conn: conn, auth: auth, log: s.log.With("address", link.Address)}
	for again := [][]byte(nil); err == nil; {
		if err = p.open(ctx, again); err == nil {
			s.places.admit(place)
			again, err = p.use(ctx)
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	p.log.Info("client gone", "err", err)
}

// peer is a client of a server.
type peer struct {
	conn Conn
	auth *sasl.Server
	log  *slog.Logger
}

// open authenticates the client. message is the first from it, or nil.
func (p *peer) open(ctx context.Context, message [][]byte) (err error) {
	ctx, cancel := context.WithTimeout(ctx, maxOpening)
	defer cancel()
	for {
		if message == nil {
			if message, err = p.conn.Recv(ctx); err != nil {
				return fmt.Errorf("not authenticated: %w", err)
			}
		}
		reply, refused := p.auth.Handle(ctx, message)
		if refused != nil {
			p.log.Warn("client refused", "err", refused)
		}
		if reply != nil {
			if err := p.conn.Send(ctx, reply...); err != nil {
				return err
			}
		}
		if errors.Is(refused, sasl.ErrTries) {
			return refused
		}
		if user, ok := p.auth.User(); ok {
			p.log.Info("client admitted", "mechanism", user.Mechanism, "user", user.ID)
			return nil
		}
		message = nil
	}
}

// use serves the client while it is authenticated. It returns the message that ends this: an
// OHAI, or one that breaks the protocol.
func (p *peer) use(ctx context.Context) (again [][]byte, err error) {
	var l layer
	l.sealer, l.opener = p.auth.Layer()
	defer l.close()
	user, _ := p.auth.User()
	for {
		message, err := p.recv(ctx)
		if err != nil {
			return nil, err
		}
		if l.opener != nil {
			if !isSealed(message) {
				continue // anyone may have sent it
			}
			if message, err = l.open(message); err != nil {
				return nil, err
			}
		}
		reply := answer(message, user)
		if reply == nil {
			return message, nil
		}
		if l.sealer != nil {
			if reply, err = l.seal(reply); err != nil {
				return nil, err
			}
		}
		if err := p.conn.Send(ctx, reply...); err != nil {
			return nil, err
		}
	}
}

func (p *peer) recv(ctx context.Context) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, maxSilence)
	defer cancel()
	return p.conn.Recv(ctx)
}

// answer returns the reply to a command of a client that is authenticated, or nil if it is
// not one of them.
func answer(message [][]byte, user sasl.User) (reply [][]byte) {
	switch {
	case len(message) == 2 && string(message[0]) == "ICANHAZ":
		text := fmt.Sprintf("%s for %s", message[1], cmp.Or(user.ID, "anyone"))
		return [][]byte{[]byte("CHEEZBURGER"), []byte(text)}
	case len(message) == 1 && string(message[0]) == "HUGZ":
		return [][]byte{[]byte("HUGZ-OK")}
	}
	return nil
}
