package curve

import (
	"crypto/rand"
	"crypto/subtle"
	"io"
	"time"
)

// Server is the server's half of any number of handshakes: one Server for each
// long-term key, shared by all connections, so that no cookie can be used
// twice. Its methods are safe for concurrent use. NewServer makes one; the zero Server
// has no keys and answers nothing.
type Server struct {
	// Clock tells the time, by which cookies expire. Nil means time.Now. It
	// must not be changed once the Server is in use.
	Clock func() time.Time

	key     SecretKey // s
	cookies cookieJar
	random  io.Reader
}

// NewServer returns a server that has this secret key. It returns an error if key is
// zero or wiped.
func NewServer(key SecretKey) (*Server, error) {
	if key.IsZero() {
		return nil, errNoSecretKey
	}
	return &Server{key: key, random: rand.Reader}, nil
}

func (s *Server) now() time.Time {
	if s.Clock == nil {
		return time.Now()
	}
	return s.Clock()
}

// Welcome reads a client's HELLO and appends to dst the WELCOME command that
// answers it: 168 octets. The server keeps nothing of it. The caller keeps
// counter, which is HELLO's short nonce, until INITIATE comes on the same
// connection.
//
// It returns a *ProtocolError of ErrName, ErrLength, ErrVersion, ErrPadding,
// ErrPublicKey, ErrBox, ErrBusy, ErrClosed, or errNoSecretKey if the server has no keys
// or they have been wiped; dst then comes back unchanged.
func (s *Server) Welcome(dst, hello []byte) (welcome []byte, counter uint64, err error) {
	if s.key.IsZero() {
		return dst, 0, refuse(helloName, errNoSecretKey)
	}
	b, err := body(helloName, hello, helloSize, helloSize)
	if err != nil {
		return dst, 0, err
	}
	if [versionSize]byte(cut(&b, versionSize)) != [versionSize]byte{1, 0} {
		return dst, 0, refuse(helloName, ErrVersion)
	}
	if !isZero(cut(&b, paddingSize)) {
		return dst, 0, refuse(helloName, ErrPadding)
	}
	client := PublicKey(cut(&b, KeySize)) // C'
	if err := client.Check(); err != nil {
		return dst, 0, refuse(helloName, err)
	}
	counter = cutCounter(&b)
	shared := newSharedKey(&client, s.key.key.octets) // C' and s
	defer shared.wipe()
	zeros, ok := shared.open(nil, b, shortNonce(helloPrefix, counter))
	if !ok {
		return dst, 0, refuse(helloName, ErrBox)
	}
	if !isZero(zeros) {
		return dst, 0, refuse(helloName, ErrPadding)
	}

	transient := generateKey(s.random) // S', s'
	defer transient.Wipe()
	public := transient.Public()
	text := make([]byte, 0, KeySize+cookieSize)
	text = append(text, public[:]...)
	text, err = s.cookies.seal(text, s.now(), s.random, &client, transient.key.octets)
	if err != nil {
		return dst, 0, refuse(helloName, err)
	}
	var nonce [longNonceSize]byte
	mustRead(s.random, nonce[:])
	dst = append(dst, welcomeName...)
	dst = append(dst, nonce[:]...)
	return shared.seal(dst, text, longNonce(welcomePrefix, nonce[:])), counter, nil
}

// Initiate reads a client's INITIATE, which carries a cookie from WELCOME and
// proves that the client owns its key. counter is what Welcome returned on the
// same connection. Of all INITIATEs with the same cookie one is accepted.
//
// It returns a *ProtocolError of ErrName, ErrLength, ErrNonce, ErrCookie,
// ErrCookieUsed, ErrBox, ErrPublicKey, ErrVouch, ErrBusy, ErrClosed or errNoSecretKey,
// as Welcome does.
func (s *Server) Initiate(counter uint64, initiate []byte) (*Peer, error) {
	if s.key.IsZero() {
		return nil, refuse(initiateName, errNoSecretKey)
	}
	b, err := body(initiateName, initiate, initiateMin, noMax)
	if err != nil {
		return nil, err
	}
	cookie := cut(&b, cookieSize)
	received := cutCounter(&b)
	if received <= counter {
		return nil, refuse(initiateName, ErrNonce)
	}
	opened, err := s.cookies.open(cookie, s.now())
	if err != nil {
		return nil, refuse(initiateName, err)
	}
	defer clear(opened.secret[:])
	shared := newSharedKey(&opened.client, &opened.secret) // C' and s'
	peer, err := s.peer(shared, opened, received, b)
	if err != nil {
		shared.wipe()
		return nil, refuse(initiateName, err)
	}
	return peer, nil
}

// peer opens INITIATE's box and checks what is in it.
func (s *Server) peer(shared *sharedKey, c *openedCookie, counter uint64, box []byte) (*Peer, error) {
	text, ok := shared.open(nil, box, shortNonce(initiatePrefix, counter))
	if !ok {
		return nil, ErrBox
	}
	// Only the client that the cookie was made for can have made the box, so
	// now the cookie can be used up, and must be before anything comes of it.
	if err := s.cookies.use(c); err != nil {
		return nil, err
	}
	client := PublicKey(cut(&text, KeySize)) // C
	if err := client.Check(); err != nil {
		return nil, err
	}
	if !s.vouchHolds(cut(&text, vouchSize), &client, c) {
		return nil, ErrVouch
	}
	return &Peer{key: client, metadata: text, shared: shared, counter: counter}, nil
}

// vouchHolds reports whether the vouch is from the owner of C to S' and names
// both C' and S: this connection, and this server.
func (s *Server) vouchHolds(vouch []byte, client *PublicKey, c *openedCookie) bool {
	shared := newSharedKey(client, &c.secret) // C and s'
	defer shared.wipe()
	nonce := longNonce(vouchPrefix, cut(&vouch, longNonceSize))
	var buf [vouchText]byte
	text, ok := shared.open(buf[:0], vouch, nonce)
	if !ok {
		return false
	}
	transient := subtle.ConstantTimeCompare(text[:KeySize], c.client[:])
	public := s.key.Public()
	server := subtle.ConstantTimeCompare(text[KeySize:], public[:])
	return transient&server == 1
}

// Expire wipes cookie keys whose time is over. Welcome and Initiate do so
// themselves; it is for the owner of a Server that may be idle for long, so
// that no key stays in memory: who gets hold of it can read recorded sessions
// whose cookies it opens. Every minute is often enough.
func (s *Server) Expire() { s.cookies.expire(s.now()) }

// Close wipes the cookie keys. Welcome and Initiate then return ErrClosed;
// peers and sessions live on. It may be called more than once.
func (s *Server) Close() { s.cookies.close() }
