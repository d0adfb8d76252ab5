package control

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/zmtp"
)

const (
	// maxPeers bounds the connections of the door.
	maxPeers = 64
	// maxTime bounds one request.
	maxTime = 30 * time.Second
	// sendPatience is how long a peer may leave its reply unread.
	sendPatience = 10 * time.Second
	// heartbeat frees the place of a peer that is gone without closing its connection.
	heartbeat = 10 * time.Second
)

// Handler carries out a request of asker, which is "ipc" or an address, with the user if
// that is known. It is called from several goroutines. The result becomes JSON. An error
// that isn't an *Error gets CodeFailed.
type Handler func(ctx context.Context, asker string, req Request) (result any, err error)

// Listen opens the door at an endpoint. link says how connections are secured; Listen sets
// its socket type and its limits.
func Listen(ctx context.Context, at string, link zmtp.Config) (*zmtp.Listener, error) {
	link.SocketType = "ROUTER"
	link.MaxMessageSize, link.MaxParts = MaxRequest, maxFrames
	link.HeartbeatInterval = heartbeat
	nl, err := endpoint.Listen(ctx, at)
	if err != nil {
		return nil, err
	}
	ln, err := zmtp.NewListener(withUsers(nl), link)
	if err != nil {
		nl.Close()
	}
	return ln, err
}

// Serve answers the requests that arrive at ln until ctx is done, and then closes ln. A peer
// that sends too much, or reads no replies, loses its connection; it delays no other peer.
func Serve(ctx context.Context, ln *zmtp.Listener, handle Handler, log *slog.Logger) error {
	defer ln.Close()
	var peers sync.WaitGroup
	defer peers.Wait()
	places := make(chan struct{}, maxPeers)
	for {
		conn, err := ln.Accept(ctx)
		if err != nil {
			return nil
		}
		select {
		case places <- struct{}{}:
		default:
			log.Warn("control connection closed: too many", "asker", asker(conn), "count", maxPeers)
			conn.CloseNow()
			continue
		}
		peers.Go(func() {
			defer func() { <-places }()
			defer conn.CloseNow()
			if err := answer(ctx, conn, handle); ctx.Err() == nil {
				log.Debug("control connection lost", "asker", asker(conn), "err", err)
			}
		})
	}
}

// answer answers the requests of one peer until its connection ends. It returns why it ended.
func answer(ctx context.Context, conn *zmtp.Conn, handle Handler) error {
	who := asker(conn)
	for {
		frames, err := conn.Recv(ctx)
		if err != nil {
			return err
		}
		if err := reply(ctx, conn, frames, func(ctx context.Context, text []byte) (any, error) {
			req, err := ParseRequest(text)
			if err != nil {
				return nil, err
			}
			return handle(ctx, who, req)
		}); err != nil {
			return err
		}
	}
}

// reply answers one request. What is before its last frame goes back to the peer as it is:
// the empty frame of a REQ, and the request id of programs that use one.
func reply(ctx context.Context, conn *zmtp.Conn, frames [][]byte, result func(context.Context, []byte) (any, error)) error {
	last := len(frames) - 1
	limited, cancel := context.WithTimeout(ctx, maxTime)
	frames[last] = encodeReply(result(limited, frames[last]))
	cancel()
	sending, cancel := context.WithTimeout(ctx, sendPatience)
	defer cancel()
	return conn.Send(sending, frames...)
}

// asker names the peer of a connection: its address, or "ipc", and its user if that is known.
func asker(conn *zmtp.Conn) string {
	name := "ipc"
	switch a := conn.RemoteAddr().(type) {
	case *net.TCPAddr:
		name = a.AddrPort().Addr().Unmap().String()
	case userAddr:
		name = a.String()
	}
	if user := conn.User().ID; user != "" {
		name += " (" + strings.ToValidUTF8(user, "?") + ")"
	}
	return name
}
