package zmtp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// greetingPatience is how long the rest of our greeting waits for the first
// part of the peer's, in case that waits for the whole of ours.
const greetingPatience = 2 * time.Second

// handshake is the state of a connection until both sides are sure of each
// other.
type handshake struct {
	nc       net.Conn
	cfg      *Config
	asServer bool
	in       *frameReader
	peer     greeting
	unsent   []byte // what precedes the next command
	received string // the last command that the peer has sent

	// What the mechanism finds out.
	claims  zap.Metadata
	user    User
	session *curve.Session
}

// newConn takes nc through greeting and mechanism. If it fails nc is closed.
func newConn(ctx context.Context, nc net.Conn, cfg *Config, asServer bool) (*Conn, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, cfg.HandshakeTimeout)
	defer cancel()
	interrupt := interrupter{setDeadline: nc.SetDeadline}
	defer interrupt.close()
	interrupt.begin(ctx)
	h := &handshake{nc: nc, cfg: cfg, asServer: asServer, in: newFrameReader(nc)}
	err := h.run(ctx)
	interrupt.end()
	if err != nil {
		nc.Close()
		if ctx.Err() != nil && (isTimeout(err) || errors.Is(err, ctx.Err())) {
			err = fmt.Errorf("given up after %v: %w", time.Since(start).Round(time.Millisecond), ctx.Err())
		}
		if h.session != nil {
			h.session.Close()
		}
		return nil, &HandshakeError{Peer: peerName(nc), Err: err}
	}
	return startConn(h), nil
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// isClosed reports whether err means that the peer has closed the connection.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// run goes through the steps in the order in which they happen.
func (h *handshake) run(ctx context.Context) error {
	if err := h.exchangeGreetings(); err != nil {
		return err
	}
	switch h.cfg.Mechanism {
	case zap.MechanismNull:
		return h.null(ctx)
	case zap.MechanismPlain:
		if h.asServer {
			return h.plainServer(ctx)
		}
		return h.plainClient()
	default:
		if h.asServer {
			return h.curveServer(ctx)
		}
		return h.curveClient()
	}
}

// exchangeGreetings sends ours and reads the peer's (RFC 37, Version
// Negotiation): signature and major version at once, the rest when the peer's
// have come. libzmq does the same, and closes the connection as soon as it sees
// another mechanism than its own; so its own has arrived by then, and both
// sides can tell their users which two met.
func (h *handshake) exchangeGreetings() error {
	ours := appendGreeting(nil, h.cfg.Mechanism, h.asServer && h.cfg.Mechanism != zap.MechanismNull)
	greet := h.greetAtOnce
	if isBuffered(h.nc) {
		greet = h.greetInTurn
	}
	if err := greet(ours); err != nil {
		if isClosed(err) && signatureSize <= h.in.w && h.in.w < mechanismEnd {
			return &MechanismError{Ours: h.cfg.Mechanism}
		}
		if isClosed(err) {
			return fmt.Errorf("%w: it closed the connection before its greeting was whole: %w", ErrNotZMTP, err)
		}
		return err
	}
	if h.peer.mechanism != h.cfg.Mechanism {
		return &MechanismError{Ours: h.cfg.Mechanism, Theirs: h.peer.mechanism}
	}
	// libzmq always says that it is no server: believe only the contrary.
	if h.peer.asServer && h.asServer {
		return ErrRole
	}
	return nil
}

