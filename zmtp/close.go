package zmtp

import (
	"context"
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
	// nothing else tells what has arrived.
	lingerPatience = time.Second
)

// errUnsent is why Close returns an error.
var errUnsent = errors.New("closed before all that was sent has arrived")

// Close ends the connection in good order and wipes its keys. Calls of other methods
// return net.ErrClosed, those under way too, unless their message has been taken for
// sending. What has been taken, also what is only queued, is still written, and Close
// waits until the peer's system has it, for 5 seconds at most. If it can't tell that,
// the error says so.
//
// That the peer's system has a message doesn't mean that the peer has read it. On
// other systems than Linux, and for other connections than TCP and ipc, Close can't
// know what has arrived: it waits until the peer has closed its side too, for a second
// at most.
func (c *Conn) Close() error {
	c.close()
	return c.shutDown()
}

// CloseNow ends the connection at once and wipes its keys. What has been taken for
// sending and isn't written is lost; the error then says so. It cuts short a Close
// that is under way.
func (c *Conn) CloseNow() error {
	c.close()
	c.fail(net.ErrClosed)
	c.nc.Close()
	return c.shutDown()
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

// finish is what Close does.
func (c *Conn) finish() error {
	c.nc.SetReadDeadline(aLongTimeAgo) // the one who receives sees that it is closing
	c.rx.turn <- struct{}{}            // and nobody else receives any more
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	err := c.deliver(ctx)
	cause := c.fail(net.ErrClosed)
	c.nc.Close()
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
	return err
}

// deliver writes what has been taken for sending and waits until it has arrived. The
// octets that the peer still sends are read meanwhile: it may not take ours before,
// and a connection that is closed with octets unread is reset, which takes away those
// that it has sent. The error says what hasn't arrived, but not what a connection that
// has ended before has lost.
func (c *Conn) deliver(ctx context.Context) error {
	c.tx.mu.Lock()
	c.startWriterLocked()
	c.broadcastLocked() // those who wait for a place get none
	busy, sent, failed := c.busyLocked(), c.tx.sent, c.tx.err != nil
	c.tx.mu.Unlock()
	if failed {
		return nil
	}
	if missing, known := c.missing(sent); !busy && (sent == 0 || known && missing <= 0) {
		c.closeWrite()
		discardUnread(c.nc)
		return nil
	}

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
	c.tx.mu.Lock()
	for c.tx.err == nil && c.busyLocked() && c.waitLocked(ctx) == nil {
	}
	sent, busy, failed = c.tx.sent, c.busyLocked(), c.tx.err != nil
	c.tx.mu.Unlock()
	switch {
	case failed:
		return nil
	case busy:
		return fmt.Errorf("zmtp: %s: %w: the peer takes no more", peerName(c.nc), errUnsent)
	case !c.closeWrite():
		return nil
	}
	return c.linger(ctx, sent, discarded)
}

// closeWrite tells the peer that nothing more comes, if the connection can.
func (c *Conn) closeWrite() bool {
	half, ok := c.nc.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

// busyLocked reports whether any message waits to be written.
func (c *Conn) busyLocked() bool { return c.tx.carrying || c.tx.queued > 0 }

// missing returns how many octets, of those up to the last message, the peer's system
// doesn't have.
func (c *Conn) missing(sent int64) (octets int64, known bool) {
	behind, known := unsent(c.nc)
	return sent - (c.pulse.written.Load() - int64(behind)), known
}

// linger waits until the peer's system has the messages that were written, or it is sure
// that it won't. discarded tells when the peer has closed its side, and why.
func (c *Conn) linger(ctx context.Context, sent int64, discarded <-chan error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	closed := false // by the peer
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		octets, known := c.missing(sent)
		if known && octets <= 0 || !known && closed {
			return nil
		}
		if !known || closed {
			time.AfterFunc(lingerPatience, cancel)
		}
		select {
		case err, ok := <-discarded:
			if ok && err != nil {
				return fmt.Errorf("zmtp: %s: %w: %w", peerName(c.nc), errUnsent, err)
			}
			closed, discarded = true, nil
		case <-time.After(pause):
		case <-ctx.Done():
			if !known {
				return nil
			}
			return fmt.Errorf("zmtp: %s: %w: %d octets are on their way", peerName(c.nc), errUnsent, octets)
		}
	}
}
