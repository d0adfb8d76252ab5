package zmtp

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// PING is a TTL of two octets in tenths of a second and a context of at most 16
// octets, which PONG echoes (RFC 37, Connection Heartbeating).
const (
	pingTTLSize    = 2
	maxPingContext = 16
	pingTTLUnit    = time.Second / 10
)

// lastLook is for how long the one who receives looks once more before a peer is
// given up: what it has sent may be there already. If the machine stood still, so that
// the timer was late, it is as much longer, up to maxLastLook: the peer may have stood
// still too.
const (
	lastLook    = 10 * time.Millisecond
	maxLastLook = 90 * time.Millisecond
)

// backlog is how many octets a peer may have to read before it gets to a PING, without
// us looking whether it goes on reading.
const backlog = 64 << 10

// pulse is the life of a connection: when PINGs are due, whether the peer is silent, and
// whether it takes what we write.
//
// A peer is silent if nothing has been read from it for HeartbeatTimeout after a PING
// was written, or for the TTL that it has announced itself. Only the one who receives
// can know: others may have nothing to do with what has arrived. So a timer finds out
// when it may be so, sets suspect and interrupts the one who receives, who looks once
// more. It does not matter whether anybody receives at the time.
//
// While octets of ours wait to be written, the peer may not have seen the PING. It then
// is given up only if it takes none of them for that time.
//
// A stretch of time is counted from when the connection began. All but the atomic
// fields belongs to txState.mu.
type pulse struct {
	begun time.Time
	timer *time.Timer   // nil if nothing is ever due
	due   time.Duration // when it goes off

	late atomic.Int64 // by how much it did when the peer began to be suspect

	heard   atomic.Int64  // when octets were last read; kept while anything depends on it
	suspect atomic.Bool   // the peer may be silent
	writes  atomic.Uint64 // writes that have begun or ended: odd while one is under way
	written atomic.Int64  // octets
	stalled atomic.Uint64 // the write of which the peer took nothing

	ttl      time.Duration // announced by the peer; 0 for none
	nextPing time.Duration
	pinged   time.Duration // when the write of the first PING that has no answer began; 0 for none
	moved    time.Duration // when it ended, or octets before that PING were last seen to move

	pingEnd int64  // octets up to that PING, with it
	heardAt int64  // octets up to the last PING that was answered
	acked   int64  // of the octets before that PING, those that the peer's system had
	room    uint32 // what more it was ready to take

	write   uint64        // the write that was under way at the last look
	writeAt time.Duration // when its octets were last seen to move
	unsent  int           // octets that the peer's system didn't have then
}

func (p *pulse) now() time.Duration { return time.Since(p.begun) }

// beginWrite and endWrite enclose each write. A write has an odd number.
func (p *pulse) beginWrite() (number uint64) { return p.writes.Add(1) }

func (p *pulse) endWrite(octets int) {
	p.written.Add(int64(octets))
	p.writes.Add(1)
}

// pings reports whether we send PINGs. ZMTP 3.0 doesn't know them.
func (c *Conn) pings() bool { return c.cfg.HeartbeatInterval > 0 && c.minor > 0 }

// startPulse begins to send PINGs, if we do.
func (c *Conn) startPulse() {
	c.pulse.begun = time.Now()
	if c.pings() {
		c.tx.mu.Lock()
		defer c.tx.mu.Unlock()
		c.pulse.nextPing = c.cfg.HeartbeatInterval
		c.setTimerLocked()
	}
}

// stopPulse ends a timer that is set. A look that has begun ends before Conn.background
// is done.
func (c *Conn) stopPulse() {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	if c.pulse.timer != nil && c.pulse.timer.Stop() {
		c.background.Done()
	}
}

// look does what is due.
func (c *Conn) look() {
	defer c.background.Done()
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	if c.tx.err != nil || c.tx.closing {
		return
	}
	p := &c.pulse
	now := p.now()
	if c.pings() && now >= p.nextPing {
		p.nextPing = now + c.cfg.HeartbeatInterval
		c.tx.ping = true
		c.startWriterLocked()
	}
	c.lookAtWriteLocked(now)
	if !p.suspect.Load() && c.isSilentLocked(now) {
		p.late.Store(int64(max(now-p.due, 0)))
		p.suspect.Store(true)
		c.nc.SetReadDeadline(aLongTimeAgo)
	}
	c.setTimerLocked()
}