// isBuffered reports whether the operating system takes what little a handshake
// writes at a time, whether or not the peer reads. It spares a goroutine.
func isBuffered(nc net.Conn) bool {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// greetInTurn exchanges greetings where no write has to wait. A client sends the
// rest of its own with its first command, for which it needs the server's whole
// greeting: that spares both a system call.
func (h *handshake) greetInTurn(ours []byte) error {
	rest := ours[versionEnd:]
	writeRest := sync.OnceValue(func() error { return h.write(rest) })
	impatient := time.AfterFunc(greetingPatience, func() { writeRest() })
	writeErr := h.write(ours[:versionEnd])
	readErr := h.readGreeting(func() {
		if h.asServer {
			writeRest()
		}
	})
	switch {
	case !impatient.Stop():
		writeErr = errors.Join(writeErr, writeRest()) // waits for the one under way
	case readErr != nil:
	case h.asServer || h.peer.mechanism != h.cfg.Mechanism:
		writeErr = errors.Join(writeErr, writeRest())
	default:
		h.unsent = rest
	}
	if readErr != nil {
		return readErr
	}
	return writeErr
}

// greetAtOnce exchanges greetings where two peers who both write would wait for
// each other.
func (h *handshake) greetAtOnce(ours []byte) error {
	versionSeen := make(chan struct{})
	write := func() error {
		if err := h.write(ours[:versionEnd]); err != nil {
			return err
		}
		select {
		case <-versionSeen:
		case <-time.After(greetingPatience):
		}
		return h.write(ours[versionEnd:])
	}
	return h.exchange(write, func() error {
		signal := sync.OnceFunc(func() { close(versionSeen) })
		defer signal()
		return h.readGreeting(signal)
	})
}

// readGreeting reads the peer's greeting, and says when its version has come.
func (h *handshake) readGreeting(versionSeen func()) (err error) {
	for h.in.w < greetingSize {
		if err = h.in.fill(); err == nil {
			err = checkSignature(h.in.buf.octets[:min(h.in.w, greetingSize)])
		}
		if err != nil {
			return err
		}
		if h.in.w >= versionEnd {
			versionSeen()
		}
	}
	h.in.r = greetingSize
	h.peer, err = parseGreeting(h.in.buf.octets[:greetingSize])
	return err
}

// exchange runs write while read runs, so that two peers who both speak first
// never wait for each other, however little the transport buffers. What read
// finds wrong matters more than a failed write.
func (h *handshake) exchange(write, read func() error) error {
	if isBuffered(h.nc) {
		writeErr := write()
		if err := read(); err != nil {
			return err
		}
		return writeErr
	}
	written := make(chan error, 1)
	go func() { written <- write() }()
	err := read()
	if err != nil {
		h.nc.SetWriteDeadline(aLongTimeAgo)
		<-written
		return err
	}
	return <-written
}

func (h *handshake) write(octets []byte) error {
	_, err := h.nc.Write(octets)
	return err
}

// send writes one handshake command.
func (h *handshake) send(command []byte) error {
	octets := make([]byte, 0, len(h.unsent)+longHeader+len(command))
	octets = appendFrameHeader(append(octets, h.unsent...), flagCommand, len(command))
	h.unsent = nil
	return h.write(append(octets, command...))
}

// receive reads one handshake command. What it means that there is none, a client
// says itself.
func (h *handshake) receive() ([]byte, error) {
	flags, body, err := h.in.next(h.cfg.maxCommand())
	if err != nil && h.asServer && isClosed(err) {
		return nil, fmt.Errorf("the peer left during the handshake, after %s: %w", cmp.Or(h.received, "its greeting"), err)
	}
	if err != nil {
		return nil, err
	}
	if flags&flagCommand == 0 {
		return nil, fmt.Errorf("%w: a message frame during the handshake", ErrFrame)
	}
	if name, _, err := parseCommand(body); err == nil {
		h.received = printable(name)
	}
	return body, nil
}

// receiveDecision reads the command with which a server tells what it has
// decided. A silent close there means "not now" (ZAP status 300).
func (h *handshake) receiveDecision() ([]byte, error) {
	body, err := h.receive()
	if err != nil && isClosed(err) && !h.asServer {
		return nil, fmt.Errorf("%w: %w", ErrTryAgain, err)
	}
	return body, err
}

// metadata returns what we announce of ourselves, in wire form.
func (h *handshake) metadata() ([]byte, error) {
	m := zap.Metadata{{Name: "Socket-Type", Value: []byte(h.cfg.SocketType)}}
	if announcesIdentity(h.cfg.SocketType) {
		m = append(m, zap.Property{Name: "Identity", Value: h.cfg.Identity})
	}
	return m.Append(nil)
}

// setClaims keeps what the peer announces of itself, in a copy of its own.
func (h *handshake) setClaims(metadata []byte) error {
	if len(metadata) > h.cfg.MaxMetadataSize {
		return fmt.Errorf("%w: metadata of %d octets, at most %d", ErrMessageSize, len(metadata), h.cfg.MaxMetadataSize)
	}
	claims, err := zap.ParseMetadata(append([]byte(nil), metadata...))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCommand, err)
	}
	if theirs, ok := claims.Get("Socket-Type"); ok && !compatible(h.cfg.SocketType, string(theirs)) {
		return fmt.Errorf("%w: ours is %s, the peer's %s", ErrSocketType, h.cfg.SocketType, printable(string(theirs)))
	}
	if id, _ := claims.Get("Identity"); len(id) > 255 {
		return fmt.Errorf("%w: identity of %d octets", ErrCommand, len(id))
	}
	h.claims = claims
	return nil
}

// decide asks the handler. On a refusal it returns the reason for the ERROR
// command, "" where the connection is to be closed without a word, and the
// error for our side.
func (h *handshake) decide(ctx context.Context, key curve.PublicKey, credentials ...[]byte) (reason string, err error) {
	reply, err := zap.Ask(ctx, h.cfg.Handler, &zap.Request{
		Domain:      h.cfg.Domain,
		Address:     ipAddress(h.nc),
		Identity:    h.cfg.Identity,
		Mechanism:   h.cfg.Mechanism,
		Credentials: credentials,
	})
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		h.cfg.Log.Error("the handler failed", "peer", peerName(h.nc), "err", err)
	}
	if reply.Status != zap.StatusOK {
		if reply.Status != zap.StatusTryLater {
			reason = strconv.Itoa(int(reply.Status))
		}
		return reason, &DeniedError{Key: key, Reply: reply}
	}
	h.user = User{ID: reply.UserID, Metadata: reply.Metadata, Key: key}
	return "", nil
}

// refuse sends ERROR, unless the reason is empty, and returns denied.
func (h *handshake) refuse(reason string, denied error) error {
	if reason == "" {
		return denied
	}
	command, err := curve.AppendError(nil, reason)
	if err != nil {
		return err
	}
	if err := h.send(command); err != nil {
		return fmt.Errorf("%w (and it was not told: %w)", denied, err)
	}
	return denied
}

// acceptClaims is setClaims for a server, which tells a client of the wrong
// socket type (RFC 37, The Socket-Type Property).
func (h *handshake) acceptClaims(metadata []byte) error {
	err := h.setClaims(metadata)
	if errors.Is(err, ErrSocketType) {
		return h.refuse(ErrSocketType.Error(), err)
	}
	return err
}

// ipAddress is the peer's address as RFC 27 wants it: the IP alone, and
// nothing where there is none.
func ipAddress(nc net.Conn) string {
	a := nc.RemoteAddr()
	if a == nil {
		return ""
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return ""
	}
	return ap.Addr().Unmap().WithZone("").String()
}
