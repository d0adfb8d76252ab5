package zmtp

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/tally"
	"github.com/zcurve/zcurve/zap"
)

// farewellPatience is how long a connection whose client must leave stays open at most, for
// the client to learn why.
const farewellPatience = 100 * time.Millisecond

// A stay lasts from the admission of a client by a zap.Keeper until its connection ends.
type stay struct {
	key  curve.PublicKey
	log  *tally.Log    // of a Listener; nil without one
	gone chan struct{} // closed when the farewell is over

	mu       sync.Mutex
	release  func()        // the Keeper's; nil before Keep has returned, and after it was called
	conn     *Conn         // nil during the handshake
	released bool          // the client has left
	refused  *RefusedError // set by end

	torn bool                  // a write was cut off; guarded by Conn.tx.mu
	err  atomic.Pointer[error] // why the connection ended, from the moment that the client must leave
}

// keep lets the handler watch its decision to admit the client, if it can. If the client must
// leave already, keep returns the new decision.
func (h *handshake) keep(req *zap.Request, reply zap.Reply, err error) (zap.Reply, error) {
	keeper, ok := h.cfg.Handler.(zap.Keeper)
	if !ok || reply.Status != zap.StatusOK {
		return reply, err
	}
	s := h.stay
	release, keepErr := callKeep(keeper, req, reply, s.end)
	if keepErr != nil {
		return zap.Reply{Status: zap.StatusError, Text: "internal error", Rule: reply.Rule, Identity: reply.Identity}, keepErr
	}
	if refused := s.begin(release); refused != nil {
		return refused.Reply, err
	}
	return reply, err
}

// callKeep calls Keep. A panic is an error.
func callKeep(keeper zap.Keeper, req *zap.Request, reply zap.Reply, end func(zap.Reply)) (release func(), err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("zmtp: %v: the handler panicked in Keep: %v\n%s", req, p, debug.Stack())
		}
	}()
	return keeper.Keep(req, reply, end), nil
}

// begin notes how to end the watch, and ends it if the client has left in the meantime. It
// returns why the client must leave already, or nil.
func (s *stay) begin(release func()) *RefusedError {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release = release
	if s.released && release != nil {
		s.release = nil
		go release()
	}
	return s.refused
}

// attach lets the client of c stay until end.
func (s *stay) attach(c *Conn) {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.conn = c
	refused := s.refused
	s.mu.Unlock()
	if refused != nil {
		c.remove(refused)
	}
}

// end says that the client must leave. It does not wait for the client.
func (s *stay) end(reply zap.Reply) {
	switch reply.Status {
	case zap.StatusTryLater, zap.StatusRefused, zap.StatusError:
	default:
		reply = zap.Reply{Status: zap.StatusError, Text: "internal error", Rule: reply.Rule, Identity: reply.Identity}
	}
	reply.UserID, reply.Metadata = "", nil
	s.mu.Lock()
	if s.released || s.refused != nil {
		s.mu.Unlock()
		return
	}
	s.refused = &RefusedError{Key: s.key, Reply: reply, atServer: true}
	c, refused := s.conn, s.refused
	s.mu.Unlock()
	if c != nil {
		c.remove(refused)
	}
}

// leave ends the watch: the connection has ended. It may be called more than once.
func (s *stay) leave() {
	if s == nil {
		return
	}
	s.mu.Lock()
	release := s.release
	s.release, s.released = nil, true
	s.mu.Unlock()
	if release != nil {
		release()
	}
}

// removed returns why the client had to leave, or nil.
func (c *Conn) removed() error {
	if c.stay == nil {
		return nil
	}
	if err := c.stay.err.Load(); err != nil {
		return *err
	}
	return nil
}

// remove ends the connection, because its client must leave. From then on, no message is
// delivered or written. A goroutine tells the client why, if it can do so soon.
func (c *Conn) remove(refused *RefusedError) {
	err := fmt.Errorf("zmtp: %s: %w", peerName(c.nc), refused)
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	c.stay.err.Store(&err)
	if c.tx.err != nil || c.tx.closing {
		c.failLocked(refused)
		c.hangUp()
		close(c.stay.gone)
		return
	}
	c.tx.err, c.tx.lost = err, c.tx.queued > 0
	c.broadcastLocked()
	c.nc.SetReadDeadline(aLongTimeAgo)
	if c.tx.writing {
		c.nc.SetWriteDeadline(aLongTimeAgo)
	}
	c.background.Go(func() {
		defer close(c.stay.gone)
		c.tellRemoved(refused)
		c.sayFarewell(refused)
		c.stay.leave()
	})
}

// sayFarewell tells the client why it must leave, and hangs up. It waits no longer than
// farewellPatience. What the client still sends is read and dropped, because closing a
// connection while bytes are unread resets it, and the client would lose the reason.
func (c *Conn) sayFarewell(refused *RefusedError) {
	defer c.hangUp()
	command := errorCommand(refused)
	if command == nil {
		return
	}
	defer time.AfterFunc(farewellPatience, c.hangUp).Stop()
	if c.writeLast(command) != nil {
		return
	}
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.rx.turn <- struct{}{} // the receiver has noticed the end
	defer func() { <-c.rx.turn }()
	c.nc.SetReadDeadline(time.Time{})
	io.Copy(io.Discard, c.nc)
}

// writeLast writes a command after the last message, unless a write was cut off: then it
// would be in the middle of a frame.
func (c *Conn) writeLast(command []byte) error {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	for c.tx.writing {
		c.waitLocked(context.Background())
	}
	if c.stay.torn {
		return c.tx.err
	}
	octets, err := c.appendFrame(nil, flagCommand, command)
	if err != nil {
		return err
	}
	c.tx.writing = true
	c.tx.mu.Unlock()
	c.nc.SetWriteDeadline(time.Time{})
	_, err = c.nc.Write(octets)
	c.tx.mu.Lock()
	c.tx.writing = false
	c.broadcastLocked()
	return err
}

// tellRemoved logs that the client had to leave.
func (c *Conn) tellRemoved(refused *RefusedError) {
	attrs := append([]slog.Attr{slog.String("peer", peerName(c.nc)), slog.String("mechanism", c.cfg.Mechanism)}, refused.attrs()...)
	if c.stay.log != nil {
		c.stay.log.Tell(slog.LevelWarn, "client removed", peerName(c.nc), refused.Error(), attrs...)
		return
	}
	c.cfg.Log.LogAttrs(context.Background(), slog.LevelWarn, "client removed", attrs...)
}

// awaitFarewell waits until a client that must leave knows why, or for farewellPatience.
func (c *Conn) awaitFarewell() {
	if c.removed() != nil {
		<-c.stay.gone
	}
}
