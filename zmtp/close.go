package zmtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// closePatience bounds the time of Close.
	closePatience = 5 * time.Second
	// lingerPatience is how long Close waits for the peer to close its side if nothing else
	// shows what has arrived, and for data to arrive after the peer has closed.
	lingerPatience = time.Second
	// endPatience is how long Close waits for the peer to close when all has arrived.
	endPatience = 20 * time.Millisecond
)

// errUnsent is the reason for an error of Close.
var errUnsent = errors.New("closed before all that was sent arrived")

// Close ends the connection in good order and wipes its keys. Other calls return
// net.ErrClosed, also those in progress, unless their message was accepted for sending. Close
// still writes all accepted messages, including those that are only queued, and waits at most
// 5 seconds until the peer's system has them. It returns an error if messages may be lost. It
// may be called more than once.
//
// The peer's system having a message does not mean that the peer has read it. On systems
// other than Linux, and on connections other than TCP and ipc, Close cannot tell what has
// arrived. There it waits at most a second for the peer to close its side too, and returns an
// error if the net.Conn has no CloseWrite and the peer does not close. Where it can tell, it
// waits 20 milliseconds for that.
func (c *Conn) Close() error {
	if c.isZero() {
		return nil
	}
	c.close()
	c.shutDown.Do(c.finish)
	return c.unsent
}

// close stops accepting messages and signals closing.
func (c *Conn) close() {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	if !c.tx.closing {
		c.tx.closing = true
		close(c.closing)
	}
}

// CloseNow ends the connection at once and wipes its keys. Accepted messages that are not
// written are lost, and then it returns an error. It cuts short a Close in progress. It waits
// a tenth of a second at most for a client that a zap.Keeper has removed to learn why.
func (c *Conn) CloseNow() error {
	if c.isZero() {
		return nil
	}
	c.close()
	c.awaitFarewell()
	c.fail(net.ErrClosed)
	c.hangUp()
	c.shutDown.Do(c.finish)
	return c.unsent
}

// hangUp closes the net.Conn at once. The Close of a tls.Conn would first try to send an
// alert.
func (c *Conn) hangUp() {
	if tc, ok := c.nc.(*tls.Conn); ok {
		tc.NetConn().Close()
		return
	}
	c.nc.Close()
}

// isClosing reports whether Close or CloseNow has been called.
func (c *Conn) isClosing() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

// closedError returns the error of calls after Close.
func (c *Conn) closedError() error {
	if c.isZero() {
		return fmt.Errorf("zmtp: not connected: %w", net.ErrClosed)
	}
	return fmt.Errorf("zmtp: %s: %w", peerName(c.nc), net.ErrClosed)
}

// finish closes the connection. It runs once.
func (c *Conn) finish() {
	c.awaitFarewell()
	c.nc.SetReadDeadline(aLongTimeAgo) // the receiver notices that the connection is closing
	c.rx.turn <- struct{}{}            // and no one receives any more
	err := c.deliver()
	cause := c.fail(net.ErrClosed)
	c.hangUp()
	if c.rx.err == nil {
		c.rx.err = cause
	}
	c.rx.interrupt.close()
	if c.rx.opener != nil {
		c.rx.opener.Close()
	}
	<-c.rx.turn

	c.stopPulse()
	c.tx.mu.Lock()
	for c.tx.writing { // the write fails now
		c.waitLocked(context.Background())
	}
	if err == nil && c.tx.lost {
		err = fmt.Errorf("zmtp: %s: %w: %w", peerName(c.nc), errUnsent, cause)
	}
	c.tx.interrupt.close()
	if c.tx.sealer != nil {
		c.tx.sealer.Close()
	}
	c.tx.mu.Unlock()
	c.background.Wait()
	c.stay.leave()
	c.unsent = err
}

