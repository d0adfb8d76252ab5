package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/zcurve/zcurve/zmtp"
)

// meet says what the peer says of itself, and measures a round trip. conn is nil if the types
// of the sockets don't fit.
func (r *Report) meet(ctx context.Context, conn *zmtp.Conn, rec *recorder) {
	if conn == nil {
		r.pass(Peer, "%s; handshake %s, round trip not measured: pass --type to connect as a type that fits", r.who(), round(r.Handshake))
		return
	}
	r.SocketType = r.Metadata.Get("Socket-Type")
	if strings.HasSuffix(r.Version, ".0") {
		r.pass(Peer, "%s; handshake %s, round trip not measured: ZMTP %s has no PING", r.who(), round(r.Handshake), r.Version)
		return
	}
	if err := r.measure(ctx, conn, rec); err != nil {
		r.fail(Peer, peerFault(err))
		return
	}
	r.pass(Peer, "%s; handshake %s, round trip %s", r.who(), round(r.Handshake), round(r.RoundTrip))
}

// linkProperty is a property by which zauth tells services what it can do.
const linkProperty = "X-Zap-Admissions"

// who describes the peer by what it says of itself.
func (r *Report) who() string {
	text := cmp.Or(printable(r.SocketType), "unnamed") + " socket"
	if r.SocketType == "ROUTER" && r.Metadata.Get(linkProperty) != "" {
		text += " of zauth, which answers services"
	}
	for _, p := range r.Metadata {
		if !strings.EqualFold(p.Name, "Socket-Type") && !strings.EqualFold(p.Name, linkProperty) && p.Value != "" {
			text += fmt.Sprintf(", %s %s", printable(p.Name), printable(p.Value))
		}
	}
	return text
}

// measure waits until the peer answers a PING.
func (r *Report) measure(ctx context.Context, conn *zmtp.Conn, rec *recorder) error {
	answered := rec.expectAnswer()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := conn.Recv(ctx); err != nil { // also answers PINGs of the peer
				ended <- err
				return
			}
		}
	}()
	select {
	case r.RoundTrip = <-answered:
		cancel()
		<-ended
		return nil
	case err := <-ended:
		return err
	}
}

// peerFault says what happened instead of an answer to PING.
func peerFault(err error) fault {
	if isSilent(err) || errors.Is(err, zmtp.ErrHeartbeat) {
		return fault{"the peer does not answer PING", "it is stuck, or its library has no heartbeats, which ZMTP 3.1 requires: see its log", true}
	}
	text := "the peer closed the connection after the handshake"
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		text += ": " + reason(err)
	}
	return fault{text, hintLog, true}
}
