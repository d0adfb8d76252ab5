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
	// maxSilence is the time after which a silent client is dropped. HUGZ breaks the silence.
	maxSilence = time.Minute
)

// Server serves NOM on any number of connections. Safe for concurrent use.
type Server struct {
	config sasl.ServerConfig
	log    *slog.Logger
	places places
}

// NewServer returns a server that authenticates clients by config. It sets the Codec and the
// Link itself.
func NewServer(config sasl.ServerConfig, log *slog.Logger) *Server {
	config.Codec = sasl.NOM
	return &Server{config: config, log: log}
}

// Serve serves one client until it leaves, and closes its connection.
func (s *Server) Serve(ctx context.Context, conn Conn, link sasl.Link) {
	ctx, place := s.places.enter(ctx)
	defer s.places.leave(place)
	p := &peer{conn: layered{Conn: conn}, log: s.log.With("address", link.Address)}
	defer p.conn.Close()
	config := s.config
	config.Link = link
	var err error
	if p.auth, err = sasl.NewServer(config); err != nil {
		p.log.Error("no server for a client", "err", err)
		return
	}
	defer p.auth.Close()
	for p.until = time.Now().Add(maxOpening); err == nil; {
		err = p.next(ctx)
		if _, ok := p.auth.User(); ok {
			s.places.admit(place)
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	p.log.Info("client gone", "err", err)
}

// peer is a client of a server.
type peer struct {
	conn  layered
	auth  *sasl.Server
	log   *slog.Logger
	until time.Time // when the client must have authenticated, or have sent another request
}

// next takes a message from the client and answers it.
func (p *peer) next(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, p.until)
	defer cancel()
	message, err := p.conn.Recv(ctx)
	if err != nil {
		return err
	}
	user, ok := p.auth.User()
	if !ok {
		return p.authenticate(ctx, message)
	}
	if reply := answer(message, user); reply != nil {
		p.until = time.Now().Add(maxSilence)
		return p.conn.Send(ctx, reply...)
	}
	if p.conn.opener != nil {
		return errors.New("unexpected sealed message")
	}
	p.until = time.Now().Add(maxOpening)
	return p.authenticate(ctx, message)
}

// authenticate handles a message of the exchange.
func (p *peer) authenticate(ctx context.Context, message [][]byte) error {
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
		p.conn.sealer, p.conn.opener = p.auth.Layer()
		p.until = time.Now().Add(maxSilence)
	}
	return nil
}

// answer returns the reply to a command of an authenticated client, or nil for other messages.
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
