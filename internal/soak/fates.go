package main

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/zcurve/zcurve/zmtp"
)

// checkAlive counts a fault for each end that has ended although nothing ended the
// connection, unless this machine is so late that the end could not know that its peer is
// alive.
func (r *round) checkAlive() {
	if r.alive() {
		return
	}
	// Often, the other end notices soon. It may be the one that gave up.
	for start := time.Now(); time.Since(start) < time.Second && !(r.hasEnded(client) && r.hasEnded(server)); {
		r.sleep(time.Millisecond)
	}
	if r.excused(client) || r.excused(server) {
		r.tally.excuse()
		return
	}
	for end, e := range r.ours {
		switch {
		case !r.hasEnded(end):
		case e == nil:
			r.fault(endedWrongly, "%s: libzmq has ended the connection", endNames[end])
		default:
			at, err := e.ending()
			r.fault(endedWrongly, "%s: %v; this machine was late by %v", endNames[end], err, r.soak.control.late(at).Round(time.Millisecond))
		}
	}
}

// excused reports whether an end may have given up on its peer because this machine was
// late. libzmq doesn't report why it ended a connection.
func (r *round) excused(end int) bool {
	limit := r.party(end).timeout
	if ttl := r.ttl(end); limit == 0 || ttl > 0 && ttl < limit {
		limit = ttl
	}
	at := time.Now()
	if e := r.ours[end]; e != nil {
		var err error
		if at, err = e.ending(); !errors.Is(err, zmtp.ErrHeartbeat) {
			return false
		}
	}
	return limit > 0 && slack*r.soak.control.late(at.Add(-2*limit)) > limit
}

func (r *round) party(end int) party { return [2]party{r.s.client, r.s.server}[end] }

// alive reports whether neither end has ended.
func (r *round) alive() bool { return !r.hasEnded(client) && !r.hasEnded(server) }

func (r *round) hasEnded(end int) bool {
	select {
	case <-r.endedOf(end):
		return true
	default:
		return false
	}
}

// stopSending stops all senders and waits for them.
func (r *round) stopSending() {
	close(r.quiet)
	for i := range r.ours {
		r.waitForSenders(i)
	}
}

func (r *round) waitForSenders(end int) {
	if e := r.ours[end]; e != nil {
		r.wait(endNames[end]+": the end of its senders", after(e.senders.Wait))
	} else {
		r.wait(endNames[end]+": the end of its senders", r.theirs[end].sent)
	}
}

// settle waits until everything has arrived and then closes the connection, the client
// first.
func (r *round) settle() {
	r.stopSending()
	r.waitForArrival(client, server)
	if !r.alive() {
		r.checkAlive()
		r.settleLanes(false, false)
		return
	}
	r.settleLanes(true, true)
	r.closeOurs(client)
	r.expectEOF(server)
	r.closeOurs(server)
}

// waitForArrival waits until all accepted messages have arrived at these ends, as long as
// messages keep arriving and the connection is alive.
func (r *round) waitForArrival(ends ...int) {
	for _, end := range ends {
		l := r.lanes[end]
		if !r.receivesAll(end) {
			continue
		}
		received, progress := l.received(), time.Now()
		for !l.arrived() && time.Since(progress) < r.soak.settling {
			time.Sleep(2 * time.Millisecond)
			if n := l.received(); n != received {
				received, progress = n, time.Now()
			}
			if !r.alive() && time.Since(progress) > time.Second {
				return
			}
		}
	}
}

// receivesAll reports whether an end receives everything that is sent to it.
func (r *round) receivesAll(end int) bool {
	return r.party(end).receives != never && !(r.stopsReceiving() && end == server)
}

// settleLanes counts the messages that have arrived. toClient and toServer say in which
// direction all must have arrived.
func (r *round) settleLanes(toClient, toServer bool) {
	r.tally.count(r.lanes[client].settle(toClient))
	r.tally.count(r.lanes[server].settle(toServer))
}

// closeOurs closes one of our ends. This must succeed, and in time.
func (r *round) closeOurs(end int) {
	e := r.ours[end]
	if e == nil {
		r.theirs[end].close()
		return
	}
	if err := r.closeTimed(e, e.conn.Close, closeTime); err != nil {
		r.fault(wrong, "%s: Close: %v", e.name, err)
	}
}

// closeTimed calls one of the closing functions and checks that it doesn't take too long.
func (r *round) closeTimed(e *ours, how func() error, bound time.Duration) (err error) {
	start := time.Now()
	if !r.wait(e.name+": the end of Close", after(func() { err = how() })) {
		return errors.New("didn't return")
	}
	took := time.Since(start)
	r.tally.closed(took)
	if late := r.soak.control.late(start); took > bound+r.soak.promptly+slack*late {
		r.fault(overran, "%s: closing took %v; this machine was late by %v", e.name, took.Round(time.Millisecond), late.Round(time.Millisecond))
	}
	return err
}