// setTimerLocked sets the timer to the next time when something may be due.
func (c *Conn) setTimerLocked() {
	p := &c.pulse
	if c.tx.err != nil || c.tx.closing {
		return
	}
	next := time.Duration(math.MaxInt64)
	if c.pings() {
		next = p.nextPing
	}
	switch limit := c.stallLimitLocked(); {
	case p.write != 0:
		if limit > 0 {
			next = min(next, p.writeAt+limit)
		}
	case p.suspect.Load(): // the one who receives finds out
	default:
		if p.pinged > 0 {
			next = min(next, max(p.pinged, p.moved)+c.cfg.HeartbeatTimeout)
		}
		if p.ttl > 0 {
			next = min(next, max(time.Duration(p.heard.Load()), p.writeAt)+p.ttl)
			if !c.pings() { // a write that the peer doesn't take has to be seen early
				next = min(next, p.now()+p.ttl/4)
			}
		}
	}
	if next == math.MaxInt64 {
		return
	}
	now := p.now()
	wait := max(next-now, time.Millisecond)
	p.due = now + wait
	if p.timer == nil {
		c.background.Add(1)
		p.timer = time.AfterFunc(wait, c.look)
	} else if !p.timer.Reset(wait) {
		c.background.Add(1) // before that look can be done: it needs mu
	}
}

// stallLimitLocked is for how long the peer may take none of the octets that wait to be
// written; zero for ever.
func (c *Conn) stallLimitLocked() time.Duration {
	if c.pings() {
		return c.cfg.HeartbeatTimeout
	}
	return c.pulse.ttl
}

// lookAtWriteLocked interrupts a write of which the peer takes nothing. It may have taken
// something at first.
func (c *Conn) lookAtWriteLocked(now time.Duration) {
	p := &c.pulse
	number := p.writes.Load()
	if number%2 == 0 {
		p.write = 0
		return
	}
	if octets, _ := unsent(c.nc); number != p.write || octets != p.unsent {
		p.write, p.writeAt, p.unsent = number, now, octets
		return
	}
	if limit := c.stallLimitLocked(); limit > 0 && now-p.writeAt >= limit {
		p.stalled.Store(number)
		p.writeAt = now // it may end well at this moment: then that is to be found out
		c.nc.SetWriteDeadline(aLongTimeAgo)
	}
}

// watchWrite begins to look at the write that is next.
func (c *Conn) watchWrite(number uint64) {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	p := &c.pulse
	octets, _ := unsent(c.nc)
	p.write, p.writeAt, p.unsent = number, p.now(), octets
	c.setTimerLocked()
}

// isSilentLocked reports whether the peer is silent for too long, if there is nothing to
// be read from it.
func (c *Conn) isSilentLocked(now time.Duration) bool {
	p := &c.pulse
	heard := time.Duration(p.heard.Load())
	if p.pinged > 0 && heard >= p.pinged {
		p.pinged, p.heardAt = 0, p.pingEnd
	}
	switch {
	case p.write != 0:
		return false
	case p.ttl > 0 && now-max(heard, p.writeAt) >= p.ttl:
		return true
	case p.pinged == 0 || now-max(p.pinged, p.moved) < c.cfg.HeartbeatTimeout:
		return false
	}
	return !c.movesLocked(now)
}

// movesLocked reports whether octets before the PING that has no answer have moved since
// it was last called: on their way to the peer's system, or from there to the peer.
func (c *Conn) movesLocked(now time.Duration) bool {
	p := &c.pulse
	octets, known := unsent(c.nc)
	if !known {
		return false
	}
	acked, room := min(p.written.Load()-int64(octets), p.pingEnd), c.roomLocked()
	moves := acked > p.acked || room > p.room
	if p.acked, p.room = acked, room; moves {
		p.moved = now
	}
	return moves
}

