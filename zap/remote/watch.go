package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// Bounds of the open admissions that a server watches. An admission counts as the bytes of
// its notice and watchSize.
const (
	maxNoticeSize = 64 << 10 // bytes of a message
	watchSize     = 1 << 10
	maxPeerKept   = 128 << 20 // of a connection
	maxAllKept    = 512 << 20 // of all calls of Serve
	// orphanTime is how long admissions are watched after their connection was lost, for
	// another connection to resume them.
	orphanTime = time.Minute
)

var (
	errManyWatched = tryLater("the server watches too many admissions")
	errUnknown     = tryLater("the server does not know this admission: connect again")
)

// watches holds the open admissions that the services of one call of Serve keep.
type watches struct {
	keeper zap.Keeper    // nil if the handler does not implement it
	all    *atomic.Int64 // the size of the admissions of all calls of Serve
	secret [32]byte      // of proofs

	mu     sync.Mutex
	held   map[watchKey]*watch
	closed bool
}

// watchKey identifies an admission: no service can guess that of another one.
type watchKey struct {
	asker string
	id    admissionID
}

// watch is an open admission. watches.mu guards it.
type watch struct {
	key     watchKey
	size    int
	peer    *peer  // the connection of the service; nil after it was lost
	release func() // the Keeper's; nil until Keep has returned
	ended   bool
	reply   zap.Reply // why it ended
	gone    bool      // it is no longer in watches.held
	adopted int       // how many connections it has had
}

// peerWatches are the admissions of one connection. watches.mu guards them, except for proofs.
type peerWatches struct {
	held    map[*watch]bool
	size    int
	ended   []*watch // the peer must be notified
	telling bool     // a goroutine does so
	left    bool     // the connection has ended

	proofs proofs
}

// answerNotice does what a message says if it is a notice. The reply, if any, is a notice.
func (p *peer) answerNotice(frames [][]byte) (reply [][]byte, found bool, err error) {
	n, found, err := parseNotice(frames)
	if !found || !p.notifies {
		return nil, false, nil
	}
	if err == nil {
		reply, err = p.follow(n)
	}
	if errors.Is(err, errNotice) {
		err = fmt.Errorf("%w: %w", zap.ErrRequest, err)
	}
	return reply, true, err
}

// follow does what a notice says.
func (p *peer) follow(n notice) (reply [][]byte, err error) {
	key := watchKey{p.asker, n.id}
	switch n.name {
	case noticeKeep:
		req, decision, err := n.keep(p.asker)
		if err != nil {
			return appendEnd(n.id, zap.Reply{Status: zap.StatusError, Text: "malformed request"}), err
		}
		if p.resume(key) {
			return nil, nil
		}
		if needsProof(req.Mechanism) && !p.kept.proofs.has(p.watches.proof(req)) {
			return appendEnd(n.id, errUnknown), nil
		}
		end, err := p.keep(key, watchSize+sizeOf(n.rest), req, decision)
		if end.Status != 0 {
			return appendEnd(n.id, end), err
		}
	case noticeResume:
		if !p.resume(key) {
			return appendEnd(n.id, errUnknown), nil
		}
	case noticeRelease:
		p.watches.release(key)
	default:
		return nil, fmt.Errorf("%w: %s from a service", errNotice, n.name)
	}
	return nil, nil
}

// keep begins to watch an admission. If it can't, it returns the reply that ends the admission.
func (p *peer) keep(key watchKey, size int, req *zap.Request, decision zap.Reply) (end zap.Reply, err error) {
	ws := p.watches
	if ws.keeper == nil {
		return zap.Reply{}, nil // no client must leave
	}
	w := &watch{key: key, size: size}
	ws.mu.Lock()
	if ws.closed || ws.held[key] != nil || !p.adoptLocked(w) {
		ws.mu.Unlock()
		return errManyWatched, nil
	}
	ws.held[key] = w
	if ws.all.Add(int64(size)) > maxAllKept {
		ws.removeLocked(w)
		ws.mu.Unlock()
		return errManyWatched, nil
	}
	ws.mu.Unlock()
	release, err := callKeep(ws.keeper, req, decision, func(reply zap.Reply) { ws.end(w, reply) })
	ws.mu.Lock()
	gone := w.gone
	if err != nil {
		ws.removeLocked(w)
	} else if !gone {
		w.release = release
	}
	ws.mu.Unlock()
	switch {
	case err != nil:
		return zap.Reply{Status: zap.StatusError, Text: "internal error"}, err
	case gone && release != nil:
		release()
	}
	return zap.Reply{}, nil
}

// callKeep calls Keep. A panic is an error.
func callKeep(keeper zap.Keeper, req *zap.Request, reply zap.Reply, end func(zap.Reply)) (release func(), err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("remote: %v: the handler panicked in Keep: %v\n%s", req, cause, debug.Stack())
		}
	}()
	return keeper.Keep(req, reply, end), nil
}

