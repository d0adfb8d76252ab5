package zmtp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/sockettype"
	"github.com/zcurve/zcurve/internal/tally"
	"github.com/zcurve/zcurve/zap"
)

// handshake is the state of a connection until it is established.
type handshake struct {
	nc       net.Conn
	cfg      *Config
	asServer bool
	in       *frameReader
	peer     greeting
	unsent   []byte // to send before the next command
	received string // name of the last command from the peer

	impatient *time.Timer // ends a handshake with a silent peer, see accepts
	// Of a Listener's connection; nil without a Listener.
	place *place
	log   *tally.Log

	// Set by the mechanism.
	claims zap.Metadata
	user   User
	stay   *stay         // nil unless the handler is a zap.Keeper
	sealer *curve.Sealer // nil without CURVE, as is opener
	opener *curve.Opener
}

// helloPatience returns how long a server or a Listener waits for a peer that has proved
// nothing: for its greeting and first command. It is a sixth of the whole handshake's time,
// but at least minHelloPatience.
func helloPatience(timeout time.Duration) time.Duration { return max(minHelloPatience, timeout/6) }

const minHelloPatience = 5 * time.Second

var errSilent = fmt.Errorf("greeting and first command took too long: %w", context.DeadlineExceeded)

func newHandshake(nc net.Conn, cfg *Config, asServer bool) *handshake {
	return &handshake{nc: nc, cfg: cfg, asServer: asServer, in: newFrameReader(nc)}
}

// connect takes the net.Conn through greeting and mechanism. If that fails, it closes the
// net.Conn.
func (h *handshake) connect(ctx context.Context) (*Conn, error) {
	start := time.Now()
	if err := checkDeadlines(h.nc); err != nil {
		h.nc.Close()
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, h.cfg.HandshakeTimeout)
	defer stop()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if h.accepts() {
		h.impatient = time.AfterFunc(helloPatience(h.cfg.HandshakeTimeout), func() { end(errSilent) })
		defer h.impatient.Stop()
	}
	interrupt := interrupter{setDeadline: h.nc.SetDeadline}
	defer interrupt.close()
	interrupt.begin(ctx)
	err := h.run(ctx)
	interrupt.end()
	if err == nil {
		return startConn(h), nil
	}
	h.stay.leave()
	h.nc.Close()
	if ctx.Err() != nil && (isTimeout(err) || errors.Is(err, ctx.Err()) || errors.Is(err, net.ErrClosed)) {
		err = fmt.Errorf("gave up after %v: %w", time.Since(start).Round(time.Millisecond), context.Cause(ctx))
	}
	if h.sealer != nil {
		h.sealer.Close()
		h.opener.Close()
	}
	return nil, err
}

// checkDeadlines refuses a net.Conn without deadlines: nothing could end a call that waits
// for the peer.
func checkDeadlines(nc net.Conn) error {
	err := nc.SetDeadline(time.Time{})
	if err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		return nil // the first use reports that it is closed
	}
	return fmt.Errorf("%w: %T has no deadlines, which every timeout needs: copy between it and one end of a net.Pipe, and use the other end: %w",
		errConfig, nc, err)
}

// accepts reports whether anyone may be the peer: on a server, and on a Listener.
func (h *handshake) accepts() bool { return h.asServer || h.place != nil }

// greet notes that the peer's first command was valid.
func (h *handshake) greet() {
	h.place.greet()
	h.setPatience(false)
}

// setPatience sets whether the peer has only helloPatience, as one that has proved nothing.
func (h *handshake) setPatience(short bool) {
	switch {
	case h.impatient == nil:
	case short:
		h.impatient.Reset(helloPatience(h.cfg.HandshakeTimeout))
	default:
		h.impatient.Stop()
	}
}

// tell logs a message. A Listener logs it once for each cause (why) and address.
func (h *handshake) tell(level slog.Level, message, why string, attrs ...slog.Attr) {
	attrs = append([]slog.Attr{slog.String("peer", peerName(h.nc))}, attrs...)
	if h.log != nil {
		h.log.Tell(level, message, peerName(h.nc), why, attrs...)
		return
	}
	h.cfg.Log.LogAttrs(context.Background(), level, message, attrs...)
}

// warnOfPlain warns of passwords that cross a network unencrypted.
func (h *handshake) warnOfPlain() {
	if a := h.nc.RemoteAddr(); h.cfg.Mechanism == zap.Plain && a != nil && !endpoint.IsLocal(endpoint.Of(a)) {
		h.tell(slog.LevelWarn, "PLAIN sends the password unencrypted over the network", "")
	}
}

