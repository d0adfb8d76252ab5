package remote

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// question is a request that waits for its reply. Handler.mu guards all fields but id,
// frames and reply.
type question struct {
	id      uint64
	frames  [][]byte       // a copy, which is wiped when no longer needed
	reply   chan zap.Reply // of capacity 1
	sent    int            // how often it was sent
	sending bool           // frames are being read
	over    bool           // it has its reply, or no longer waits
}

// Reasons why Handle returns its own reply.
var (
	errBusy = errors.New("too many pending requests")
	errLost = errors.New("the connection was lost twice before a reply")
)

// ask copies a request and queues it. It is sent when there is a connection.
func (h *Handler) ask(req *zap.Request) (*question, error) {
	id := h.lastID.Add(1)
	frames, err := zap.AppendRequest(nil, binary.BigEndian.AppendUint64(nil, id), req)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) >= maxWaiting {
		return nil, errBusy
	}
	q := &question{id: id, frames: zmtp.CloneMessage(frames), reply: make(chan zap.Reply, 1)}
	h.waiting[id] = q
	if h.connected {
		if len(h.queue) >= 2*maxWaiting { // at least half of them
			h.queue = slices.DeleteFunc(h.queue, func(q *question) bool { return q.over })
		}
		h.queue = append(h.queue, q)
		h.wakeSender()
	}
	return q, nil
}

// wakeSender makes send check the queue.
func (h *Handler) wakeSender() {
	select {
	case h.unsent <- struct{}{}:
	default:
	}
}

// forget ends a question, with or without a reply.
func (h *Handler) forget(q *question) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.endLocked(q)
}

// endLocked ends a question.
func (h *Handler) endLocked(q *question) {
	delete(h.waiting, q.id)
	q.over = true
	q.wipeLocked()
}

// wipeLocked wipes the copy of a request, which may hold a password, unless it is still
// needed.
func (q *question) wipeLocked() {
	if !q.over || q.sending {
		return
	}
	for _, frame := range q.frames {
		clear(frame)
	}
}

// connect queues all pending requests for a new connection.
func (h *Handler) connect() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connected = true
	for _, q := range h.waiting {
		h.queue = append(h.queue, q)
	}
	slices.SortFunc(h.queue, func(a, b *question) int { return cmp.Compare(a.id, b.id) })
	h.wakeSender()
}

// disconnect empties the queue, and ends the questions that have been sent too often.
func (h *Handler) disconnect() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connected, h.queue = false, nil
	for _, q := range h.waiting {
		if q.sent >= maxSent {
			q.reply <- tryLater(errLost.Error())
			h.endLocked(q)
		}
	}
}

// next returns the next question to send, or nil. Call sent afterwards.
func (h *Handler) next() *question {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.queue) > 0 {
		q := h.queue[0]
		h.queue[0], h.queue = nil, h.queue[1:]
		if !q.over {
			q.sending = true
			q.sent++
			return q
		}
	}
	return nil
}

// sent records that a question from next has been passed to the connection.
func (h *Handler) sent(q *question) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q.sending = false
	q.wipeLocked()
}

// deliver delivers a reply if its request is still waiting. It reports whether there ever
// was a request with that id.
func (h *Handler) deliver(requestID []byte, reply zap.Reply) bool {
	if len(requestID) != 8 {
		return false
	}
	id := binary.BigEndian.Uint64(requestID)
	h.mu.Lock()
	defer h.mu.Unlock()
	if q, ok := h.waiting[id]; ok {
		q.reply <- reply
		h.endLocked(q)
	}
	return 0 < id && id <= h.lastID.Load()
}
