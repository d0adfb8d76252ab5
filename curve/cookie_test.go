package curve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
)

// fakeClock is a clock that moves only by hand.
type fakeClock struct{ now time.Time }

// newTimedPair makes both halves, and the server's clock.
func newTimedPair(t *testing.T) (pair, *fakeClock) {
	p := newPair(t)
	clock := &fakeClock{stopped()}
	p.server.Clock = func() time.Time { return clock.now }
	return p, clock
}

// TestCookieLife checks that a key seals cookies for 30 seconds and opens them for 30
// seconds more.
func TestCookieLife(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, tt := range []struct {
		welcome, initiate time.Duration // since the server's first WELCOME
		want              error
	}{
		{0, 0, nil},
		{0, 29999 * ms, nil},
		{0, 30000 * ms, nil},
		{0, 59999 * ms, nil},
		{0, 60000 * ms, errCookie},
		{0, time.Hour, errCookie},
		{29999 * ms, 59999 * ms, nil}, // 30 s is the least
		{29999 * ms, 60000 * ms, errCookie},
		{30000 * ms, 60000 * ms, nil}, // the second key
		{30000 * ms, 89999 * ms, nil}, // 60 s is the most
		{30000 * ms, 90000 * ms, errCookie},
		{time.Hour, time.Hour + 59999*ms, nil}, // idle in between
		{time.Hour, time.Hour + 60000*ms, errCookie},
	} {
		for _, busy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v to %v, busy %v", tt.welcome, tt.initiate, busy), func(t *testing.T) {
				t.Parallel()
				p, clock := newTimedPair(t)
				start := clock.now
				pair{newClient(t, p.server.key.Public()), p.server}.toWelcome(t)
				// other lets 5 s go by at a time, in which others connect.
				other := func(until time.Duration) {
					for busy && clock.now.Add(5*time.Second).Before(start.Add(until)) && until < time.Hour {
						clock.now = clock.now.Add(5 * time.Second)
						pair{newClient(t, p.server.key.Public()), p.server}.toPeer(t)
					}
					clock.now = start.Add(until)
				}
				other(tt.welcome)
				initiate, counter := p.toInitiate(t)
				other(tt.initiate)
				peer, err := p.server.initiate(counter, initiate)
				if tt.want != nil {
					wantRefusal(t, err, "INITIATE", tt.want)
				} else if err != nil || peer == nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestCookieKeysWiped checks that dropped keys are overwritten.
func TestCookieKeysWiped(t *testing.T) {
	t.Parallel()
	p, clock := newTimedPair(t)
	p.toWelcome(t)
	jar := &p.server.cookies
	first := jar.current
	if first == nil || isZero(first.key.octets[:]) {
		t.Fatal("no key")
	}
	clock.now = clock.now.Add(30 * time.Second)
	pair{newClient(t, p.server.key.Public()), p.server}.toWelcome(t)
	second := jar.current
	if second == first || jar.previous != first || isZero(first.key.octets[:]) {
		t.Fatal("the key was not replaced, or dropped too early")
	}
	clock.now = clock.now.Add(30 * time.Second)
	p.server.Expire()
	if !isZero(first.key.octets[:]) || isZero(second.key.octets[:]) || jar.current != nil || jar.previous != second {
		t.Fatal("Expire kept the first key, or dropped the second")
	}
	clock.now = clock.now.Add(30 * time.Second)
	p.server.Expire()
	if !isZero(second.key.octets[:]) || jar.previous != nil {
		t.Fatal("Expire kept the second key")
	}
	pair{newClient(t, p.server.key.Public()), p.server}.toWelcome(t)
	third := jar.current
	clock.now = clock.now.Add(30 * time.Second)
	pair{newClient(t, p.server.key.Public()), p.server}.toWelcome(t)
	fourth := jar.current
	p.server.Close()
	p.server.Close()
	if !isZero(third.key.octets[:]) || !isZero(fourth.key.octets[:]) || jar.current != nil || jar.previous != nil {
		t.Fatal("Close kept a key")
	}
}

// fill makes a key's table as full as after n accepted cookies.
func (k *cookieKey) fill(n int) {
	clear(k.used)
	for i := range n {
		var nonce [longNonceSize]byte
		binary.BigEndian.PutUint64(nonce[:], uint64(i))
		k.used[nonce] = struct{}{}
	}
}

// TestCookieKept checks that a client with a cookie has 30 seconds, however many
// others are accepted in the meantime.
func TestCookieKept(t *testing.T) {
	t.Parallel()
	p, clock := newTimedPair(t)
	initiate, counter := p.toInitiate(t)
	welcome := func() { pair{newClient(t, p.server.key.Public()), p.server}.toWelcome(t) }
	for range 3 { // bursts of others
		p.server.cookies.current.fill(70_000)
		clock.now = clock.now.Add(9 * time.Second)
		welcome()
	}
	clock.now = clock.now.Add(2999 * time.Millisecond)
	if _, err := p.server.initiate(counter, initiate); err != nil {
		t.Error(err)
	}
}

// TestCookieUsesUnraced checks that the table of used cookies is bounded. A key seals
// no more cookies before the table is full, so that those on their way are still
// accepted. When the key is 30 seconds old, the server accepts clients again.
func TestCookieUsesUnraced(t *testing.T) {
	ztest.Unraced(t)
	p, clock := newTimedPair(t)
	initiate, counter := p.toInitiate(t)
	key := p.server.cookies.current
	hello, err := newClient(t, p.server.key.Public()).Hello(nil)
	if err != nil {
		t.Fatal(err)
	}
	key.fill(cookieKeyUses - 1)
	if _, _, err := p.server.welcome(nil, hello); err != nil {
		t.Errorf("one more client: %v", err)
	}
	key.fill(cookieKeyUses)
	_, _, err = p.server.welcome(nil, hello)
	wantRefusal(t, err, "HELLO", errBusy)
	if _, err := p.server.initiate(counter, initiate); err != nil {
		t.Errorf("a client that has its cookie: %v", err)
	}
	_, err = p.server.initiate(counter, initiate)
	wantRefusal(t, err, "INITIATE", errCookieUsed)
	key.fill(2 * cookieKeyUses)
	_, err = p.server.initiate(counter, initiate)
	wantRefusal(t, err, "INITIATE", errBusy)
	if len(key.used) != 2*cookieKeyUses {
		t.Errorf("%d cookies in the table", len(key.used))
	}
	clock.now = clock.now.Add(cookieKeyLife)
	if _, _, err := p.server.welcome(nil, hello); err != nil {
		t.Errorf("30 s later: %v", err)
	}
}

// TestCookieOnce checks that of many identical INITIATEs at once, the server accepts
// one.
func TestCookieOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		p := newPair(t)
		initiate, counter := p.toInitiate(t)
		var accepted atomic.Int32
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 32 {
			wg.Go(func() {
				<-start
				peer, err := p.server.initiate(counter, initiate)
				switch {
				case err == nil && peer != nil:
					accepted.Add(1)
				case !errors.Is(err, errCookieUsed) || peer != nil:
					t.Errorf("got %v, want %v", err, errCookieUsed)
				}
			})
		}
		close(start)
		wg.Wait()
		if n := accepted.Load(); n != 1 {
			t.Fatalf("%d accepted", n)
		}
	}
}

