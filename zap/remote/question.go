package remote

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// question is a request that waits for its answer. Client.mu guards all but id, frames
// and reply.
type question struct {
	id      uint64
	frames  [][]byte       // a copy, which is wiped when nobody needs it any more
	reply   chan zap.Reply // of capacity 1
	sent    int            // how often
	sending bool           // frames are being read
	over    bool           // answered or given up
}

// Why Handle answers itself.
var (
	errBusy = errors.New("too many requests wait for an answer")
	errLost = errors.New("the connection was lost twice before an answer")
)

// ask copies a request and lets it wait. It is sent when there is a connection.
func (c *Client) ask(req *zap.Request) (*question, error) {
	id := c.lastID.Add(1)
	frames, err := zap.AppendRequest(nil, binary.BigEndian.AppendUint64(nil, id), req)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) >= maxWaiting {
		return nil, errBusy
	}
	q := &question{id: id, frames: zmtp.CloneMessage(frames), reply: make(chan zap.Reply, 1)}
	c.waiting[id] = q
	if c.connected {
		if len(c.queue) >= 2*maxWaiting { // half of them at least
			c.queue = slices.DeleteFunc(c.queue, func(q *question) bool { return q.over })
		}
		c.queue = append(c.queue, q)
		c.wakeSender()
	}
	return q, nil
}

// wakeSender lets it look into the queue.
func (c *Client) wakeSender() {
	select {
	case c.unsent <- struct{}{}:
	default:
	}
}

// forget ends a question, answered or not.
func (c *Client) forget(q *question) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(q)
}

// endLocked lets a question wait no longer.
func (c *Client) endLocked(q *question) {
	delete(c.waiting, q.id)
	q.over = true
	q.wipeLocked()
}

// wipeLocked wipes the copy of a request that may hold a password, unless it is
// still needed.
func (q *question) wipeLocked() {
	if !q.over || q.sending {
		return
	}
	for _, frame := range q.frames {
		clear(frame)
	}
}

// connect begins the sending on a new connection, with all that waits.
func (c *Client) connect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected = true
	for _, q := range c.waiting {
		c.queue = append(c.queue, q)
	}
	slices.SortFunc(c.queue, func(a, b *question) int { return cmp.Compare(a.id, b.id) })
	c.wakeSender()
}

// disconnect ends the sending on a connection. What was sent too often is answered.
func (c *Client) disconnect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected, c.queue = false, nil
	for _, q := range c.waiting {
		if q.sent >= maxSent {
			q.reply <- tryLater(errLost.Error())
			c.endLocked(q)
		}
	}
}

// next returns the next question to send, or nil. Call sent afterwards.
func (c *Client) next() *question {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 {
		q := c.queue[0]
		c.queue[0], c.queue = nil, c.queue[1:]
		if !q.over {
			q.sending = true
			q.sent++
			return q
		}
	}
	return nil
}

// sent tells that a question of next was handed to the connection.
func (c *Client) sent(q *question) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q.sending = false
	q.wipeLocked()
}

// deliver gives a reply to the one who waits for it, if anybody still does. It
// reports whether there ever was a request of that id.
func (c *Client) deliver(requestID []byte, reply zap.Reply) bool {
	if len(requestID) != 8 {
		return false
	}
	id := binary.BigEndian.Uint64(requestID)
	c.mu.Lock()
	defer c.mu.Unlock()
	if q, ok := c.waiting[id]; ok {
		q.reply <- reply
		c.endLocked(q)
	}
	return 0 < id && id <= c.lastID.Load()
}
