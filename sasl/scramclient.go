package sasl

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/zap"
)

var errUsername = errors.New("user name is empty, longer than 255 bytes, or has characters that SASLprep prohibits")

// scramClient is the client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802,
// RFC 7677).
type scramClient struct {
	plus     bool
	offered  []string // what the client saw, in any order
	binding  [32]byte // of the connection; zero without
	username string
	password zap.Password

	nonce string // for tests; if empty, random

	step      int
	prepared  string // the password
	header    string // GS2
	bare      string // the first message without the header
	signature [sha256.Size]byte
}

// Start returns the client's first message.
func (c *scramClient) Start() (mechanism string, response []byte, err error) {
	name, ok := prepare(c.username)
	if !ok || len(name) > maxText {
		return "", nil, errUsername
	}
	if c.prepared, ok = prepare(c.password.Reveal()); !ok {
		return "", nil, errPassword
	}
	mechanism = ScramSHA256
	switch {
	case c.plus && c.binding == [32]byte{}:
		return "", nil, errNoBinding
	case c.plus:
		mechanism = ScramSHA256Plus
		c.header = "p=" + bindingName + ",,"
	case c.binding != [32]byte{} && !slices.Contains(c.offered, ScramSHA256Plus):
		c.header = "y,,"
	default:
		c.header = "n,,"
	}
	if c.nonce == "" {
		c.nonce = newNonce()
	}
	c.bare = "n=" + escapeName.Replace(name) + ",r=" + c.nonce
	c.step = 1
	return mechanism, []byte(c.header + c.bare), nil
}

// Next handles a message from the server.
func (c *scramClient) Next(challenge []byte) (response []byte, err error) {
	step := c.step
	c.step = -1 // if it fails
	switch step {
	case 1:
		response, err = c.final(string(challenge))
	case 2:
		response, err = c.check(string(challenge))
	default:
		err = errStep
	}
	if err != nil {
		return nil, err
	}
	c.step = step + 1
	return response, nil
}

// verified reports whether the server has proved that it has a verifier of the password.
// Otherwise the client must not accept OHAI-OK.
func (c *scramClient) verified() bool { return c.step == 3 }

// final answers the server's first message. It is slow: see maxIterations.
func (c *scramClient) final(message string) ([]byte, error) {
	m, err := parseServerFirst(message)
	if err != nil {
		return nil, err
	}
	if len(m.nonce) <= len(c.nonce) || !strings.HasPrefix(m.nonce, c.nonce) {
		return nil, errNonce
	}
	if m.offer != "" && m.offer != offerHash(c.offered) {
		return nil, errOfferHash
	}
	bound := []byte(c.header)
	if c.plus {
		bound = append(bound, c.binding[:]...)
	}
	withoutProof := "c=" + encode(bound) + ",r=" + m.nonce
	auth := c.bare + "," + message + "," + withoutProof
	salted, err := saltedPassword(c.prepared, m.salt, m.iterations)
	if err != nil {
		return nil, err
	}
	defer clear(salted[:])
	clientKey, serverKey := salted.clientKey(), salted.serverKey()
	defer clear(clientKey[:])
	defer clear(serverKey[:])
	stored := sha256.Sum256(clientKey[:])
	proof := sign(stored[:], auth)
	xor(&proof, &clientKey)
	c.signature = sign(serverKey[:], auth)
	return []byte(withoutProof + ",p=" + encode(proof[:])), nil
}

// check checks the server's last message. The client answers with an empty one.
func (c *scramClient) check(message string) ([]byte, error) {
	signature, err := parseServerFinal(message)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(signature[:], c.signature[:]) != 1 {
		return nil, errSignature
	}
	return []byte{}, nil
}
