package remote

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// recorder is a Keeper that admits every client.
type recorder struct {
	ends     []func(zap.Reply)
	released atomic.Int32
}

func (*recorder) Handle(context.Context, *zap.Request) zap.Reply { return zap.Allow("alice") }
func (r *recorder) Keep(_ *zap.Request, _ zap.Reply, end func(zap.Reply)) func() {
	r.ends = append(r.ends, end)
	return sync.OnceFunc(func() { r.released.Add(1) })
}

// notify sends a notice, and waits until the server has followed it.
func (p *pair) notify(t *testing.T, frames [][]byte) {
	t.Helper()
	ztest.Must(t, p.asker.Send(t.Context(), frames...))
	synctest.Wait()
}

// notified returns the next notice from the server.
func (p *pair) notified(t *testing.T) (admissionID, zap.Reply) {
	t.Helper()
	frames, err := p.asker.Recv(t.Context())
	ztest.Must(t, err)
	n, found, err := parseNotice(frames)
	if !found || err != nil || n.name != noticeEnd {
		t.Fatalf("got %q, %v", frames, err)
	}
	reply, err := n.end()
	ztest.Must(t, err)
	return n.id, reply
}

// lose closes the connection.
func (p *pair) lose(t *testing.T) {
	t.Helper()
	p.asker.CloseNow()
	<-p.ended
}

// watched returns the number of admissions that the server watches.
func (p *pair) watched() int {
	synctest.Wait()
	p.server.watches.mu.Lock()
	defer p.server.watches.mu.Unlock()
	return len(p.server.watches.held)
}

// keepOf returns the frames of KEEP.
func keepOf(t *testing.T, id byte) [][]byte {
	t.Helper()
	frames, err := appendKeep(admissionID{id}, &zap.Request{Mechanism: zap.Curve, Credentials: [][]byte{make([]byte, 32)}}, zap.Allow("alice"))
	ztest.Must(t, err)
	return frames
}

// TestOrphans: admissions whose connection was lost are watched for a minute, and an end in the
// meantime is told to the next connection.
func TestOrphans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		announces := zmtp.Config{Properties: announcement}
		p := newPair(t, announces, r)
		for id := range byte(4) {
			p.notify(t, keepOf(t, id))
		}
		p.lose(t)
		r.ends[0](zap.Refuse("meanwhile"))
		p.connect(t, announces)
		p.notify(t, appendNotice(noticeResume, admissionID{0}))
		p.notify(t, keepOf(t, 1))
		if id, reply := p.notified(t); id != (admissionID{0}) || reply.Text != "meanwhile" {
			t.Errorf("%v ended with %+v", id, reply)
		}
		if n := p.watched(); n != 3 || r.released.Load() != 1 || len(r.ends) != 4 {
			t.Errorf("%d watched, %d released, %d kept", n, r.released.Load(), len(r.ends))
		}
		time.Sleep(orphanTime / 2)
		p.lose(t)
		time.Sleep(orphanTime/2 + time.Second)
		if n := p.watched(); n != 1 {
			t.Errorf("%d watched after a minute, want 1, which was lost later", n)
		}
		time.Sleep(orphanTime / 2)
		if n := p.watched(); n != 0 || r.released.Load() != 4 || p.all.Load() != 0 {
			t.Errorf("%d watched, %d released, size %d", n, r.released.Load(), p.all.Load())
		}
		p.connect(t, announces)
		p.notify(t, appendNotice(noticeResume, admissionID{2}))
		if id, reply := p.notified(t); id != (admissionID{2}) || reply.Status != zap.StatusTryLater {
			t.Errorf("%v ended with %+v", id, reply)
		}
	})
}

// TestWatchesBounded: an admission beyond the bounds ends at once, and takes nothing.
func TestWatchesBounded(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(p *pair){
		"process":    func(p *pair) { p.all.Store(maxAllKept - watchSize - 32) },
		"connection": func(p *pair) { p.peer.kept.size = maxPeerKept - watchSize - 32 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := new(recorder)
				p := newPair(t, zmtp.Config{Properties: announcement}, r)
				fill(p)
				all, size := p.all.Load(), p.peer.kept.size
				p.notify(t, keepOf(t, 1))
				if _, reply := p.notified(t); reply.Status != zap.StatusTryLater || reply.Text != "the server watches too many admissions" {
					t.Errorf("ended with %+v", reply)
				}
				if len(r.ends) > 0 || p.all.Load() != all || p.peer.kept.size != size || p.watched() > 0 {
					t.Errorf("%d kept, sizes %d and %d, %d watched", len(r.ends), p.all.Load(), p.peer.kept.size, p.watched())
				}
				p.all.Store(0)
				p.peer.kept.size = 0
				p.notify(t, keepOf(t, 2))
				p.notify(t, appendNotice(noticeRelease, admissionID{2}))
				if r.released.Load() != 1 || p.all.Load() != 0 || p.peer.kept.size != 0 {
					t.Errorf("%d released, sizes %d and %d", r.released.Load(), p.all.Load(), p.peer.kept.size)
				}
			})
		})
	}
}

