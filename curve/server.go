package curve

import (
	"crypto/rand"
	"fmt"
	"io"
	"time"
)

// Server holds what the handshakes of one long-term key have in common: the keys of its
// cookies, and which cookies have been used. Use one Server for all connections, so that
// no INITIATE is accepted twice. Safe for concurrent use. NewServer returns one; the zero
// Server has no key and refuses every command.
type Server struct {
	// Clock tells the time by which cookies expire. Nil means time.Now. Don't change it
	// while the Server is in use.
	Clock func() time.Time

	// InsecureKeyLog, if not nil, is called for each INITIATE that is accepted, with a line of
	// text that ends with a newline: the transient public keys of the connection, and the two
	// keys that encrypt it. With the line and a capture of the connection, anyone can
	// read all of it, and can forge messages while it lasts. The line does not reveal long-term
	// keys. It is for debugging only. Calls come from as many goroutines as Handshakes do. The
	// line is only valid during the call. Don't change InsecureKeyLog while the Server is in use.
	InsecureKeyLog func(line []byte)

	key     SecretKey // s
	cookies cookieJar
	random  io.Reader
}

// NewServer returns a server that has this secret key. It returns an error if key is
// zero or wiped.
func NewServer(key SecretKey) (*Server, error) {
	if key.IsZero() {
		return nil, fmt.Errorf("curve: %w", errNoSecretKey)
	}
	return &Server{key: key, random: rand.Reader}, nil
}

func (s *Server) now() time.Time {
	if s.Clock == nil {
		return time.Now()
	}
	return s.Clock()
}

// Handshake begins the handshake of one connection.
func (s *Server) Handshake() *Handshake { return &Handshake{server: s, due: dueHello} }

// Expire wipes cookie keys that have expired. Handshakes do so too. A program whose
// Server may be idle calls Expire every minute, so that no key stays in memory: someone
// who gets hold of it can read recorded connections whose cookies it opens.
func (s *Server) Expire() { s.cookies.expire(s.now()) }

// Close wipes the cookie keys. Handshakes that are not past HandleInitiate then fail;
// connections live on. Close may be called more than once.
func (s *Server) Close() { s.cookies.close() }
