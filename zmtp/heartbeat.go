package zmtp

import (
	"encoding/binary"
	"fmt"
	"math"
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

// sendHeartbeats sends a PING in every interval until the connection ends.
func (c *Conn) sendHeartbeats() {
	// Our next PING is due an interval from now: the peer shall wait that long
	// and the timeout on top.
	ttl := min((c.cfg.HeartbeatInterval+c.cfg.HeartbeatTimeout)/pingTTLUnit, math.MaxUint16)
	ping := binary.BigEndian.AppendUint16(nil, uint16(ttl))
	ticker := time.NewTicker(c.cfg.HeartbeatInterval)
	defer ticker.Stop()
	for {
		select {
		case <-c.closed:
			return
		case <-ticker.C:
		}
		// While a message is on its way out, that is the sign of life.
		if !c.tx.mu.TryLock() {
			continue
		}
		c.nc.SetWriteDeadline(time.Now().Add(pongPatience))
		err := c.sendCommandLocked(cmdPing, ping)
		c.nc.SetWriteDeadline(time.Time{})
		c.tx.mu.Unlock()
		if err != nil || c.flushPong() != nil {
			return
		}
	}
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
	c.tx.pongMu.Lock()
	c.tx.pong = append(make([]byte, 0, maxPingContext), data[pingTTLSize:]...)
	c.tx.pongMu.Unlock()
	return c.flushPong()
}

// flushPong sends the PONG that is due, if nobody is sending; who is sends it
// afterwards. So the one who receives never waits for one who sends, whom the
// peer may not let go on before we receive. A PING that finds another
// unanswered replaces it: one answer is a sign of life for both.
func (c *Conn) flushPong() error {
	for c.pongDue() && c.tx.mu.TryLock() {
		c.tx.pongMu.Lock()
		pong := c.tx.pong
		c.tx.pong = nil
		c.tx.pongMu.Unlock()
		var err error
		if pong != nil {
			c.nc.SetWriteDeadline(time.Now().Add(pongPatience))
			err = c.sendCommandLocked(cmdPong, pong)
			c.nc.SetWriteDeadline(time.Time{})
		}
		c.tx.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) pongDue() bool {
	c.tx.pongMu.Lock()
	defer c.tx.pongMu.Unlock()
	return c.tx.pong != nil
}
