package sasl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// The mechanism CURVE carries the commands of a CurveZMQ handshake (RFC 26):
//
//	client                          server
//	YARLY with HELLO       ────►
//	                       ◄────    ORLY with WELCOME
//	YARLY with INITIATE    ────►    the gate decides
//	                       ◄────    ORLY with READY
//	YARLY, empty           ────►
//	                       ◄────    OHAI-OK
//
// INITIATE names the mechanisms that the client saw in the offer, and READY those that the
// server offered. So both sides notice a changed offer, and neither takes a ZMTP handshake for
// one of SASL.

// offerProperty is the property with the mechanisms, in order, separated by spaces.
const offerProperty = "Sasl-Mechanisms"

var (
	errOffer    = errors.New("client and server saw different offers")
	errNoOffer  = errors.New("peer does not name the offer")
	errAfterEnd = errors.New("mechanism has ended")
	errNotEmpty = errors.New("last response is not empty")
)

// appendOffer returns the claims that name the offer, as ZMTP metadata. ZMTP has no such socket
// type, so a ZMTP server refuses a handshake that is relayed to it.
func appendOffer(offered []string) ([]byte, error) {
	return zap.Metadata{{Name: "Socket-Type", Value: "SASL"}, {Name: offerProperty, Value: strings.Join(offered, " ")}}.Append(nil)
}

// checkOffer returns ErrTampered if the peer's claims don't name exactly these mechanisms.
func checkOffer(claims []byte, offered []string) error {
	m, err := zap.ParseMetadata(claims)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	switch m.Get(offerProperty) {
	case "":
		return fmt.Errorf("%w: %w", ErrTampered, errNoOffer)
	case strings.Join(offered, " "):
		return nil
	}
	return fmt.Errorf("%w: %w", ErrTampered, errOffer)
}

// fromCurve wraps an error of package curve in ErrProtocol if the peer caused it.
func fromCurve(err error) error {
	if _, ok := errors.AsType[*curve.ProtocolError](err); ok {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return err
}

// curveEnd is the state of either side of an exchange.
type curveEnd struct {
	due    curveStep
	sealer *curve.Sealer
	opener *curve.Opener
	taken  bool // by the caller, who closes the layer
}

// curveStep is the next step of either side.
type curveStep int

const (
	curveHello    curveStep = iota // HELLO
	curveInitiate                  // INITIATE; on a client, WELCOME and then INITIATE
	curveReady                     // READY; on a server, the response to it
	curveDone
	curveClosed
)

// layer returns the security layer, which the caller must then close. It returns nil if the
// exchange has not succeeded.
func (e *curveEnd) layer() (*curve.Sealer, *curve.Opener) {
	if e.due != curveDone {
		return nil, nil
	}
	e.taken = true
	return e.sealer, e.opener
}

// end ends the exchange and wipes the layer, unless the caller has taken it.
func (e *curveEnd) end() {
	if e.sealer != nil && !e.taken {
		e.sealer.Close()
		e.opener.Close()
	}
	e.sealer, e.opener, e.due = nil, nil, curveClosed
}

// curveServer is the server's side of the mechanism. After an error, it refuses every
// response.
type curveServer struct {
	server  *curve.Server
	offered []string                        // in order
	ask     func(key curve.PublicKey) error // asks the gate whether it admits the owner of a key

	curveEnd
	shake *curve.Handshake // nil before HELLO
}

// Next takes HELLO, INITIATE or the empty response after READY.
func (m *curveServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch m.due {
	case curveHello:
		challenge, err = m.handleHello(response)
	case curveInitiate:
		challenge, err = m.handleInitiate(response)
	case curveReady:
		if len(response) > 0 {
			err = fmt.Errorf("%w: %w", ErrProtocol, errNotEmpty)
		}
		done = err == nil
	default:
		err = fmt.Errorf("%w: %w", ErrProtocol, errAfterEnd)
	}
	if err != nil {
		m.close()
		return nil, false, err
	}
	m.due++
	return challenge, done, nil
}

func (m *curveServer) handleHello(hello []byte) (welcome []byte, err error) {
	m.shake = m.server.Handshake()
	welcome, err = m.shake.HandleHello(nil, hello)
	return welcome, fromCurve(err)
}

func (m *curveServer) handleInitiate(initiate []byte) (ready []byte, err error) {
	key, claims, err := m.shake.HandleInitiate(initiate)
	if err != nil {
		return nil, fromCurve(err)
	}
	if err := checkOffer(claims, m.offered); err != nil {
		return nil, err
	}
	if err := m.ask(key); err != nil {
		return nil, err
	}
	offer, err := appendOffer(m.offered)
	if err != nil {
		return nil, err
	}
	ready, m.sealer, m.opener, err = m.shake.Ready(nil, offer)
	return ready, err
}

// close ends the exchange and wipes its secrets.
func (m *curveServer) close() {
	if m.shake != nil {
		m.shake.Close()
	}
	m.end()
}

// curveClient is the client's side of the mechanism. After an error, it refuses every
// challenge.
type curveClient struct {
	key     curve.SecretKey
	server  curve.PublicKey
	offered []string // in the order in which the server offered them

	curveEnd
	shake *curve.Client // nil before HELLO
}

// Start returns HELLO.
func (m *curveClient) Start() (mechanism string, hello []byte, err error) {
	if m.due != curveHello {
		m.close()
		return "", nil, errAfterEnd
	}
	if m.shake, err = curve.NewClient(m.key, m.server); err != nil {
		return "", nil, err
	}
	if hello, err = m.shake.Hello(nil); err != nil {
		return "", nil, err
	}
	m.due = curveInitiate
	return Curve, hello, nil
}

// Next takes WELCOME and returns INITIATE, or takes READY and returns an empty response.
func (m *curveClient) Next(challenge []byte) (response []byte, err error) {
	switch m.due {
	case curveInitiate:
		response, err = m.handleWelcome(challenge)
	case curveReady:
		response, err = []byte{}, m.handleReady(challenge)
	default:
		err = fmt.Errorf("%w: %w", ErrProtocol, errAfterEnd)
	}
	if err != nil {
		m.close()
		return nil, err
	}
	m.due++
	return response, nil
}

func (m *curveClient) handleWelcome(welcome []byte) (initiate []byte, err error) {
	offer, err := appendOffer(m.offered)
	if err != nil {
		return nil, err
	}
	initiate, err = m.shake.HandleWelcome(nil, welcome, offer)
	return initiate, fromCurve(err)
}

func (m *curveClient) handleReady(ready []byte) error {
	claims, sealer, opener, err := m.shake.HandleReady(ready)
	if err != nil {
		return fromCurve(err)
	}
	m.sealer, m.opener = sealer, opener
	return checkOffer(claims, m.offered)
}

// verified reports whether the server has proved its key, and its offer was not changed. Until
// then, an OHAI-OK proves nothing.
func (m *curveClient) verified() bool { return m.due == curveDone }

// close ends the exchange and wipes its secrets.
func (m *curveClient) close() {
	if m.shake != nil {
		m.shake.Close()
	}
	m.end()
}
