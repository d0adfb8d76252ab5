package policy

import (
	"bytes"
	"container/heap"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/internal/leave"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

const (
	// settleTime is how long a decision about a key that isn't revoked must stay the same
	// before it ends an admission. A change of a keystore can have several steps, such as
	// moving a file to another group, and a keystore reads a file that changes while it is
	// read again after follow.Stillness.
	settleTime = follow.Stillness + 150*time.Millisecond
	// checkEvery is how often to check all admissions if a keystore reports no changes.
	checkEvery = time.Second
	// maxSleep bounds the wait for an expiry, in case the clock is set.
	maxSleep = time.Minute
)

// admission is an open admission.
type admission struct {
	rules *atomic.Pointer[snapshot] // of the policy

	domain, address, mechanism string
	login                      string // or the principal
	key                        curve.PublicKey
	hasKey                     bool
	unrevoked                  bool     // it holds while the key is not revoked
	account                    *account // whose password was proved
	userID                     string
	metadata                   zap.Metadata
	name                       string // an identity that takes or gives up this name may change the user id
	end                        func(zap.Reply)
	lane                       *lane

	// Guarded by keeper.mu:
	done    bool
	urgent  bool      // it is in lane.urgent
	doubted time.Time // since when it has not held; zero while it holds
	due     time.Time // when to check it
	place   int       // in lane.due; -1 if it isn't there
}

// provesPassword reports whether the client has proved the password of an account, which is
// nil for an unknown login.
func (a *admission) provesPassword(v sasl.Verifier, now *account) bool {
	return now != nil && a.account != nil && a.account.verifier != nil &&
		(now == a.account || v.Encode() == a.account.verifier.Encode())
}

// equal reports whether two hashes are the same.
func (p *password) equal(other *password) bool {
	switch {
	case p == nil || other == nil || p == other:
		return p == other
	case p.argon2 != nil && other.argon2 != nil:
		return p.argon2.String() == other.argon2.String()
	}
	return p.bcrypt != nil && bytes.Equal(p.bcrypt, other.bcrypt)
}

// keeper checks open admissions when something changes. It finds them by key, so the work is
// in proportion to the change. The zero value is ready to use.
type keeper struct {
	mu     sync.Mutex // never held while calling a keystore, since keystores call changed
	byKey  map[curve.PublicKey][]*admission
	byName map[string][]*admission
	lanes  [2]lane // the second is for checks that can block, so that they delay no others
	closed bool
	poll   bool // some keystore reports no changes
	checks int  // for tests

	stores  map[keystore.Store]func() // stops reports of changes; held by Policy.mu
	running sync.WaitGroup            // the goroutines of the lanes
	blocked atomic.Bool               // the second lane asks a keystore
}

// lane is a queue of admissions to check, in one goroutine. keeper.mu guards it.
type lane struct {
	all     map[*admission]bool
	urgent  []*admission
	later   []*admission
	due     dueHeap
	polled  time.Time
	running bool
	wake    chan struct{}
}

// add registers an admission, unless the policy is closed. If checking it may block, its
// goroutine checks it first.
func (k *keeper) add(a *admission, mayBlock bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return false
	}
	l := &k.lanes[0]
	if mayBlock {
		l = &k.lanes[1]
	}
	if k.byKey == nil {
		k.byKey, k.byName = map[curve.PublicKey][]*admission{}, map[string][]*admission{}
	}
	if l.all == nil {
		l.all, l.wake = map[*admission]bool{}, make(chan struct{}, 1)
	}
	a.lane = l
	l.all[a] = true
	if a.hasKey {
		insert(k.byKey, a.key, a)
		insert(k.byName, a.name, a)
	}
	if mayBlock {
		l.askFor(a)
	}
	if !l.running {
		l.running, l.polled = true, time.Now()
		k.running.Go(func() { k.run(l) })
	}
	return true
}

// askFor puts an admission into the queue, unless it is there.
func (l *lane) askFor(a *admission) {
	if a.urgent {
		return
	}
	a.urgent = true
	l.urgent = append(l.urgent, a)
	l.signal()
}

func insert[K comparable](index map[K][]*admission, at K, a *admission) {
	if zero := *new(K); at != zero { // many clients can be without a name
		index[at] = append(index[at], a)
	}
}

func remove[K comparable](index map[K][]*admission, at K, a *admission) {
	all := index[at]
	for i := range all {
		if all[i] == a {
			last := len(all) - 1
			all[i], all[last] = all[last], nil
			index[at] = all[:last]
			break
		}
	}
	if len(index[at]) == 0 {
		delete(index, at)
	}
}

// release ends the watch of an admission.
func (k *keeper) release(a *admission) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.removeLocked(a)
}

func (k *keeper) removeLocked(a *admission) {
	if a.done {
		return
	}
	a.done = true
	l := a.lane
	delete(l.all, a)
	if a.hasKey {
		remove(k.byKey, a.key, a)
		remove(k.byName, a.name, a)
	}
	if a.place >= 0 {
		heap.Remove(&l.due, a.place)
	}
	if len(l.all) == 0 {
		l.signal()
	}
}

// signal wakes the goroutine of a lane.
func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default: // a signal waits already, or no goroutine runs
	}
}

// changed checks the admissions that a change of a key, or of the identity with a name, may
// affect. Keystores call it.
func (k *keeper) changed(key curve.PublicKey, name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, found := range [...][]*admission{k.byKey[key], k.byName[name]} {
		for _, a := range found {
			a.lane.askFor(a)
		}
	}
}