// deliver writes all accepted messages and waits until they have arrived. In the meantime it
// reads what the peer still sends, for two reasons. The peer may not read before it has
// written. And closing a connection while bytes are unread resets it, and then the peer loses
// what was sent to it. The error reports what has not arrived, but not what was lost if the
// connection had ended before.
func (c *Conn) deliver() error {
	c.tx.mu.Lock()
	c.tx.ping, c.tx.pong = false, nil
	c.startWriterLocked()
	c.broadcastLocked() // callers that wait for room in the buffer get none
	failed := c.tx.err != nil
	c.tx.mu.Unlock()
	if failed {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	c.nc.SetReadDeadline(time.Time{})
	discarded := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, c.nc)
		discarded <- err
		close(discarded)
	}()
	defer func() {
		c.nc.SetReadDeadline(aLongTimeAgo)
		for range discarded {
		}
	}()
	half, ok := c.nc.(interface{ CloseWrite() error })
	sent, err := c.awaitWriter(ctx, ok)
	switch {
	case err != nil:
		return err
	case ok:
		stop := context.AfterFunc(ctx, c.hangUp) // a tls.Conn would wait for longer
		defer stop()
		if half.CloseWrite() != nil {
			return nil
		}
		return c.linger(ctx, sent, discarded)
	case sent == 0 || isPipe(c.nc):
		return nil
	}
	// Without CloseWrite the peer does not learn that this side is done. What it sends after
	// the end would reset the connection and discard what is on its way. So wait for the peer
	// to close.
	select {
	case <-discarded:
		return nil
	case <-time.After(lingerPatience):
		return fmt.Errorf("zmtp: %s: %w, as far as this side can tell: the net.Conn has no CloseWrite", peerName(c.nc), errUnsent)
	}
}

// isPipe reports whether nc is one end of a net.Pipe, whose writes wait for the peer's reads.
func isPipe(nc net.Conn) bool {
	local := nc.LocalAddr()
	return local != nil && local.Network() == "pipe"
}

// awaitWriter waits until no one writes. If the peer has all messages, it does not wait for a
// heartbeat that the peer does not read. It returns how many bytes had been written at the
// end of the last message.
func (c *Conn) awaitWriter(ctx context.Context, canCloseWrite bool) (sent int64, err error) {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	for c.tx.err == nil && (c.tx.writing || c.tx.queued > 0) {
		if !c.busyLocked() {
			missing, known := c.missing(c.tx.sent)
			if !canCloseWrite || known && missing <= 0 {
				break
			}
		}
		if c.waitLocked(ctx) != nil {
			return 0, fmt.Errorf("zmtp: %s: %w: the peer does not read", peerName(c.nc), errUnsent)
		}
	}
	return c.tx.sent, nil
}

// busyLocked reports whether a message waits to be written.
func (c *Conn) busyLocked() bool { return c.tx.carrying || c.tx.queued > 0 }

// missing returns how many of the bytes up to the end of the last message the peer's system
// does not have.
func (c *Conn) missing(sent int64) (bytes int64, known bool) {
	if sent == 0 {
		return 0, true
	}
	behind, known := unsent(c.nc)
	if _, ok := c.nc.(*net.UnixConn); ok && known {
		return 0, true // both ends have the same system, and unsent counts more than bytes there
	}
	return sent - (c.pulse.written.Load() - int64(behind)), known
}

// linger waits until the peer's system has all written messages, or never will. Then it waits
// a moment for the peer to close its side too: what the peer sends after the end would reset
// the connection. discarded receives a value when the peer has closed its side, or the error
// that has ended the connection.
func (c *Conn) linger(ctx context.Context, sent int64, discarded <-chan error) error {
	patience := closePatience
	begun := time.Now()
	for closed, pause := false, time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		octets, known := c.missing(sent)
		arrived := known && octets <= 0
		switch {
		case closed && (arrived || !known):
			return nil
		case arrived:
			patience = min(patience, time.Since(begun)+endPatience)
		case closed || !known:
			patience = min(patience, time.Since(begun)+lingerPatience)
		}
		if ctx.Err() != nil || time.Since(begun) >= patience {
			if arrived || !known {
				return nil
			}
			return fmt.Errorf("zmtp: %s: %w: %d bytes are on their way", peerName(c.nc), errUnsent, octets)
		}
		select {
		case err := <-discarded:
			if err != nil && !arrived {
				return fmt.Errorf("zmtp: %s: %w: %w", peerName(c.nc), errUnsent, err)
			}
			closed, discarded = true, nil
		case <-time.After(pause):
		}
	}
}