// roomLocked is the window of a peer that may have much to read before the PING.
func (c *Conn) roomLocked() uint32 {
	if c.pulse.pingEnd-c.pulse.heardAt < backlog {
		return 0
	}
	return window(c.nc)
}

// pingWrittenLocked begins to wait for the answer to a PING, of which the write began at
// that time. The answer may be there by now.
func (c *Conn) pingWrittenLocked(began time.Duration) {
	p := &c.pulse
	now := p.now()
	if p.pinged == 0 || time.Duration(p.heard.Load()) >= p.pinged {
		if p.pinged > 0 {
			p.heardAt = p.pingEnd
		}
		p.pinged, p.moved, p.pingEnd = began, now, p.written.Load()
		octets, _ := unsent(c.nc)
		p.acked = p.pingEnd - int64(octets)
		if p.pingEnd-p.acked <= int64(c.frameSize(len(cmdPing)+1+pingTTLSize)) {
			p.acked = p.pingEnd // the PING's own arrival says nothing
		}
		p.room = c.roomLocked()
	}
	if p.pingEnd-p.heardAt >= backlog {
		// The answer to the next one tells what room the peer has.
		p.nextPing = min(p.nextPing, now+c.cfg.HeartbeatTimeout/2)
	}
	c.setTimerLocked()
}

// appendHeartbeatsLocked puts the PING and PONG that are due into the buffer, and
// reports whether there was a PING.
func (c *Conn) appendHeartbeatsLocked() (ping bool) {
	if ping = c.tx.ping; ping {
		// Our next PING is due an interval from now: the peer shall wait that long
		// and the timeout on top.
		ttl := min((c.cfg.HeartbeatInterval+c.cfg.HeartbeatTimeout)/pingTTLUnit, math.MaxUint16)
		c.appendCommandLocked(cmdPing, binary.BigEndian.AppendUint16(nil, uint16(ttl)))
		c.tx.ping = false
	}
	if c.tx.pong != nil {
		c.appendCommandLocked(cmdPong, c.tx.pong)
		c.tx.pong = nil
	}
	return ping
}

// appendCommandLocked puts a command into the buffer.
func (c *Conn) appendCommandLocked(name string, data []byte) {
	body := append(appendName(nil, name), data...)
	c.tx.buf = withRoom(c.tx.buf, c.tx.queued, c.tx.queued+c.frameSize(len(body)))
	out, err := c.appendFrame(c.tx.buf.octets[:c.tx.queued], flagCommand, body)
	if err != nil {
		c.failLocked(err)
	}
	c.tx.queued = len(out)
}

// handlePingLocked lets a PING be answered. One that finds another unanswered replaces
// it: one answer is a sign of life for both.
func (c *Conn) handlePingLocked(data []byte) error {
	if len(data) < pingTTLSize || len(data) > pingTTLSize+maxPingContext {
		return fmt.Errorf("%w: PING of %d octets", errCommand, len(data))
	}
	ttl := time.Duration(binary.BigEndian.Uint16(data)) * pingTTLUnit
	echo := append(make([]byte, 0, maxPingContext), data[pingTTLSize:]...)
	c.rx.ttl = ttl
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	c.tx.pong = echo
	c.startWriterLocked()
	if ttl != c.pulse.ttl {
		c.pulse.ttl = ttl
		c.pulse.heard.Store(int64(c.pulse.now()))
		c.setTimerLocked()
	}
	return nil
}

// heardLocked notes that octets have arrived. It is for the one who receives.
func (c *Conn) heardLocked() {
	if c.rx.ttl == 0 && !c.pings() {
		return
	}
	c.pulse.heard.Store(int64(c.pulse.now()))
	if c.pulse.suspect.Load() {
		c.isSilent()
	}
}

// isSilent reports whether a peer from which there is nothing to be read is to be given
// up. If not, it isn't suspect any more.
func (c *Conn) isSilent() bool {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	if c.isSilentLocked(c.pulse.now()) {
		return true
	}
	c.pulse.suspect.Store(false)
	c.setTimerLocked()
	return false
}
