package zmtp

import (
	"bytes"
	"context"
	"fmt"
)

// sendLargeLocked sends a message that is too large for the buffer, piece by piece. No other
// message is accepted in the meantime. If ctx is done after a piece has been written, a
// goroutine writes a copy of the rest.
func (c *Conn) sendLargeLocked(ctx context.Context, flags byte, parts [][]byte) error {
	if err := c.beginLargeLocked(ctx); err != nil {
		return err
	}
	var out outgoing
	if c.tx.whole {
		c.writeLargeAloneLocked(out, nil, CloneMessage(parts), flags)
		return c.flushLocked(ctx)
	}
	c.tx.mu.Unlock()
	payload, parts, err := c.writeLarge(ctx, &out, nil, parts, flags)
	c.tx.mu.Lock()
	if err != nil && err == ctx.Err() && c.tx.err == nil {
		c.writeLargeAloneLocked(out, bytes.Clone(payload), CloneMessage(parts), flags)
		return fmt.Errorf("zmtp: %w: %w", ErrQueued, err)
	}
	return c.endLargeLocked(out.buf, err)
}

// beginLargeLocked waits until no one writes and nothing is queued.
func (c *Conn) beginLargeLocked(ctx context.Context) error {
	mine := false // this caller has set exclusive
	for {
		err := c.refusalLocked(ctx)
		switch {
		case err != nil:
		case c.tx.exclusive && !mine:
			err = c.waitLocked(ctx)
		case c.tx.writing:
			c.tx.exclusive, mine = true, true
			err = c.waitLocked(ctx)
		case c.tx.queued > 0:
			c.tx.exclusive, mine = true, true
			err = c.writeQueuedLocked(ctx)
		default:
			c.tx.exclusive, c.tx.writing, c.tx.carrying = true, true, true
			c.tx.taken++
			return nil
		}
		if err != nil {
			if mine {
				c.tx.exclusive = false
				c.broadcastLocked()
			}
			return err
		}
	}
}

// writeLarge writes what is in out, then payload, the rest of the last frame in out, and then
// the frames of parts with these flags. It returns what it has not written. (payload and
// parts are not in one struct, because the compiler would then take parts to escape, and
// Send would allocate.)
func (c *Conn) writeLarge(ctx context.Context, out *outgoing, payload []byte, parts [][]byte, flags byte) ([]byte, [][]byte, error) {
	for {
		if out.r < out.w {
			n, err := c.write(ctx, out.buf.octets[out.r:out.w])
			if out.r += n; err != nil {
				return payload, parts, err
			}
		}
		n, err := c.write(ctx, payload)
		if payload = payload[n:]; err != nil {
			return payload, parts, err
		}
		if len(parts) == 0 {
			return nil, nil, nil
		}
		if payload, parts, err = c.fillLarge(out, parts, flags); err != nil {
			return nil, parts, err
		}
	}
}

// fillLarge puts the next frames into out, up to writeSize. Without CURVE a large part is
// written from the caller's memory: fillLarge returns it as payload. left are the remaining
// parts.
func (c *Conn) fillLarge(out *outgoing, parts [][]byte, flags byte) (payload []byte, left [][]byte, err error) {
	out.r, out.w = 0, 0
	for len(parts) > 0 && out.w < writeSize {
		part, now := parts[0], flags
		if parts = parts[1:]; len(parts) > 0 {
			now |= flagMore
		}
		if c.tx.sealer == nil && len(part) > writeSize {
			out.buf = withRoom(out.buf, out.w, out.w+longHeader)
			out.w = len(appendFrameHeader(out.buf.octets[:out.w], now, len(part)))
			return part, parts, nil
		}
		out.buf = withRoom(out.buf, out.w, out.w+c.frameSize(len(part)))
		octets, err := c.appendFrame(out.buf.octets[:out.w], now, part)
		if err != nil {
			return nil, parts, err
		}
		out.w = len(octets)
	}
	return nil, parts, nil
}

// writeLargeAloneLocked writes the rest of a message in its own goroutine.
func (c *Conn) writeLargeAloneLocked(out outgoing, payload []byte, parts [][]byte, flags byte) {
	c.background.Go(func() {
		_, _, err := c.writeLarge(context.Background(), &out, payload, parts, flags)
		c.tx.mu.Lock()
		defer c.tx.mu.Unlock()
		c.endLargeLocked(out.buf, err)
	})
}

// endLargeLocked lets others write again.
func (c *Conn) endLargeLocked(buf *buffer, err error) error {
	putBuffer(buf)
	c.tx.exclusive = false
	return c.endWritingLocked(err)
}
