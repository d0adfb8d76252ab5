package curve

import (
	"crypto/subtle"
	"encoding/binary"
)

// Handshake is the server's half of one handshake: HandleHello, then HandleInitiate, then
// Ready if the server admits the client. To refuse the client, send what [AppendError]
// makes instead and close the connection. Between HandleHello and HandleInitiate a
// Handshake keeps nothing secret and only 56 bytes of the two commands, so a flood of HELLOs
// takes no memory beyond the connections.
//
// An error ends the handshake: each later step, like each step out of order, returns an
// error. Call Close when the connection is refused or fails. For one goroutine at a time.
// A Handshake must not be copied, because a copy could make a second connection with the
// same counters; go vet reports copies.
type Handshake struct {
	_       noCopy
	server  *Server
	due     step
	counter uint64     // of the client's last command
	shared  *sharedKey // C' and s'; nil before INITIATE and at the end
	sent    sentWelcome
	binding [32]byte // once INITIATE is accepted
	bound   bool     // the handshake has succeeded
}

// sentWelcome is the public part of a WELCOME.
type sentWelcome struct {
	transient PublicKey           // S'
	cookie    [longNonceSize]byte // the cookie's nonce
}

// step is the next step of a handshake.
type step int

const (
	dueNothing step = iota // done, failed or closed
	dueHello
	dueWelcome
	dueInitiate
	dueReady
)

// readyCounter is the counter of READY. Those of the server's messages follow.
const readyCounter = 1

// HandleHello takes the client's HELLO and appends the WELCOME that answers it to dst: 168
// bytes. It returns a *ProtocolError if HELLO breaks the rules, and another error if the
// server is closed, or has accepted over a million clients within 30 seconds. On an error it
// returns dst unchanged.
func (h *Handshake) HandleHello(dst, hello []byte) (welcome []byte, err error) {
	if h.due != dueHello {
		return dst, h.fail(helloName, errOrder)
	}
	s := h.server
	if s.key.IsZero() {
		return dst, h.fail(helloName, errNoSecretKey)
	}
	b, err := body(helloName, hello, helloSize, helloSize)
	if err != nil {
		return dst, h.end(err)
	}
	if [versionSize]byte(cut(&b, versionSize)) != [versionSize]byte{1, 0} {
		return dst, h.fail(helloName, errVersion)
	}
	if !isZero(cut(&b, paddingSize)) {
		return dst, h.fail(helloName, errPadding)
	}
	client := PublicKey(cut(&b, KeySize)) // C'
	if err := client.check(); err != nil {
		return dst, h.fail(helloName, err)
	}
	counter := cutCounter(&b)
	shared := newSharedKey(&client, s.key.key.octets) // C' and s
	defer shared.wipe()
	zeros, ok := shared.open(nil, b, shortNonce(helloPrefix, counter))
	if !ok {
		return dst, h.fail(helloName, errBox)
	}
	if !isZero(zeros) {
		return dst, h.fail(helloName, errPadding)
	}

	transient := generateKey(s.random) // s'
	defer transient.Wipe()
	public := transient.Public() // S'
	text := make([]byte, 0, KeySize+cookieSize)
	text = append(text, public[:]...)
	text, err = s.cookies.seal(text, s.now(), s.random, &client, transient.key.octets)
	if err != nil {
		return dst, h.fail(helloName, err)
	}
	var nonce [longNonceSize]byte
	mustRead(s.random, nonce[:])
	dst = append(dst, welcomeName...)
	dst = append(dst, nonce[:]...)
	h.sent = sentWelcome{public, [longNonceSize]byte(text[KeySize:])}
	h.counter, h.due = counter, dueInitiate
	return shared.seal(dst, text, longNonce(welcomePrefix, nonce[:])), nil
}

