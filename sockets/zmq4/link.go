package zmq4

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// link is a connection of a pipe: a *zmtp.Conn, or a foreign. Its methods do what those of
// zmtp.Conn do.
type link interface {
	RecvBatch(ctx context.Context) ([][][]byte, error)
	Queue(ctx context.Context, parts ...[]byte) error
	Subscribe(ctx context.Context, topic []byte) error
	Unsubscribe(ctx context.Context, topic []byte) error
	Flush(ctx context.Context) error
	Claims() zap.Metadata
	User() zmtp.User
	RemoteAddr() net.Addr
	Close() error
	CloseNow() error
}

// handshakeTime bounds the handshake of a foreign connection, and closeTime how long Close
// waits for the peer.
const (
	handshakeTime = 30 * time.Second
	closeTime     = time.Second
)

// foreign is a connection with a Security of another package, over a Conn.
type foreign struct {
	conn  *Conn
	batch [1][][]byte
	ended chan struct{} // closed when RecvBatch has failed
	end   sync.Once
}

// openForeign performs the handshake. If it fails, it closes nc.
func (s *socket) openForeign(ctx context.Context, nc net.Conn, server bool) (link, error) {
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	nc.SetDeadline(time.Now().Add(handshakeTime))
	c, err := Open(nc, s.security, s.typ, s.config().RoutingID, server, nil)
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &foreign{conn: c, ended: make(chan struct{})}, nil
}

// RecvBatch returns one message. Its end is that of the connection, not that of ctx.
func (f *foreign) RecvBatch(context.Context) ([][][]byte, error) {
	for {
		msg, err := f.conn.RecvMsg()
		if err != nil {
			f.end.Do(func() { close(f.ended) })
			return nil, err
		}
		if msg.Type == UsrMsg {
			f.batch[0] = msg.Frames
			return f.batch[:], nil
		}
	}
}

func (f *foreign) Queue(_ context.Context, parts ...[]byte) error {
	return f.conn.send(false, func() error { return f.conn.appendFramesLocked(parts) })
}

// Subscribe sends a message, as ZMTP 3.0 has no command for it.
func (f *foreign) Subscribe(ctx context.Context, topic []byte) error {
	return f.Queue(ctx, append([]byte{1}, topic...))
}

func (f *foreign) Unsubscribe(ctx context.Context, topic []byte) error {
	return f.Queue(ctx, append([]byte{0}, topic...))
}

func (f *foreign) Flush(context.Context) error {
	return f.conn.send(true, func() error { return nil })
}

func (f *foreign) Claims() zap.Metadata { return f.conn.Peer.Meta.list() }
func (f *foreign) User() zmtp.User      { return zmtp.User{} }
func (f *foreign) RemoteAddr() net.Addr { return f.conn.nc.RemoteAddr() }
func (f *foreign) CloseNow() error      { return f.conn.Close() }

// Close writes what is queued, and waits for the peer to close too, so that nothing that is
// on the way gets lost.
func (f *foreign) Close() error {
	err := f.Flush(context.Background())
	if half, ok := f.conn.nc.(interface{ CloseWrite() error }); ok && err == nil && half.CloseWrite() == nil {
		timer := time.NewTimer(closeTime)
		defer timer.Stop()
		select {
		case <-f.ended:
		case <-timer.C:
		}
	}
	f.conn.Close()
	return err
}
