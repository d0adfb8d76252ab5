package curve

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
)

// Client is the client's half of one handshake: Hello, then HandleWelcome with
// what the server answers, then HandleReady. Where the server sends ERROR
// instead, HandleError reads it. A Client is for one goroutine.
//
// An error ends the client: every later step returns a *ProtocolError of
// ErrOrder. So does a step that is not due. A Client must not be copied; go vet reports
// copies.
type Client struct {
	_         noCopy
	key       SecretKey  // c
	server    PublicKey  // S
	transient SecretKey  // c'
	shared    *sharedKey // c' and S, then c' and S'
	due       clientStep
	random    io.Reader
}

// clientStep is what a Client waits for.
type clientStep int

const (
	dueNothing clientStep = iota // done, failed or closed
	dueHello
	dueWelcome
	dueReady
)

// Counters of the commands that a client sends in its handshake. Those of its
// messages follow.
const (
	helloCounter    = 1
	initiateCounter = 2
)

// NewClient begins a handshake between the client that has this secret key and
// the server that has this public key. It returns an error if key is zero or wiped,
// and ErrPublicKey if server fails [PublicKey.Check].
func NewClient(key SecretKey, server PublicKey) (*Client, error) {
	if key.IsZero() {
		return nil, errNoSecretKey
	}
	if err := server.Check(); err != nil {
		return nil, fmt.Errorf("%w (the server's)", err)
	}
	return &Client{key: key, server: server, due: dueHello, random: rand.Reader}, nil
}

// Hello appends the HELLO command to dst: 200 octets.
func (c *Client) Hello(dst []byte) ([]byte, error) {
	if c.due != dueHello {
		return dst, c.fail(helloName, ErrOrder)
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

// HandleWelcome reads the server's WELCOME and appends to dst the INITIATE
// command that answers it: 257 octets and the metadata, which is a list of
// ZMTP properties. It returns a *ProtocolError of ErrName, ErrLength, ErrBox,
// ErrPublicKey or ErrOrder.
func (c *Client) HandleWelcome(dst, welcome, metadata []byte) ([]byte, error) {
	if c.due != dueWelcome {
		return dst, c.fail(welcomeName, ErrOrder)
	}
	b, err := body(welcomeName, welcome, welcomeSize, welcomeSize)
	if err != nil {
		return dst, c.end(err)
	}
	nonce := longNonce(welcomePrefix, cut(&b, longNonceSize))
	text, ok := c.shared.open(nil, b, nonce)
	if !ok {
		return dst, c.fail(welcomeName, ErrBox)
	}
	server := PublicKey(cut(&text, KeySize)) // S'
	cookie := text
	if err := server.Check(); err != nil {
		return dst, c.fail(welcomeName, err)
	}
	c.shared.wipe()
	c.shared = newSharedKey(&server, c.transient.key.octets)
	c.due = dueReady

	public := c.key.Public() // C
	text = make([]byte, 0, KeySize+vouchSize+len(metadata))
	text = append(text, public[:]...)
	text = c.appendVouch(text, &server)
	c.transient.Wipe()
	text = append(text, metadata...)
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

// HandleReady reads the server's READY and returns the server's metadata, a
// list of ZMTP properties, and the session. The client is done; closing it
// does nothing to the session. It returns a *ProtocolError of ErrName,
// ErrLength, ErrBox or ErrOrder.
func (c *Client) HandleReady(ready []byte) (metadata []byte, s *Session, err error) {
	if c.due != dueReady {
		return nil, nil, c.fail(readyName, ErrOrder)
	}
	b, err := body(readyName, ready, readyMin, noMax)
	if err != nil {
		return nil, nil, c.end(err)
	}
	counter := cutCounter(&b)
	metadata, ok := c.shared.open(nil, b, shortNonce(readyPrefix, counter))
	if !ok {
		return nil, nil, c.fail(readyName, ErrBox)
	}
	s = newSession(c.shared, clientMessagePrefix, initiateCounter, serverMessagePrefix, counter)
	c.Close()
	return metadata, s, nil
}

// HandleError reads an ERROR that came in place of WELCOME or READY, and ends
// the client. The reason is most often a ZAP status code. Nothing protects
// ERROR: anybody on the path can have sent it. It returns a *ProtocolError of
// ErrName, ErrLength, ErrReason or ErrOrder.
func (c *Client) HandleError(command []byte) (reason string, err error) {
	if c.due != dueWelcome && c.due != dueReady {
		return "", c.fail(errorName, ErrOrder)
	}
	c.Close()
	return ParseError(command)
}

// Close wipes what is secret about this handshake. It may be called more than
// once, and at any step.
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

// fail closes the client and returns the refusal of a command.
func (c *Client) fail(name string, reason error) error {
	return c.end(refuse(name, reason))
}