// TestCookieOnceAcrossKeys checks that a used cookie stays used when its key is no
// longer the current one.
func TestCookieOnceAcrossKeys(t *testing.T) {
	t.Parallel()
	p, clock := newTimedPair(t)
	initiate, counter := p.toInitiate(t)
	if _, err := p.server.initiate(counter, initiate); err != nil {
		t.Fatal(err)
	}
	for _, age := range []time.Duration{0, 29, 1, 29} {
		clock.now = clock.now.Add(age * time.Second)
		_, err := p.server.initiate(counter, initiate)
		wantRefusal(t, err, "INITIATE", errCookieUsed)
	}
	clock.now = clock.now.Add(time.Second)
	_, err := p.server.initiate(counter, initiate)
	wantRefusal(t, err, "INITIATE", errCookie)
}

// TestCookieNotBurned checks that someone who sees a cookie on the wire cannot use it
// up.
func TestCookieNotBurned(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	initiate, counter := p.toInitiate(t)
	garbage := append([]byte(nil), initiate...)
	copy(garbage[len(initiateName)+cookieSize+counterSize:], randomOctets(500))
	for range 3 {
		_, err := p.server.initiate(counter, garbage)
		wantRefusal(t, err, "INITIATE", errBox)
	}
	if _, err := p.server.initiate(counter, initiate); err != nil {
		t.Error(err)
	}
}

// TestCookieOfAnotherServer checks that a server refuses the cookie of another one,
// even of one with the same long-term key.
func TestCookieOfAnotherServer(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	initiate, counter := p.toInitiate(t)
	twin, err := NewServer(p.server.key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = twin.initiate(counter, initiate)
	wantRefusal(t, err, "INITIATE", errCookie)
	pair{newClient(t, twin.key.Public()), twin}.toWelcome(t)
	_, err = twin.initiate(counter, initiate)
	wantRefusal(t, err, "INITIATE", errCookie)
}

// TestCookieKeyDroppedMeanwhile checks that a cookie is refused if its key is dropped
// between its opening and its use.
func TestCookieKeyDroppedMeanwhile(t *testing.T) {
	t.Parallel()
	p, clock := newTimedPair(t)
	initiate, _ := p.toInitiate(t)
	opened, err := p.server.cookies.open(initiate[len(initiateName):][:cookieSize], clock.now)
	if err != nil {
		t.Fatal(err)
	}
	clock.now = clock.now.Add(time.Minute)
	p.server.Expire()
	if err := p.server.cookies.use(opened); !errors.Is(err, errCookie) {
		t.Errorf("got %v, want %v", err, errCookie)
	}
}
