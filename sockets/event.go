// Package sockets has the words that the packages of ZeroMQ sockets share.
package sockets

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/zcurve/zcurve/zmtp"
)

// Kind says what happened.
type Kind int

// The kinds of events.
const (
	Listening Kind = iota + 1 // the socket listens at the endpoint
	Ready                     // a peer is connected, and may send and receive
	Failed                    // an attempt to connect, or a peer's, has failed: see Err
	Lost                      // a connection has ended: see Err
)

// String returns the name of the kind, such as "ready".
func (k Kind) String() string {
	switch k {
	case Listening:
		return "listening"
	case Ready:
		return "ready"
	case Failed:
		return "failed"
	case Lost:
		return "lost"
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Event says what happened to a socket's connections. Plain data.
type Event struct {
	Kind     Kind
	Endpoint string        // at which the socket listens, or to which it connects
	Peer     string        // the network address of the peer, or "" if it is not known
	User     zmtp.User     // who the peer is or was, for Ready and Lost
	Err      error         // why, for Failed and Lost: the errors of package zmtp, among others
	Retry    time.Duration // the pause before the next attempt; zero if none follows
}

// String returns one sentence, such as "tcp://192.0.2.1:5555: refused by server: 400 (not
// admitted; ask its operator); trying again in 5s".
func (e Event) String() string {
	var b strings.Builder
	b.WriteString(e.Endpoint + ": ")
	switch e.Kind {
	case Listening:
		b.WriteString("listening")
	case Ready:
		b.WriteString("connected")
		if e.User.ID != "" {
			fmt.Fprintf(&b, " to %q", e.User.ID)
		}
	default:
		if e.User.ID != "" {
			fmt.Fprintf(&b, "%q: ", e.User.ID)
		}
		b.WriteString(e.why())
	}
	if e.Peer != "" {
		b.WriteString(" (" + e.Peer + ")")
	}
	if e.Retry > 0 {
		b.WriteString("; trying again in " + e.Retry.Round(time.Millisecond).String())
	}
	return b.String()
}

// why returns the text of the error without what says nothing to people, and without the
// addresses that the event has anyway.
func (e Event) why() string {
	switch {
	case e.Err == nil:
		return "no reason is known"
	case e.Err == io.EOF, errors.Is(e.Err, io.EOF) && e.Err.Error() == io.EOF.Error():
		return "the peer closed the connection"
	}
	text := strings.TrimPrefix(e.Err.Error(), "zmtp: ")
	text = strings.TrimPrefix(text, "connecting to "+e.Endpoint+" failed: ")
	text = strings.TrimPrefix(text, "handshake with ")
	_, address, _ := strings.Cut(e.Endpoint, "://")
	for _, known := range []string{address, e.Peer} {
		text = strings.TrimPrefix(text, known+": ")
	}
	return strings.TrimSuffix(text, ": EOF")
}