// end notes that the client of an admission must leave, and notifies the service.
func (ws *watches) end(w *watch, reply zap.Reply) {
	always := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return reply })
	valid, _ := zap.Ask(context.Background(), always, &zap.Request{Mechanism: zap.Null})
	if valid.Status == zap.StatusOK {
		valid = zap.Reply{Status: zap.StatusError, Text: "internal error"}
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w.gone || w.ended {
		return
	}
	w.ended, w.reply = true, valid
	if w.peer != nil {
		w.peer.notifyLocked(w)
	}
}

// notifyLocked makes a goroutine notify the peer that an admission has ended.
func (p *peer) notifyLocked(w *watch) {
	p.kept.ended = append(p.kept.ended, w)
	if !p.kept.telling {
		p.kept.telling = true
		p.deciding.Go(p.tellEnds)
	}
}

// tellEnds notifies the peer of admissions that have ended. An error ends the connection, and
// leaves them for another one.
func (p *peer) tellEnds() {
	for {
		ends := p.takeEnds()
		if len(ends) == 0 {
			return
		}
		sending, cancel := context.WithTimeoutCause(p.ctx, sendPatience, errUnread)
		var err error
		for _, w := range ends { // which has not changed since it ended
			if err = p.conn.Queue(sending, appendEnd(w.key.id, w.reply)...); err != nil {
				break
			}
		}
		if err == nil {
			err = p.conn.Flush(sending)
		}
		err = unread(sending, err)
		cancel()
		if err != nil {
			p.end(err)
			return
		}
		p.watches.forget(ends)
	}
}

// takeEnds returns the admissions to notify the peer of. If there are none, or the connection
// has ended, no goroutine notifies it any more.
func (p *peer) takeEnds() []*watch {
	p.watches.mu.Lock()
	defer p.watches.mu.Unlock()
	ends := p.kept.ended
	p.kept.ended = nil
	p.kept.telling = len(ends) > 0 && !p.kept.left
	if !p.kept.telling {
		return nil
	}
	return ends
}

// forget removes admissions whose service knows that they have ended.
func (ws *watches) forget(ends []*watch) {
	for _, w := range ends {
		ws.remove(w)
	}
}

// release removes an admission whose client has left.
func (ws *watches) release(key watchKey) {
	ws.mu.Lock()
	w := ws.held[key]
	ws.mu.Unlock()
	if w != nil {
		ws.remove(w)
	}
}

// remove ends the watch of an admission.
func (ws *watches) remove(w *watch) {
	ws.mu.Lock()
	release := ws.removeLocked(w)
	ws.mu.Unlock()
	if release != nil {
		release() // which must not be called with the lock: it can wait for a call of end
	}
}

// removeLocked removes an admission, and returns the function to call then, or nil.
func (ws *watches) removeLocked(w *watch) (release func()) {
	if w.gone {
		return nil
	}
	w.gone = true
	delete(ws.held, w.key)
	ws.all.Add(int64(-w.size))
	w.abandonLocked()
	return w.release
}

// abandonLocked takes an admission from its connection.
func (w *watch) abandonLocked() {
	if w.peer != nil {
		delete(w.peer.kept.held, w)
		w.peer.kept.size -= w.size
		w.peer = nil
	}
}

// adoptLocked gives an admission to a connection. It returns false if that has too many.
func (p *peer) adoptLocked(w *watch) bool {
	if p.kept.left || p.kept.size+w.size > maxPeerKept {
		return false
	}
	w.abandonLocked()
	w.peer = p
	w.adopted++
	if p.kept.held == nil {
		p.kept.held = map[*watch]bool{}
	}
	p.kept.held[w] = true
	p.kept.size += w.size
	return true
}

// resume gives an admission of the same service to this connection, and reports whether there
// is one.
func (p *peer) resume(key watchKey) bool {
	p.watches.mu.Lock()
	defer p.watches.mu.Unlock()
	w := p.watches.held[key]
	if w == nil || !p.adoptLocked(w) {
		return false
	}
	if w.ended {
		p.notifyLocked(w)
	}
	return true
}

// leaveKept leaves the admissions of a connection that has ended to the next connection of the
// service, for a while.
func (p *peer) leaveKept() {
	ws := p.watches
	ws.mu.Lock()
	defer ws.mu.Unlock()
	p.kept.left = true
	orphans := map[*watch]int{}
	for w := range p.kept.held {
		w.abandonLocked()
		orphans[w] = w.adopted
	}
	if len(orphans) == 0 {
		return
	}
	time.AfterFunc(orphanTime, func() {
		for w, adopted := range orphans {
			ws.mu.Lock()
			resumed := w.adopted > adopted
			ws.mu.Unlock()
			if !resumed {
				ws.remove(w)
			}
		}
	})
}

// close ends the watch of all admissions.
func (ws *watches) close() {
	ws.mu.Lock()
	ws.closed = true
	var all []*watch
	for _, w := range ws.held {
		all = append(all, w)
	}
	ws.mu.Unlock()
	ws.forget(all)
}

// newWatches returns the admissions of a call of Serve.
func newWatches(handler zap.Handler, all *atomic.Int64) *watches {
	ws := &watches{all: all, held: map[watchKey]*watch{}}
	ws.keeper, _ = handler.(zap.Keeper)
	rand.Read(ws.secret[:])
	return ws
}
