package monitor_test

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// followed collects the events of a monitor.
type followed struct {
	mu     sync.Mutex
	events []monitor.Event
}

func (f *followed) add(e monitor.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
}

// take returns the events since the last call, as texts.
func (f *followed) take() (texts []string) {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		texts = append(texts, summary(e))
	}
	f.events = nil
	return texts
}

func summary(e monitor.Event) string {
	return fmt.Sprint(e.Count, " ", e.Address, " ", e.Status, " ", e.Identity+e.Reason)
}

func wantEvents(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
}

// TestFeed: each admission is an event. A refusal is one, and its repeats are one for each second.
func TestFeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newScripted(monitor.Options{Names: func(key curve.PublicKey) []string {
			return map[curve.PublicKey][]string{keyOf(2): {"bob"}}[key]
		}})
		m.decide(t, byKey(1, "0"), admitted("alice"))
		var f followed
		m.Follow(f.add)
		m.decide(t, byKey(1, "1"), admitted("alice"))
		m.decide(t, byKey(1, "1"), admitted("alice"))
		wantEvents(t, f.take(), "1 1 200 alice", "1 1 200 alice")
		unknown := refused("unknown key")
		for range 3 {
			m.decide(t, byKey(2, "2"), unknown)
			m.decide(t, byKey(3, "3"), unknown)
		}
		m.decide(t, byKey(3, "4"), unknown)
		m.decide(t, byKey(3, "3"), refused("another reason"))
		wantEqual(t, "name in another domain", f.events[0].Name, "bob")
		wantEqual(t, "name of an unknown key", f.events[1].Name, "")
		wantEqual(t, "key", f.events[0].Key, keyOf(2).String())
		wantEqual(t, "fingerprint", f.events[0].Fingerprint, keyOf(2).Fingerprint())
		wantEvents(t, f.take(), "1 2 400 unknown key", "1 3 400 unknown key", "1 3 400 another reason")
		time.Sleep(500 * time.Millisecond)
		wantEvents(t, f.take())
		time.Sleep(600 * time.Millisecond)
		repeats := f.take()
		if len(repeats) == 2 && repeats[0] > repeats[1] {
			repeats[0], repeats[1] = repeats[1], repeats[0]
		}
		wantEvents(t, repeats, "2 2 400 unknown key", "3 4 400 unknown key")
		m.decide(t, byKey(2, "2"), unknown)
		wantEvents(t, f.take())
		time.Sleep(3 * time.Second)
		wantEvents(t, f.take(), "1 2 400 unknown key")
		m.decide(t, byKey(2, "2"), unknown)
		wantEvents(t, f.take(), "1 2 400 unknown key")
		for _, address := range []string{"5", "5", "6"} {
			m.decide(t, &zap.Request{Address: address, Mechanism: zap.Null}, refused("NULL is not allowed"))
		}
		wantEvents(t, f.take(), "1 5 400 NULL is not allowed", "1 6 400 NULL is not allowed")
		m.Follow(nil)
		wantEvents(t, f.take(), "1 5 400 NULL is not allowed")
		m.decide(t, byKey(9, "9"), unknown)
		time.Sleep(time.Minute)
		wantEvents(t, f.take())
	})
}

// TestFeedUnraced: the refusals whose repeats are counted are bounded, and none is lost.
func TestFeedUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	synctest.Test(t, func(t *testing.T) {
		m := newScripted(monitor.Options{})
		var events, decisions uint64
		m.Follow(func(e monitor.Event) {
			events++
			decisions += e.Count
		})
		for range 2 {
			for n := range 12_000 {
				m.decide(t, byKey(n, "192.0.2.1"), refused("unknown key"))
			}
		}
		wantEqual(t, "events", events, 14_000)
		m.Follow(nil)
		wantEqual(t, "events with repeats", events, 24_000)
		wantEqual(t, "decisions", decisions, 24_000)
	})
}

// TestRecent: the last decisions are remembered, repeated refusals once, and refusals also after
// many admissions.
func TestRecent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newScripted(monitor.Options{})
		for n := range 60 {
			address := fmt.Sprint(n)
			for range 3 {
				time.Sleep(time.Millisecond)
				m.decide(t, byKey(n, address), refused("unknown key"))
			}
			for range 2 {
				time.Sleep(time.Millisecond)
				m.decide(t, byKey(1000+n, address), admitted("alice"))
			}
		}
		time.Sleep(time.Millisecond)
		m.decide(t, byKey(30, "30"), refused("unknown key"))
		var want []string
		for n := 10; n < 60; n++ {
			if n != 30 {
				want = append(want, fmt.Sprint("3 ", n, " 400 unknown key"))
			}
			if n >= 35 {
				want = append(want, fmt.Sprint("1 ", n, " 200 alice"), fmt.Sprint("1 ", n, " 200 alice"))
			}
		}
		want = append(want, "4 30 400 unknown key")
		var got []string
		for _, e := range m.Recent() {
			got = append(got, summary(e))
		}
		wantEvents(t, got, want...)
	})
}
