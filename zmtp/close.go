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
	// closePatience bounds the time that Close takes.
	closePatience = 5 * time.Second
	// lingerPatience is how long Close waits for the peer to close its side where
	// nothing else tells what has arrived, and for what arrives after that.
	lingerPatience = time.Second
	// endPatience is how long it waits for that when all has arrived.
	endPatience = 20 * time.Millisecond
)

// errUnsent is why Close returns an error.
var errUnsent = errors.New("closed before all that was sent has arrived")

// Close ends the connection in good order and wipes its keys. Calls of other methods
// return net.ErrClosed, those under way too, unless their message has been taken for
// sending. What has been taken, also what is only queued, is still written, and Close
// waits until the peer's system has it, for 5 seconds at most. If it hasn't got it by
// then, the error says so.
//
// That the peer's system has a message doesn't mean that the peer has read it. On
// other systems than Linux, and for other connections than TCP and ipc, Close can't
// know what has arrived: it waits until the peer has closed its side too, for a second
// at most. When all has arrived it waits for that for a fiftieth of a second. If the net.Conn has no CloseWrite, and the peer doesn't close its side, that
// is an error.
func (c *Conn) Close() error {
	c.close()
	c.shutDown.Do(c.finish)
	return c.unsent
}

// close lets no more messages be taken, and everybody know.
func (c *Conn) close() {
	c.tx.mu.Lock()
	defer c.tx.mu.Unlock()
	if !c.tx.closing {
		c.tx.closing = true
		close(c.closing)
	}
}

// CloseNow ends the connection at once and wipes its keys. What has been taken for
// sending and isn't written is lost; the error then says so. It cuts short a Close
// that is under way.
func (c *Conn) CloseNow() error {
	c.close()
	c.fail(net.ErrClosed)
	c.hangUp()
	c.shutDown.Do(c.finish)
	return c.unsent
}

// hangUp closes the net.Conn without a word. A tls.Conn would wait until it has said good
// bye, as closeWrite lets it.
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

// closedError is what calls return after Close.
func (c *Conn) closedError() error {
	return fmt.Errorf("zmtp: %s: %w", peerName(c.nc), net.ErrClosed)
}

// finish is what Close does, once.
func (c *Conn) finish() {
	c.nc.SetReadDeadline(aLongTimeAgo) // the one who receives sees that it is closing
	c.rx.turn <- struct{}{}            // and nobody else receives any more
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
	for c.tx.writing { // which fails now
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
	c.unsent = err
}

// deliver writes what has been taken for sending and waits until it has arrived. The
// octets that the peer still sends are read meanwhile: it may not take ours before,
// and a connection that is closed with octets unread is reset, which takes away those
// that it has sent. The error says what hasn't arrived, but not what a connection that
// has ended before has lost.
func (c *Conn) deliver() error {
	c.tx.mu.Lock()
	c.tx.ping, c.tx.pong = false, nil
	c.startWriterLocked()
	c.broadcastLocked() // those who wait for a place get none
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
		stop := context.AfterFunc(ctx, c.hangUp) // a tls.Conn has patience of its own
		defer stop()
		if half.CloseWrite() != nil {
			return nil
		}
		return c.linger(ctx, sent, discarded)
	case sent == 0 || isPipe(c.nc):
		return nil
	}
	// It can't say that no more comes, and what the peer sends after it is closed takes
	// away what is on its way.
	select {
	case <-discarded:
		return nil
	case <-time.After(lingerPatience):
		return fmt.Errorf("zmtp: %s: %w, as far as can be known: the net.Conn has no CloseWrite", peerName(c.nc), errUnsent)
	}
}

// isPipe reports whether a connection is net.Pipe's, where a write waits for the peer's
// read.
func isPipe(nc net.Conn) bool {
	local := nc.LocalAddr()
	return local != nil && local.Network() == "pipe"
}

// awaitWriter waits until nobody writes any more. It doesn't wait for a heartbeat that
// the peer doesn't take, if it has all messages. It returns how many octets had been
// written when the last message was.
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
			return 0, fmt.Errorf("zmtp: %s: %w: the peer takes no more", peerName(c.nc), errUnsent)
		}
	}
	return c.tx.sent, nil
}

// busyLocked reports whether any message waits to be written.
func (c *Conn) busyLocked() bool { return c.tx.carrying || c.tx.queued > 0 }

// missing returns how many octets, of those up to the last message, the peer's system
// doesn't have.
func (c *Conn) missing(sent int64) (octets int64, known bool) {
	if sent == 0 {
		return 0, true
	}
	behind, known := unsent(c.nc)
	if _, ok := c.nc.(*net.UnixConn); ok && known {
		return 0, true // both ends have the same system, and what it counts are more than octets
	}
	return sent - (c.pulse.written.Load() - int64(behind)), known
}

// linger waits until the peer's system has the messages that were written, or it is sure
// that it won't, and then for a moment until the peer has closed its side too: what it
// sends after we have closed ours would reset the connection. discarded tells when the
// peer has closed its side, or what else has ended the connection.
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
			return fmt.Errorf("zmtp: %s: %w: %d octets are on their way", peerName(c.nc), errUnsent, octets)
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