// expectEOF checks that an end notices that its peer has closed.
func (r *round) expectEOF(end int) {
	if !r.wait(endNames[end]+": notice that the peer has closed", r.endedOf(end)) {
		return
	}
	e := r.ours[end]
	if e == nil || e.p.receives == never {
		return
	}
	if !r.wait(endNames[end]+": the end of its receivers", after(e.receivers.Wait)) {
		return
	}
	e.mu.Lock()
	err := e.recvErr
	e.mu.Unlock()
	switch {
	case err == nil, isEOF(err), r.theirs[1-end] != nil: // libzmq resets the connection if there is unread data
	case errors.Is(err, syscall.ECONNRESET) && slack*r.soak.control.late(time.Now()) > endTime:
		r.tally.excuse() // data arrived after Close had stopped waiting
	default:
		r.fault(wrong, "%s: Recv returned %v after the peer closed", e.name, err)
	}
}

// closeBusy closes the client's end while both ends send.
func (r *round) closeBusy() {
	if !r.alive() {
		r.abandon()
		return
	}
	e := r.ours[client] // libzmq's ends don't close in order
	if err := r.closeTimed(e, e.conn.Close, closeTime); err != nil {
		r.fault(wrong, "%s: Close: %v", e.name, err)
		r.abandon()
		return
	}
	r.waitForSenders(client)
	if r.ours[server] != nil {
		r.wait("server: the end of its receivers", after(r.ours[server].receivers.Wait))
	} else {
		r.waitForArrival(server)
		r.wait("server: notice that the peer has closed", r.endedOf(server))
	}
	close(r.quiet)
	r.waitForSenders(server)
	r.settleLanes(false, true)
	r.checkCauses(server, func(err error) bool { return err != nil })
	r.closeAnyhow(server)
}

// closeInVain closes the client's end after the server has stopped receiving. Close
// returns an error if some messages can't arrive; if it returns nil, all arrive when the
// server continues.
func (r *round) closeInVain() {
	if !r.alive() {
		r.abandon()
		return
	}
	r.stop()
	r.sleep(500 * time.Millisecond)
	e, peer := r.ours[client], r.ours[server]
	err := r.closeTimed(e, e.conn.Close, closeTime)
	r.waitForSenders(client)
	if err == nil && r.wait("server: the end of its receivers", after(peer.receivers.Wait)) {
		peer.stopped = make(chan struct{})
		peer.receiveAll()
		r.wait("server: the end of its receivers", after(peer.receivers.Wait))
		r.settleLanes(false, true)
		return
	}
	r.abandon()
}

// leave ends the client's end at once.
func (r *round) leave() {
	if !r.alive() {
		r.abandon()
		return
	}
	left := time.Now()
	if e := r.ours[client]; e != nil {
		r.closeTimed(e, e.conn.CloseNow, 0)
	} else {
		r.theirs[client].close()
	}
	r.noticed(server, left, time.Time{}, 0)
	r.checkCauses(server, func(err error) bool { return !errors.Is(err, zmtp.ErrHeartbeat) && !isClosed(err) })
	r.abandon()
}

// stop makes the server stop receiving.
func (r *round) stop() {
	if e := r.ours[server]; e != nil {
		close(e.stopped)
	} else {
		close(r.theirs[server].stopped)
	}
}

// breakDown breaks the connection and checks that both ends notice.
func (r *round) breakDown(how func()) {
	if !r.alive() {
		r.abandon()
		return
	}
	r.waitForPING(client)
	r.waitForPING(server)
	broken := time.Now()
	how()
	for end := range r.ours {
		e := r.ours[end]
		if e == nil || r.stopsReceiving() && end == server {
			continue
		}
		bound, least, ok := r.noticeTime(end)
		if !ok {
			continue
		}
		earliest := time.Time{}
		if least > 0 {
			// No byte has arrived since then, or none was read.
			last := r.network.lastTo(end)
			if r.s.fate == stops && r.network.lastTo(1-end).Before(last) {
				last = r.network.lastTo(1 - end)
			}
			earliest = last.Add(least)
		}
		r.noticed(end, broken, earliest, bound)
		r.checkCauses(end, func(err error) bool { return r.s.fate == reset || errors.Is(err, zmtp.ErrHeartbeat) })
	}
	r.abandon()
}

// abandon ends the rest of a connection that has ended. Messages may be missing, but
// those that arrived must be correct.
func (r *round) abandon() {
	close(r.quiet)
	for end := range r.ours {
		r.closeAnyhow(end)
	}
	for end := range r.ours {
		r.waitForSenders(end)
	}
	r.settleLanes(false, false)
}

// closeAnyhow closes an end, and ignores errors.
func (r *round) closeAnyhow(end int) {
	if e := r.ours[end]; e != nil {
		r.closeTimed(e, e.conn.Close, closeTime)
	}
}

// cleanUp ends everything and waits for it. The round's context is done, so every call
// with that context returns.
func (r *round) cleanUp() {
	for _, close := range r.closers {
		close()
	}
	for i := range r.ours {
		if e := r.ours[i]; e != nil {
			r.closeTimed(e, e.conn.CloseNow, 0)
			r.wait(fmt.Sprint(e.name, ": the end of its goroutines"), after(func() { e.senders.Wait(); e.receivers.Wait() }))
		}
		if e := r.theirs[i]; e != nil {
			r.wait(e.name+": the end of libzmq's context", after(e.close))
		}
	}
	if r.network != nil {
		r.network.close()
	}
}