// HandleInitiate takes the client's INITIATE, which returns the cookie from WELCOME and
// proves that the client owns its key. It returns that key and the client's claims: a list
// of ZMTP properties, unchecked, in memory of its own. Of all INITIATEs with one cookie, a
// Server accepts one. The errors are like those of HandleHello.
func (h *Handshake) HandleInitiate(initiate []byte) (client PublicKey, claims []byte, err error) {
	if h.due != dueInitiate {
		return PublicKey{}, nil, h.fail(initiateName, errOrder)
	}
	s := h.server
	if s.key.IsZero() {
		return PublicKey{}, nil, h.fail(initiateName, errNoSecretKey)
	}
	b, err := body(initiateName, initiate, initiateMin, noMax)
	if err != nil {
		return PublicKey{}, nil, h.end(err)
	}
	cookie := cut(&b, cookieSize)
	counter := cutCounter(&b)
	if counter <= h.counter {
		return PublicKey{}, nil, h.fail(initiateName, errNonce)
	}
	opened, err := s.cookies.open(cookie, s.now())
	if err != nil {
		return PublicKey{}, nil, h.fail(initiateName, err)
	}
	defer clear(opened.secret[:])
	h.shared = newSharedKey(&opened.client, &opened.secret) // C' and s'
	text, ok := h.shared.open(nil, b, shortNonce(initiatePrefix, counter))
	if !ok {
		return PublicKey{}, nil, h.fail(initiateName, errBox)
	}
	// Only the client that the cookie was made for can have made the box. So nobody else
	// can use the cookie up. It must be used up before anything comes of it.
	if err := s.cookies.use(opened); err != nil {
		return PublicKey{}, nil, h.fail(initiateName, err)
	}
	client = PublicKey(cut(&text, KeySize)) // C
	if err := client.check(); err != nil {
		return PublicKey{}, nil, h.fail(initiateName, err)
	}
	if !s.checkVouch(cut(&text, vouchSize), &client, opened) {
		return PublicKey{}, nil, h.fail(initiateName, errVouch)
	}
	transient := h.sent.transientOf(opened) // S'
	h.binding = bind(client, s.key.Public(), opened.client, transient)
	h.counter, h.due = counter, dueReady
	if s.InsecureKeyLog != nil {
		first := newSharedKey(&opened.client, s.key.key.octets) // C' and s, as in HandleHello
		defer first.wipe()
		logKeys(s.InsecureKeyLog, opened.client, transient, first, h.shared)
	}
	return client, text, nil
}

// transientOf returns S' of a cookie. For the cookie of this WELCOME, it is known. For another,
// it is computed: a client may return a cookie on another connection than it got it on.
func (w *sentWelcome) transientOf(c *openedCookie) PublicKey {
	if w.cookie == c.nonce {
		return w.transient
	}
	return basepointMult(&c.secret)
}

// checkVouch reports whether the vouch is from the owner of C to S' and names both C' and
// S: this connection, and this server.
func (s *Server) checkVouch(vouch []byte, client *PublicKey, c *openedCookie) bool {
	shared := newSharedKey(client, &c.secret) // C and s'
	defer shared.wipe()
	nonce := longNonce(vouchPrefix, cut(&vouch, longNonceSize))
	var buf [vouchText]byte
	text, ok := shared.open(buf[:0], vouch, nonce)
	if !ok {
		return false
	}
	public := s.key.Public()
	transient := subtle.ConstantTimeCompare(text[:KeySize], c.client[:])
	server := subtle.ConstantTimeCompare(text[KeySize:], public[:])
	return transient&server == 1
}

// Ready admits the client. It appends READY with the server's claims, a list of ZMTP
// properties, to dst: 30 bytes more than claims. It ends the handshake and returns the
// connection's Sealer and Opener.
func (h *Handshake) Ready(dst, claims []byte) (ready []byte, s *Sealer, o *Opener, err error) {
	if h.due != dueReady {
		return dst, nil, nil, h.fail(readyName, errOrder)
	}
	defer h.Close()
	dst = append(dst, readyName...)
	dst = binary.BigEndian.AppendUint64(dst, readyCounter)
	dst = h.shared.seal(dst, claims, shortNonce(readyPrefix, readyCounter))
	s = newSealer(h.shared, serverMessagePrefix, readyCounter)
	o = newOpener(h.shared, clientMessagePrefix, h.counter)
	h.bound = true
	return dst, s, o, nil
}

// Close ends the handshake and wipes its secrets, but not those of a Sealer and an Opener
// that Ready has returned. It may be called more than once.
func (h *Handshake) Close() {
	h.shared.wipe()
	h.shared = nil
	h.due = dueNothing
}

// end closes the handshake and returns err.
func (h *Handshake) end(err error) error {
	h.Close()
	return err
}

// fail closes the handshake and returns why it refused a command.
func (h *Handshake) fail(name string, reason error) error { return h.end(refuse(name, reason)) }
