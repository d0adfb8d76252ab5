package remote

import (
	"bytes"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// TestRequestsAreCopied: the caller can change a request while it waits. The handler
// sends a copy, and wipes the copy as soon as it is no longer needed.
func TestRequestsAreCopied(t *testing.T) {
	t.Parallel()
	ask := func() (*Handler, *question) {
		c := &Handler{waiting: map[uint64]*question{}, unsent: make(chan struct{}, 1), connected: true}
		req := &zap.Request{Mechanism: zap.Plain, Credentials: [][]byte{[]byte("alice"), []byte("secret")}}
		q, err := c.ask(req)
		ztest.Must(t, err)
		clear(req.Credentials[1]) // by the caller
		return c, q
	}
	holdsPassword := func(q *question) bool { return bytes.Contains(bytes.Join(q.frames, nil), []byte("secret")) }
	for name, tt := range map[string]struct {
		end func(c *Handler, q *question)
	}{
		"answered":       {func(c *Handler, q *question) { c.deliver(q.frames[2], zap.Refuse("no")) }},
		"given up":       {func(c *Handler, q *question) { c.forget(q) }},
		"lost too often": {func(c *Handler, q *question) { q.sent = maxSent; c.disconnect() }},
		"given up in between": {func(c *Handler, q *question) {
			if c.next() != q {
				t.Error("it isn't next to be sent")
			}
			c.forget(q)
			if !holdsPassword(q) {
				t.Error("wiped while it is being sent")
			}
			c.sent(q)
		}},
	} {
		c, q := ask()
		if !holdsPassword(q) {
			t.Errorf("%s: the request has changed: %q", name, q.frames)
		}
		tt.end(c, q)
		if holdsPassword(q) || len(c.waiting) > 0 {
			t.Errorf("%s: not wiped: %q", name, q.frames)
		}
		if next := c.next(); next != nil {
			t.Errorf("%s: it is sent afterwards", name)
		}
	}
}

// TestQueueBounded: questions that ended before they were sent do not fill the queue.
func TestQueueBounded(t *testing.T) {
	t.Parallel()
	c := &Handler{waiting: map[uint64]*question{}, unsent: make(chan struct{}, 1), connected: true}
	for range 10 * maxWaiting {
		q, err := c.ask(&zap.Request{Mechanism: zap.Null})
		ztest.Must(t, err)
		c.forget(q)
		if len(c.queue) > 2*maxWaiting {
			t.Fatalf("%d in the queue", len(c.queue))
		}
	}
}