// TestProofsBounded: a connection remembers the last passwords that were right, and no others.
func TestProofsBounded(t *testing.T) {
	t.Parallel()
	var ps proofs
	for i := range 2 * maxProved {
		ps.add([32]byte{byte(i), byte(i >> 8)})
		ps.add([32]byte{byte(i), byte(i >> 8)})
	}
	if len(ps.known) != maxProved || len(ps.order) != maxProved || ps.has([32]byte{}) || !ps.has([32]byte{0, maxProved >> 8}) {
		t.Errorf("%d and %d are remembered", len(ps.known), len(ps.order))
	}
}

// TestKeptBounded: a handler keeps no more admissions than it may, and wipes passwords.
func TestKeptBounded(t *testing.T) {
	t.Parallel()
	const most = 100
	h := &Handler{cancel: func() {}, kept: map[admissionID]*kept{}, maxKept: most, unsent: make(chan struct{}, 1)}
	req := &zap.Request{Mechanism: zap.Plain, Credentials: [][]byte{[]byte("alice"), []byte("secret")}}
	keep := func() (got zap.Reply, release func()) {
		release = h.Keep(req, zap.Allow("alice"), func(r zap.Reply) { got = r })
		return got, release
	}
	h.connectKept(true)
	for range 10 * most {
		_, release := keep()
		release()
	}
	if len(h.kept) > 0 || len(h.notices) > 4*most {
		t.Errorf("%d are open, %d notices", len(h.kept), len(h.notices))
	}
	large := zap.Allow("alice")
	large.Metadata = zap.Metadata{{Name: "Large", Value: string(make([]byte, maxNoticeSize))}}
	var ended zap.Reply
	if h.Keep(req, large, func(r zap.Reply) { ended = r })(); ended.Status != zap.StatusError {
		t.Errorf("with too much metadata: %+v", ended)
	}
	for len(h.kept) < most {
		h.kept[admissionID{byte(len(h.kept)), 1}] = &kept{}
	}
	if got, _ := keep(); got.Status != zap.StatusTryLater || got.Text != "too many open admissions" {
		t.Errorf("got %+v", got)
	}
}

// TestKeptWiped: the copy of a password is wiped when it is of no more use.
func TestKeptWiped(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(h *Handler, k *kept, release func()){
		"sent": func(h *Handler, _ *kept, _ func()) {
			_, wipe := h.nextNotice()
			wipe()
		},
		"released while it is sent": func(h *Handler, _ *kept, release func()) {
			frames, wipe := h.nextNotice()
			if release(); string(frames[len(frames)-1]) != "secret" {
				t.Error("wiped while it is sent")
			}
			wipe()
		},
		"released": func(_ *Handler, _ *kept, release func()) { release() },
		"lost":     func(h *Handler, _ *kept, _ func()) { h.disconnectKept() },
		"ended":    func(h *Handler, k *kept, _ func()) { h.endKept(k.id, zap.Refuse("no")) },
		"closed":   func(h *Handler, _ *kept, _ func()) { h.closeKept() },
	} {
		h := &Handler{cancel: func() {}, kept: map[admissionID]*kept{}, maxKept: 1, unsent: make(chan struct{}, 1)}
		h.connectKept(true)
		req := &zap.Request{Mechanism: zap.Plain, Credentials: [][]byte{[]byte("alice"), []byte("secret")}}
		release := h.Keep(req, zap.Allow("alice"), func(zap.Reply) {})
		k := h.notices[0]
		password := k.first[len(k.first)-1]
		if use(h, k, release); string(password) == "secret" || k.first != nil {
			t.Errorf("%s: not wiped", name)
		}
		if string(req.Credentials[1]) != "secret" {
			t.Errorf("%s: the caller's password was wiped", name)
		}
	}
}
