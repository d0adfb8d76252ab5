package curve

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
)

// Client is the client's half of one handshake: Hello, then HandleWelcome, then
// HandleReady. The server may send ERROR in place of WELCOME or READY; [ParseError] reads
// it.
//
// An error ends the handshake: each later step, like each step out of order, returns an
// error. For one goroutine at a time. A Client must not be copied; go vet reports copies.
type Client struct {
	_ noCopy

	// InsecureKeyLog, if not nil, is called by HandleWelcome with the line of a key log,
	// with which a capture of this connection can be decrypted: see [Server.InsecureKeyLog].
	InsecureKeyLog func(line []byte)

	key       SecretKey  // c
	server    PublicKey  // S
	transient SecretKey  // c'
	shared    *sharedKey // c' and S, then c' and S'
	due       step
	random    io.Reader
	binding   [32]byte // once S' is known
	bound     bool     // the handshake has succeeded
}

// Counters of the commands that a client sends in its handshake. Those of its messages
// follow.
const (
	helloCounter    = 1
	initiateCounter = 2
)

// NewClient begins a handshake between the client that has this secret key and the server
// that has this public key. It returns an error if key is zero or wiped, and
// ErrPublicKey if server fails [PublicKey.Check].
func NewClient(key SecretKey, server PublicKey) (*Client, error) {
	if key.IsZero() {
		return nil, fmt.Errorf("curve: %w", errNoSecretKey)
	}
	if err := server.check(); err != nil {
		return nil, fmt.Errorf("curve: server's key: %w", err)
	}
	return &Client{key: key, server: server, due: dueHello, random: rand.Reader}, nil
}

// Hello appends the HELLO command to dst: 200 bytes.
func (c *Client) Hello(dst []byte) ([]byte, error) {
	if c.due != dueHello {
		return dst, c.fail(helloName, errOrder)
	}
	c.transient = generateKey(c.random)
	c.shared = newSharedKey(&c.server, c.transient.key.octets)
	c.due = dueWelcome

	public := c.transient.Public() // C'
	dst = append(dst, helloName...)
	dst = append(dst, 1, 0)
	dst = append(dst, make([]byte, paddingSize)...)
	dst = append(dst, public[:]...)
	dst = binary.BigEndian.AppendUint64(dst, helloCounter)
	return c.shared.seal(dst, make([]byte, zerosSize), shortNonce(helloPrefix, helloCounter)), nil
}

// HandleWelcome takes the server's WELCOME and appends the INITIATE that answers it to
// dst: 257 bytes and the client's claims, a list of ZMTP properties. It returns a
// *ProtocolError if WELCOME breaks the rules, and then dst unchanged.
func (c *Client) HandleWelcome(dst, welcome, claims []byte) (initiate []byte, err error) {
	if c.due != dueWelcome {
		return dst, c.fail(welcomeName, errOrder)
	}
	b, err := body(welcomeName, welcome, welcomeSize, welcomeSize)
	if err != nil {
		return dst, c.end(err)
	}
	nonce := longNonce(welcomePrefix, cut(&b, longNonceSize))
	text, ok := c.shared.open(nil, b, nonce)
	if !ok {
		return dst, c.fail(welcomeName, errBox)
	}
	server := PublicKey(cut(&text, KeySize)) // S'
	cookie := text
	if err := server.check(); err != nil {
		return dst, c.fail(welcomeName, err)
	}
	first := c.shared // c' and S
	defer first.wipe()
	c.shared = newSharedKey(&server, c.transient.key.octets)
	c.due = dueReady
	logKeys(c.InsecureKeyLog, c.transient.Public(), server, first, c.shared)

	public := c.key.Public() // C
	c.binding = bind(public, c.server, c.transient.Public(), server)
	text = make([]byte, 0, KeySize+vouchSize+len(claims))
	text = append(text, public[:]...)
	text = c.appendVouch(text, &server)
	c.transient.Wipe()
	text = append(text, claims...)
	dst = append(dst, initiateName...)
	dst = append(dst, cookie...)
	dst = binary.BigEndian.AppendUint64(dst, initiateCounter)
	return c.shared.seal(dst, text, shortNonce(initiatePrefix, initiateCounter)), nil
}

// appendVouch appends the box from c to S' that names C' and S.
func (c *Client) appendVouch(dst []byte, server *PublicKey) []byte {
	var nonce [longNonceSize]byte
	mustRead(c.random, nonce[:])
	var text [vouchText]byte
	public := c.transient.Public() // C'
	copy(text[:], public[:])
	copy(text[KeySize:], c.server[:])
	shared := newSharedKey(server, c.key.key.octets)
	defer shared.wipe()
	return shared.seal(append(dst, nonce[:]...), text[:], longNonce(vouchPrefix, nonce[:]))
}

// HandleReady takes the server's READY. It ends the handshake and returns the server's
// claims, a list of ZMTP properties, and the connection's Sealer and Opener. It returns a
// *ProtocolError if READY breaks the rules.
func (c *Client) HandleReady(ready []byte) (claims []byte, s *Sealer, o *Opener, err error) {
	if c.due != dueReady {
		return nil, nil, nil, c.fail(readyName, errOrder)
	}
	b, err := body(readyName, ready, readyMin, noMax)
	if err != nil {
		return nil, nil, nil, c.end(err)
	}
	counter := cutCounter(&b)
	claims, ok := c.shared.open(nil, b, shortNonce(readyPrefix, counter))
	if !ok {
		return nil, nil, nil, c.fail(readyName, errBox)
	}
	s = newSealer(c.shared, clientMessagePrefix, initiateCounter)
	o = newOpener(c.shared, serverMessagePrefix, counter)
	c.bound = true
	c.Close()
	return claims, s, o, nil
}

// Close ends the handshake and wipes its secrets, but not those of a Sealer and an Opener
// that HandleReady has returned. It may be called more than once.
func (c *Client) Close() {
	c.transient.Wipe()
	c.shared.wipe()
	c.due = dueNothing
}

// end closes the client and returns err.
func (c *Client) end(err error) error {
	c.Close()
	return err
}

// fail closes the client and returns why it refused a command.
func (c *Client) fail(name string, reason error) error { return c.end(refuse(name, reason)) }
