package sasl

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
)

var (
	errNoVerifier = errors.New("no verifier")
	errNoBinding  = errors.New("no channel binding")
	errProof      = errors.New("handler admitted a wrong proof")
)

// scramServer is the server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802,
// RFC 7677). It sends its signature in a challenge, which the client answers with an empty
// response.
type scramServer struct {
	plus     bool
	offered  []string                                   // by the server, in any order
	binding  [32]byte                                   // of the connection; zero without
	verifier func(login string) (Verifier, error)       // of an unknown login, a decoy
	ask      func(login string, clientKey []byte) error // whether to admit; next returns its error

	nonce string // for tests; if empty, random

	step   int
	login  string
	stored Verifier
	bound  []byte // GS2 header and channel binding, which the client must repeat
	auth   string // the messages so far, which both sides sign
}

// Next handles a message from the client.
func (s *scramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	step := s.step
	s.step = -1 // if it fails
	switch step {
	case 0:
		challenge, err = s.first(string(response))
	case 1:
		challenge, err = s.final(string(response))
	case 2:
		if len(response) > 0 {
			err = errStep
		}
		done = err == nil
	default:
		err = errStep
	}
	if err != nil {
		return nil, false, err
	}
	s.step = step + 1
	return challenge, done, nil
}

// first answers the client's first message.
func (s *scramServer) first(message string) ([]byte, error) {
	m, err := parseClientFirst(message)
	if err != nil {
		return nil, err
	}
	s.bound = []byte(m.header)
	switch {
	case s.plus && s.binding == [32]byte{}:
		return nil, errNoBinding
	case s.plus && (m.flag != 'p' || m.binding != bindingName), !s.plus && m.flag == 'p':
		return nil, errFlag
	case s.plus:
		s.bound = append(s.bound, s.binding[:]...)
	case m.flag == 'y' && slices.Contains(s.offered, ScramSHA256Plus):
		return nil, errDowngraded
	}
	var ok bool
	if s.login, ok = prepare(m.login); !ok || len(s.login) > maxText {
		return nil, errLogin
	}
	if m.authzID != "" {
		if as, ok := prepare(m.authzID); !ok || as != s.login {
			return nil, errIdentity
		}
	}
	if s.stored, err = s.verifier(s.login); err != nil {
		return nil, err
	}
	if s.stored.keys == nil {
		return nil, errNoVerifier
	}
	if s.nonce == "" {
		s.nonce = newNonce()
	}
	s.nonce = m.nonce + s.nonce
	first := fmt.Sprintf("r=%s,s=%s,i=%d", s.nonce, encode(s.stored.salt), s.stored.iterations)
	if len(s.offered) > 0 {
		first += ",h=" + offerHash(s.offered)
	}
	s.auth = m.bare + "," + first + ","
	return []byte(first), nil
}

// final answers the client's last message.
func (s *scramServer) final(message string) ([]byte, error) {
	m, err := parseClientFinal(message)
	if err != nil {
		return nil, err
	}
	if m.nonce != s.nonce {
		return nil, errNonce
	}
	if subtle.ConstantTimeCompare(m.binding, s.bound) != 1 {
		return nil, errBinding
	}
	auth := s.auth + m.withoutProof
	stored, server := s.stored.reveal()
	clientKey := sign(stored, auth)
	xor(&clientKey, &m.proof)
	defer clear(clientKey[:])
	if err := s.ask(s.login, clientKey[:]); err != nil {
		return nil, err
	}
	if !s.stored.Matches(clientKey[:]) {
		return nil, errProof
	}
	signature := sign(server, auth)
	return []byte("v=" + encode(signature[:])), nil
}
