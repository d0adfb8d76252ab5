package remote

import (
	"crypto/rand"
	"errors"
	"slices"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// maxKept bounds the open admissions of a Handler.
const maxKept = 1 << 17

var errManyKept = errors.New("too many open admissions")

// kept is an open admission. Handler.mu guards it.
type kept struct {
	id       admissionID
	first    [][]byte // the notice to send first; nil once it was sent, or is of no use any more
	again    [][]byte // the notice for later connections, without a password
	end      func(zap.Reply)
	sent     bool // on this connection
	released bool
}

// Keep implements zap.Keeper. It makes the server watch an admission: the server says when it
// ends. If the connection to the server is lost, admissions stay open until there is another
// one. Then the server decides about them again, as far as it can without a password: see the
// package comment. A server that cannot watch admissions ends none.
//
// At most 131,072 admissions of a handler can be open. Beyond that, and beyond the bounds of
// the server (see Serve), an admission ends at once, with status 300. Keep copies the request,
// and wipes the copy if it contains a password. After Close, there are no calls of end.
func (h *Handler) Keep(req *zap.Request, reply zap.Reply, end func(zap.Reply)) (release func()) {
	if h.cancel == nil {
		return func() {} // the zero Handler, which admits no client
	}
	k := &kept{end: end}
	rand.Read(k.id[:])
	frames, err := appendKeep(k.id, req, reply)
	if err != nil || sizeOf(frames) > maxNoticeSize {
		end(zap.Reply{Status: zap.StatusError, Text: "the admission cannot be watched"})
		return func() {}
	}
	k.first = zmtp.CloneMessage(frames)
	if k.again = k.first; needsProof(req.Mechanism) {
		k.again = appendNotice(noticeResume, k.id)
	}
	if !h.addKept(k) {
		k.wipe()
		end(tryLater(errManyKept.Error()))
		return func() {}
	}
	return func() { h.release(k) }
}

// addKept makes the server watch an admission. It returns false if there are too many.
func (h *Handler) addKept(k *kept) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.kept) >= h.maxKept {
		return false
	}
	select {
	case <-h.closing:
		k.wipe()
		return true
	default:
	}
	h.kept[k.id] = k
	if !h.notifies {
		k.wipe() // the next connection does not know that the password is right
	} else {
		h.notifyLocked(k)
	}
	return true
}

// release says that the client has left.
func (h *Handler) release(k *kept) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kept[k.id] != k {
		return
	}
	delete(h.kept, k.id)
	k.released = true
	k.wipe()
	if k.sent {
		h.notifyLocked(k)
	}
}

// wipe ends the use of the first notice, which may contain a password. The other ones do not.
func (k *kept) wipe() {
	if len(k.again) < len(k.first) { // RESUME
		for _, frame := range k.first {
			clear(frame)
		}
	}
	k.first = nil
}

// notifyLocked queues the next notice about an admission.
func (h *Handler) notifyLocked(k *kept) {
	if len(h.notices) >= 4*h.maxKept { // at least half of them
		h.notices = slices.DeleteFunc(h.notices, func(k *kept) bool { return k.released && !k.sent })
	}
	h.notices = append(h.notices, k)
	h.wakeSender()
}

// nextNotice returns the next notice to send, or nil. Call wipe when it was sent.
func (h *Handler) nextNotice() (frames [][]byte, wipe func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.notices) > 0 {
		k := h.notices[0]
		h.notices[0], h.notices = nil, h.notices[1:]
		switch {
		case k.released && k.sent:
			k.sent = false
			return appendNotice(noticeRelease, k.id), func() {}
		case k.released || k.sent:
		case k.first == nil:
			k.sent = true
			return k.again, func() {}
		default:
			own := *k // k may be released while the notice is being sent
			k.sent, k.first = true, nil
			return own.first, own.wipe
		}
	}
	return nil, nil
}

// connectKept queues notices about all admissions for a new connection.
func (h *Handler) connectKept(notifies bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notifies = notifies
	if !notifies {
		return
	}
	for _, k := range h.kept {
		h.notifyLocked(k)
	}
}

// disconnectKept prepares all admissions for the next connection.
func (h *Handler) disconnectKept() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notifies, h.notices = false, nil
	for _, k := range h.kept {
		k.sent = false
		k.wipe()
	}
}

// closeKept ends the watch of all admissions, without a call of end.
func (h *Handler) closeKept() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range h.kept {
		k.wipe()
	}
	clear(h.kept)
	h.notices = nil
}

// endKept ends an admission, unless its client has left.
func (h *Handler) endKept(id admissionID, reply zap.Reply) {
	h.mu.Lock()
	k := h.kept[id]
	if k != nil {
		delete(h.kept, id)
		k.released, k.sent = true, false // the server has forgotten it
		k.wipe()
	}
	h.mu.Unlock()
	if k != nil {
		k.end(reply)
	}
}