// isTimeout reports whether err means that a deadline has passed. ETIMEDOUT is something
// else: the system gave up on the connection.
func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout() && !errors.Is(err, syscall.ETIMEDOUT)
}

// peerClosed reports whether err means that the peer has closed the connection.
func peerClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) || isReset(err)
}

// run exchanges greetings and runs the mechanism.
func (h *handshake) run(ctx context.Context) error {
	if err := h.exchangeGreetings(); err != nil {
		return err
	}
	switch h.cfg.Mechanism {
	case zap.Null:
		return h.null(ctx)
	case zap.Plain:
		if h.asServer {
			return h.plainServer(ctx)
		}
		return h.plainClient()
	default:
		if h.asServer {
			return fromCurve(h.curveServer(ctx))
		}
		return fromCurve(h.curveClient())
	}
}

// isBuffered reports whether the operating system buffers what a handshake writes at a
// time, so that a write returns whether or not the peer reads. Then reading and writing
// need no goroutine of their own.
func isBuffered(nc net.Conn) bool {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// exchange runs write and read at the same time. Both peers may write first, and without
// buffers in between (net.Pipe, TLS) each would wait until the other reads. An error of
// read takes precedence: it has the reason for which the write failed as well.
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

// receive reads one handshake command. If the peer refused with ERROR instead, it returns a
// *RefusedError. A client's mechanism interprets a closed connection itself.
func (h *handshake) receive() ([]byte, error) {
	flags, body, err := h.in.next(h.cfg.maxCommand())
	if err != nil && h.asServer && peerClosed(err) {
		return nil, fmt.Errorf("the peer left during the handshake, after %s: %w", cmp.Or(h.received, "its greeting"), err)
	}
	if err != nil {
		return nil, err
	}
	if flags&flagCommand == 0 {
		return nil, fmt.Errorf("%w: a message frame during the handshake", errFrame)
	}
	if h.cfg.Mechanism == zap.Plain && !h.asServer {
		body = repairPlainError(body)
	}
	name, _, err := parseCommand(body)
	if err != nil {
		return body, nil // the mechanism says what it expected
	}
	h.received = nameOf(name)
	if name == cmdError && h.mayBeRefused() {
		return nil, parseError(body)
	}
	return body, nil
}

// mayBeRefused reports whether the peer may send ERROR. In NULL either side may, and
// otherwise only the server.
func (h *handshake) mayBeRefused() bool { return !h.asServer || h.cfg.Mechanism == zap.Null }

// receiveDecision reads the command that carries a server's decision. A server that closes
// the connection there means "not now" (ZAP status 300).
func (h *handshake) receiveDecision() ([]byte, error) {
	body, err := h.receive()
	if err != nil && peerClosed(err) && !h.asServer {
		return nil, fmt.Errorf("%w: %w", ErrTryAgain, err)
	}
	return body, err
}

// metadata returns this side's properties in wire form.
func (h *handshake) metadata() ([]byte, error) {
	m := zap.Metadata{{Name: "Socket-Type", Value: h.cfg.SocketType}}
	if announcesRoutingID(h.cfg.SocketType) {
		m = append(m, zap.Metadata{{"Identity", string(h.cfg.RoutingID)}}...)
	}
	return append(m, h.cfg.Properties...).Append(nil)
}

// setClaims checks the peer's properties and keeps a copy of them.
func (h *handshake) setClaims(metadata []byte) error {
	if len(metadata) > h.cfg.MaxMetadataSize {
		return fmt.Errorf("%w: metadata of %d bytes, at most %d", errMessageSize, len(metadata), h.cfg.MaxMetadataSize)
	}
	claims, err := zap.ParseMetadata(metadata)
	if err != nil {
		return fmt.Errorf("%w: %w", errCommand, withoutName{err})
	}
	for _, p := range claims {
		// A peer may leave its socket type out, but not leave it empty.
		if strings.EqualFold(p.Name, "Socket-Type") && !sockettype.Compatible(h.cfg.SocketType, p.Value) {
			return &SocketTypeError{Ours: h.cfg.SocketType, Theirs: p.Value}
		}
	}
	switch id := claims.Get("Identity"); {
	case len(id) > 255:
		return fmt.Errorf("%w: routing id of %d bytes, at most 255", errCommand, len(id))
	case len(id) > 0 && id[0] == 0:
		return fmt.Errorf("%w: routing id that begins with a zero byte, which only a socket makes for its own use", errCommand)
	}
	h.claims = claims
	return nil
}
