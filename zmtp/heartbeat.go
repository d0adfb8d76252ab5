package zmtp

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"time"
)

// PING is a TTL of two octets in tenths of a second and a context of at most 16
// octets, which PONG echoes (RFC 37, Connection Heartbeating).
const (
	pingTTLSize    = 2
	maxPingContext = 16
	pingTTLUnit    = time.Second / 10
)

// pongPatience is how long the peer may take no octets while a PONG or PING
// waits to be written.
const pongPatience = 30 * time.Second

// heartbeat is the timer of a connection's PINGs. There is no goroutine between
// two of them. Conn.background counts it while the next PING is due.
type heartbeat struct {
	mu    sync.Mutex
	timer *time.Timer // nil when there are no more PINGs
}

// startHeartbeats sends a PING in every interval until the connection ends.
func (c *Conn) startHeartbeats() {
	c.background.Add(1)
	c.heartbeat.mu.Lock()
	defer c.heartbeat.mu.Unlock()
	c.heartbeat.timer = time.AfterFunc(c.cfg.HeartbeatInterval, c.beat)
}

// beat sends a PING and starts the timer for the next one.
func (c *Conn) beat() {
	err := c.sendPing()
	c.heartbeat.mu.Lock()
	defer c.heartbeat.mu.Unlock()
	if err != nil || c.heartbeat.timer == nil {
		c.heartbeat.timer = nil
		c.background.Done()
		return
	}
	c.heartbeat.timer.Reset(c.cfg.HeartbeatInterval)
}

// stopHeartbeats lets no further PING begin. One that is on its way out ends
// before Conn.background is done.
func (c *Conn) stopHeartbeats() {
	c.heartbeat.mu.Lock()
	defer c.heartbeat.mu.Unlock()
	if c.heartbeat.timer != nil && c.heartbeat.timer.Stop() {
		c.background.Done()
	}
	c.heartbeat.timer = nil
}

// sendPing sends a PING, unless a message is on its way out, which is a sign of
// life too.
func (c *Conn) sendPing() error {
	if !c.tx.mu.TryLock() {
		return nil
	}
	// Our next PING is due an interval from now: the peer shall wait that long
	// and the timeout on top.
	ttl := min((c.cfg.HeartbeatInterval+c.cfg.HeartbeatTimeout)/pingTTLUnit, math.MaxUint16)
	err := c.sendHeartbeatLocked(cmdPing, binary.BigEndian.AppendUint16(nil, uint16(ttl)))
	c.tx.mu.Unlock()
	if err != nil {
		return err
	}
	return c.flushPong()
}

// sendHeartbeatLocked sends a PING or PONG, for which no caller's context says how
// long to wait.
func (c *Conn) sendHeartbeatLocked(name string, data []byte) error {
	c.nc.SetWriteDeadline(time.Now().Add(pongPatience))
	defer c.nc.SetWriteDeadline(time.Time{})
	return c.sendCommandLocked(context.Background(), name, data)
}

// idleLimitLocked is how long Recv may wait for an octet, zero for ever: the
// shorter of what the peer's last PING asked for and what our own PINGs imply.
// It counts from when Recv begins to wait, so time that the application spends
// elsewhere never counts against the peer.
func (c *Conn) idleLimitLocked() time.Duration {
	limit := c.rx.ttl
	if c.cfg.HeartbeatInterval > 0 {
		own := c.cfg.HeartbeatInterval + c.cfg.HeartbeatTimeout
		if limit == 0 || own < limit {
			limit = own
		}
	}
	return limit
}

// handlePingLocked answers a PING.
func (c *Conn) handlePingLocked(data []byte) error {
	if len(data) < pingTTLSize || len(data) > pingTTLSize+maxPingContext {
		return fmt.Errorf("%w: PING of %d octets", ErrCommand, len(data))
	}
	c.rx.ttl = time.Duration(binary.BigEndian.Uint16(data)) * pingTTLUnit
	echo := append(make([]byte, 0, maxPingContext), data[pingTTLSize:]...)
	c.tx.pong.Store(&echo)
	return c.flushPong()
}

// flushPong sends the PONG that is due, if nobody is sending; who is sends it
// afterwards. So the one who receives never waits for one who sends, whom the
// peer may not let go on before we receive. A PING that finds another
// unanswered replaces it: one answer is a sign of life for both.
func (c *Conn) flushPong() error {
	for c.tx.pong.Load() != nil && c.tx.mu.TryLock() {
		var err error
		if echo := c.tx.pong.Swap(nil); echo != nil {
			err = c.sendHeartbeatLocked(cmdPong, *echo)
		}
		c.tx.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}
