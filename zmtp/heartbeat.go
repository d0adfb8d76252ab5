package zmtp

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// PING has a TTL of two bytes, in tenths of a second, and a context of at most 16 bytes,
// which PONG echoes (RFC 37, Connection Heartbeating).
const (
	pingTTLSize    = 2
	maxPingContext = 16
	pingTTLUnit    = time.Second / 10
)

// lastLook is how long the receiver tries once more to read before the connection ends: the
// peer may have sent something by now. If the timer was late because the machine stalled,
// the receiver tries that much longer, up to maxLastLook, because the peer may have stalled
// too.
const (
	lastLook    = 10 * time.Millisecond
	maxLastLook = 90 * time.Millisecond
)

// backlog is how many bytes before a PING a peer is expected to read without delay. If there
// are more, movesLocked checks that the peer continues to read.
const backlog = 64 << 10

// pulse is the heartbeat of a connection: when to send a PING, whether the peer is silent,
// and whether it reads what this side writes.
//
// A peer is silent if nothing was read from it for HeartbeatTimeout after a PING was written,
// or for the TTL that the peer has announced. Only the receiver can tell, since bytes may
// have arrived that it has not read. So a timer expires when the peer may be silent, sets
// suspect and interrupts the receiver, which tries once more. This works whether or not a
// call receives at that time.
//
// While bytes wait to be written, the peer may not have the PING yet. Then the connection
// ends only if the peer reads none of them for that time.
//
// Times are counted from the beginning of the connection. txState.mu guards all fields but
// the atomic ones.
type pulse struct {
	begun time.Time
	timer *time.Timer   // nil if it was never needed
	due   time.Duration // when it expires

	late atomic.Int64 // how late the timer was when it set suspect

	heard   atomic.Int64  // when bytes were last read; only kept while something depends on it
	suspect atomic.Bool   // the peer may be silent
	writes  atomic.Uint64 // begins and ends of writes: odd while one is in progress
	written atomic.Int64  // bytes
	stalled atomic.Uint64 // the number of a write of which the peer read nothing

	ttl      time.Duration // announced by the peer; 0 for none
	nextPing time.Duration
	pinged   time.Duration // when the write of the first unanswered PING began; 0 for none
	moved    time.Duration // when that write ended, or bytes before the PING were last seen to move

	pingEnd int64  // bytes up to the end of that PING
	heardAt int64  // bytes up to the end of the last PING that was answered
	acked   int64  // how many bytes up to pingEnd the peer's system had
	room    uint32 // how many more bytes it accepted

	write   uint64        // the write in progress at the last look; 0 for none
	writeAt time.Duration // when its bytes were last seen to move
	unsent  int           // bytes that the peer's system did not have then
}

func (p *pulse) now() time.Duration { return time.Since(p.begun) }

// beginWrite and endWrite enclose each write. A write has an odd number.
func (p *pulse) beginWrite() (number uint64) { return p.writes.Add(1) }

func (p *pulse) endWrite(octets int) {
	p.written.Add(int64(octets))
	p.writes.Add(1)
}

// pings reports whether this side sends PINGs. ZMTP 3.0 does not have them.
func (c *Conn) pings() bool { return c.cfg.HeartbeatInterval > 0 && c.minor > 0 }

// startPulse starts the timer if this side sends PINGs.
func (c *Conn) startPulse() {
	c.pulse.begun = time.Now()
	if c.pings() {
		c.tx.mu.Lock()
		defer c.tx.mu.Unlock()
		c.pulse.nextPing = c.cfg.HeartbeatInterval
		c.setTimerLocked()
	}
}

// stopPulse stops the timer. Conn.background waits for a look that has begun.
func (c *Conn) stopPulse() {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	if c.pulse.timer != nil && c.pulse.timer.Stop() {
		c.background.Done()
	}
}

// look runs when the timer expires.
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

// setTimerLocked sets the timer to the next time at which there may be something to do.
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
	case p.suspect.Load(): // the receiver finds out
	default:
		if p.pinged > 0 {
			next = min(next, max(p.pinged, p.moved)+c.cfg.HeartbeatTimeout)
		}
		if p.ttl > 0 {
			next = min(next, max(time.Duration(p.heard.Load()), p.writeAt)+p.ttl)
			if !c.pings() { // no other timer would notice a stalled write in time
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
		c.background.Add(1) // in time: look needs mu before it calls Done
	}
}

// stallLimitLocked returns how long the peer may read none of the bytes that wait to be
// written. Zero means forever.
func (c *Conn) stallLimitLocked() time.Duration {
	if c.pings() {
		return c.cfg.HeartbeatTimeout
	}
	return c.pulse.ttl
}

// lookAtWriteLocked interrupts a write that no longer moves.
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
		p.writeAt = now // the write may have succeeded at this moment; then look again later
		c.nc.SetWriteDeadline(aLongTimeAgo)
	}
}

// watchWrite begins to watch the write with this number.
func (c *Conn) watchWrite(number uint64) {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	p := &c.pulse
	octets, _ := unsent(c.nc)
	p.write, p.writeAt, p.unsent = number, p.now(), octets
	c.setTimerLocked()
}

// isSilentLocked reports whether the peer has been silent for too long, provided that there
// is nothing to read from it.
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

// movesLocked reports whether bytes before the unanswered PING have moved since its last
// call: to the peer's system, or from there to the peer.
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

// roomLocked returns the peer's window, if the peer may have much to read before the PING.
func (c *Conn) roomLocked() uint32 {
	if c.pulse.pingEnd-c.pulse.heardAt < backlog {
		return 0
	}
	return window(c.nc)
}

// pingWrittenLocked begins to wait for the answer to a PING whose write began at began. The
// answer may have arrived by now.
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
			p.acked = p.pingEnd // only the PING itself is missing, and its arrival proves nothing
		}
		p.room = c.roomLocked()
	}
	if p.pingEnd-p.heardAt >= backlog {
		// The acknowledgment of the next PING shows the peer's window.
		p.nextPing = min(p.nextPing, now+c.cfg.HeartbeatTimeout/2)
	}
	c.setTimerLocked()
}

// appendHeartbeatsLocked puts a pending PING and PONG into the buffer, and reports whether
// there was a PING.
func (c *Conn) appendHeartbeatsLocked() (ping bool) {
	if ping = c.tx.ping; ping {
		// The peer is to wait for the next PING, which follows after an interval, and for
		// the timeout on top.
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

// handlePingLocked schedules the answer to a PING. It replaces an earlier PING that was not
// answered yet: one answer is a sign of life for both.
func (c *Conn) handlePingLocked(data []byte) error {
	if len(data) < pingTTLSize || len(data) > pingTTLSize+maxPingContext {
		return fmt.Errorf("%w: PING of %d bytes", errCommand, len(data))
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

// heardLocked notes that bytes have arrived. Only the receiver calls it.
func (c *Conn) heardLocked() {
	if c.rx.ttl == 0 && !c.pings() {
		return
	}
	c.pulse.heard.Store(int64(c.pulse.now()))
	if c.pulse.suspect.Load() {
		c.isSilent()
	}
}

// isSilent reports whether the connection must end because there is nothing to read from the
// peer. If not, it resets suspect.
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