// learned checks the admissions that a change of what the policy remembers may affect.
func (k *keeper) learned(before, now *state) {
	for key, r := range now.Revoked {
		if old, ok := before.Revoked[key]; !ok || old.InForce() != r.InForce() {
			k.changed(key, "")
		}
	}
	for key := range before.Revoked {
		if _, ok := now.Revoked[key]; !ok {
			k.changed(key, "")
		}
	}
	for authority, l := range now.Lists {
		if old := before.Lists[authority]; len(old.Keys) != len(l.Keys) || len(old.Serials) != len(l.Serials) {
			k.checkAll()
			return
		}
	}
}

// checkAll checks all admissions.
func (k *keeper) checkAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.lanes {
		k.lanes[i].checkAllLocked()
	}
}

func (l *lane) checkAllLocked() {
	if len(l.all) == 0 {
		return
	}
	l.later = l.later[:0]
	for a := range l.all {
		l.later = append(l.later, a)
	}
	l.signal()
}

// follow makes keystores report their changes, and no others. It must not be called twice at a
// time.
func (k *keeper) follow(stores []keystore.Store) {
	next, poll := map[keystore.Store]func(){}, false
	for _, s := range stores {
		if next[s] = k.stores[s]; next[s] != nil {
			continue
		}
		next[s] = func() {}
		inner := s
		if opened, ok := s.(*openStore); ok {
			inner = opened.Store
		}
		if changing, ok := inner.(interface {
			OnChange(told func(key curve.PublicKey, name string)) (stop func())
		}); ok {
			next[s] = changing.OnChange(k.changed)
		} else {
			poll = true
		}
	}
	for s, stop := range k.stores {
		if next[s] == nil {
			stop()
		}
	}
	k.stores = next
	k.mu.Lock()
	defer k.mu.Unlock()
	k.poll = poll
}

// close ends all watches. Call wait afterwards.
func (k *keeper) close() {
	k.follow(nil)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	for i := range k.lanes {
		for a := range k.lanes[i].all {
			k.removeLocked(a)
		}
	}
}

// wait waits, after close, until no call of end is in progress and all goroutines have ended,
// except for one that a program's keystore blocks.
func (k *keeper) wait() {
	ended := make(chan struct{})
	go func() {
		k.running.Wait()
		close(ended)
	}()
	leave.Wait(ended, k.blocked.Load)
}

// run checks the admissions of a lane, until there are none.
func (k *keeper) run(l *lane) {
	for {
		a, sleep, more := k.next(l, time.Now())
		switch {
		case !more:
			return
		case a != nil:
			k.check(a)
			continue
		}
		timer := time.NewTimer(sleep)
		select {
		case <-l.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// next returns the next admission to check, or how long to wait for one. more is false if the
// lane has no admissions.
func (k *keeper) next(l *lane, now time.Time) (a *admission, sleep time.Duration, more bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(l.all) == 0 {
		l.running, l.urgent, l.later = false, nil, nil
		return nil, 0, false
	}
	for len(l.urgent) > 0 {
		a, l.urgent = l.urgent[0], l.urgent[1:]
		if a.urgent = false; !a.done {
			return a, 0, true
		}
	}
	if len(l.due) > 0 && !l.due[0].due.After(now) {
		a = l.due[0]
		heap.Remove(&l.due, 0)
		return a, 0, true
	}
	if k.poll && now.Sub(l.polled) >= checkEvery {
		l.polled = now
		l.checkAllLocked()
	}
	for len(l.later) > 0 {
		last := len(l.later) - 1
		a, l.later = l.later[last], l.later[:last]
		if !a.done {
			return a, 0, true
		}
	}
	l.urgent, l.later = nil, nil // free the memory
	sleep = maxSleep
	if len(l.due) > 0 {
		sleep = min(sleep, l.due[0].due.Sub(now))
	}
	if k.poll {
		sleep = min(sleep, checkEvery)
	}
	return nil, sleep, true
}

// check checks an admission, and ends it if it no longer holds.
func (k *keeper) check(a *admission) {
	now := time.Now()
	mayBlock := a.lane == &k.lanes[1]
	if mayBlock {
		k.blocked.Store(true)
	}
	v := a.rules.Load().check(a, now)
	if mayBlock {
		k.blocked.Store(false)
	}
	if k.settle(a, v, now) {
		a.end(v.reply)
	}
}

// settle applies a verdict, and reports whether to end the admission.
func (k *keeper) settle(a *admission, v verdict, now time.Time) (ends bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.checks++
	switch {
	case a.done:
		return false
	case v.reply.Status == zap.StatusOK:
		a.doubted = time.Time{}
		a.lane.plan(a, v.until)
		return false
	case !v.final && a.doubted.IsZero():
		a.doubted = now
		fallthrough
	case !v.final && now.Sub(a.doubted) < settleTime:
		a.lane.plan(a, a.doubted.Add(settleTime))
		return false
	}
	k.removeLocked(a)
	return true
}

// plan makes an admission due at a time, or never if it is zero.
func (l *lane) plan(a *admission, at time.Time) {
	if a.place >= 0 {
		heap.Remove(&l.due, a.place)
	}
	if at.IsZero() {
		return
	}
	a.due = at
	heap.Push(&l.due, a)
	if a.place == 0 {
		l.signal()
	}
}

// dueHeap holds admissions by the time of their next check, the earliest first.
type dueHeap []*admission

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i]; h[i].place, h[j].place = i, j }

// Push and Pop are for package heap.
func (h *dueHeap) Push(x any) {
	a := x.(*admission)
	a.place = len(*h)
	*h = append(*h, a)
}

func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	a.place = -1
	return a
}
