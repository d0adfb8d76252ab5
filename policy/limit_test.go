package policy

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"
)

// at returns the bucket of a client at this address, if this process asks.
func (l *limiter) at(address string) bucket { return l.bucketOf("", parseClient(address)) }

// guesses makes n wrong guesses, one after the other, and returns the number that were
// compared.
func (l *limiter) guesses(n int, b bucket, failures int, now time.Time) (through int) {
	for range n {
		if g, tooMany, busy := l.begin(b, failures, maxGuesses, now); !tooMany && !busy {
			through++
			g.end(true, now)
		}
	}
	return through
}

// TestLimiterCounts: more failures than the limit never get through within a minute. Some
// seconds after a minute, all are allowed again.
func TestLimiterCounts(t *testing.T) {
	t.Parallel()
	const failures = 60
	l := newLimiter()
	b := l.at("192.0.2.1")
	var through []time.Duration
	for ms := 0; ms < 200_000; ms += 100 {
		at := time.Duration(ms) * time.Millisecond
		if l.guesses(1, b, failures, l.start.Add(at)) == 1 {
			through = append(through, at)
		}
	}
	for i := failures; i < len(through); i++ {
		if d := through[i] - through[i-failures]; d < time.Minute {
			t.Fatalf("%d failures within %v", failures+1, d)
		}
	}
	if len(through) < 2*failures {
		t.Errorf("%d failures in 200 s", len(through))
	}
	if n := l.guesses(2*failures, b, failures, l.start.Add(300*time.Second)); n != failures {
		t.Errorf("later %d of %d", n, failures)
	}
	if n := l.guesses(1, b, failures, l.start); n != 0 {
		t.Error("setting back the clock has changed the count")
	}
	if n := l.guesses(10, b, math.MaxInt, l.start.Add(time.Hour)); n != 10 {
		t.Error("a large bound overflows")
	}
}

// TestLimiterBuckets: several forms of an address count as one, and no client can use up
// another's attempts.
func TestLimiterBuckets(t *testing.T) {
	t.Parallel()
	l := newLimiter()
	const service = "198.51.100.7"
	for _, tt := range []struct {
		asker1, address1 string
		asker2, address2 string
		same             bool
	}{
		{"", "192.0.2.9", "", "::ffff:192.0.2.9", true},
		{"", "192.0.2.9", "", "64:ff9b::192.0.2.9", true},
		{"", "192.0.2.9", "", "192.0.2.10", false},
		{"", "64:ff9b::192.0.2.9", "", "64:ff9b::192.0.2.10", false},
		{"", "2001:db8::1", "", "2001:db8::ffff:2", true},
		{"", "2001:db8::1", "", "2001:db8:0:1::1", false},
		{"", "2001:db8::1", "", "2001:db8::1%eth0", true},
		{"", "fe80::1%eth0", "", "fe80::2%eth0", true},
		{"", "fe80::1%eth0", "", "fe80::1%eth1", false},
		{"", "localhost:1000:1000:17", "", "localhost:1000:100:18", true},
		{"", "localhost:1000:1000:17", "", "localhost:1001:1000:17", false},
		{"", "localhost:1000:1000:17", "", "", false},
		{service, "192.0.2.9", "", "192.0.2.9", false},
		{service, "192.0.2.9", service, "192.0.2.9", true},
		{service, "192.0.2.9", "198.51.100.8", "192.0.2.9", false},
		{service + " (web)", "192.0.2.9", "198.51.100.8 (web)", "192.0.2.9", true},
		{service + " (web)", "192.0.2.9", service + " (mail)", "192.0.2.9", false},
		{"ipc", "192.0.2.9", "ipc", "192.0.2.9", true},
	} {
		one, two := l.bucketOf(tt.asker1, parseClient(tt.address1)), l.bucketOf(tt.asker2, parseClient(tt.address2))
		if (one == two) != tt.same {
			t.Errorf("%q for %q and %q for %q: one bucket: %v", tt.asker1, tt.address1, tt.asker2, tt.address2, one == two)
		}
	}
}

// TestGuessesInProgress: the number of guesses in progress is limited, and a correct
// guess frees its place.
func TestGuessesInProgress(t *testing.T) {
	t.Parallel()
	l := newLimiter()
	now := l.start
	for _, tt := range []struct{ failures, want int }{{1, 1}, {3, 3}, {60, maxGuesses}} {
		b := l.at(fmt.Sprintf("192.0.2.%d", tt.failures))
		var open []guess
		for range 100 {
			if g, tooMany, busy := l.begin(b, tt.failures, maxGuesses, now); tooMany {
				t.Fatal("nothing has failed yet")
			} else if !busy {
				open = append(open, g)
			}
		}
		if len(open) != tt.want {
			t.Errorf("failures = %d: %d guesses at a time, want %d", tt.failures, len(open), tt.want)
		}
		for _, g := range open {
			g.end(false, now)
		}
		if n := l.guesses(2*tt.failures, b, tt.failures, now); n != tt.failures {
			t.Errorf("failures = %d: %d wrong guesses after right ones", tt.failures, n)
		}
		if g, tooMany, busy := l.begin(b, tt.failures, maxGuesses, now); !tooMany {
			t.Errorf("failures = %d: %+v, busy %v", tt.failures, g, busy)
		}
	}
}

// TestGuessesByAsker: a service that reports another address for each guess has ten times
// the attempts of an address, and does not use up those of other services.
func TestGuessesByAsker(t *testing.T) {
	t.Parallel()
	l := newLimiter()
	through := 0
	for i := range 1000 {
		c := parseClient(fmt.Sprintf("10.9.%d.%d", i/250, i%250))
		through += l.guesses(1, l.bucketOf(fmt.Sprintf("198.51.100.%d (web)", i%250), c), 3, l.start)
	}
	if through != 30 {
		t.Errorf("%d guesses, want 30", through)
	}
	for _, asker := range []string{"", "198.51.100.8 (mail)"} {
		if n := l.guesses(1, l.bucketOf(asker, parseClient("10.9.0.1")), 3, l.start); n != 1 {
			t.Errorf("%q can't guess", asker)
		}
	}
}

// TestGuessesOfAskerInProgress: a service may have more passwords compared at the same time
// than an address.
func TestGuessesOfAskerInProgress(t *testing.T) {
	t.Parallel()
	l := newLimiter()
	for i := range 3 * maxGuesses {
		if _, tooMany, busy := l.begin(l.bucketOf("198.51.100.7 (web)", parseClient(fmt.Sprintf("10.9.0.%d", i))), 60, maxGuesses, l.start); tooMany || busy {
			t.Errorf("%d: too many %v, busy %v", i, tooMany, busy)
		}
	}
}

// TestLimiterIsBounded: the table stays small however many addresses fail, and forgets no
// failure within its minute. After that, there is room again.
func TestLimiterIsBounded(t *testing.T) {
	t.Parallel()
	l := newLimiter()
	first := l.at("192.0.2.1")
	l.guesses(2, first, 2, l.start)
	for i := range 2 * maxBuckets {
		address := netip.AddrFrom16([16]byte{0x20, 1, byte(i >> 16), byte(i >> 8), byte(i)})
		l.fail(l.at(address.String()), l.start)
	}
	if n := len(l.counts); n > maxBuckets {
		t.Errorf("%d addresses", n)
	}
	if !l.tooMany(first, 2, l.start) || l.guesses(1, first, 2, l.start) != 0 {
		t.Error("an address that failed too often was dropped")
	}
	// A new address shares a counter, which other addresses have used up.
	late := l.at("203.0.113.1")
	if !l.tooMany(late, 1, l.start) {
		t.Error("a new address isn't counted")
	}
	l.fail(late, l.start.Add(2*time.Minute))
	if n := len(l.counts); n != 1 {
		t.Errorf("%d addresses after two minutes", n)
	}
	if l.guesses(1, first, 2, l.start.Add(2*time.Minute)) != 1 {
		t.Error("refused forever")
	}
}

// TestGuessKeepsItsCount: a guess that began when the table was full is counted in the
// same counter.
func TestGuessKeepsItsCount(t *testing.T) {
	t.Parallel()
	l := newLimiter()
	for i := range maxBuckets {
		l.fail(l.at(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()), l.start)
	}
	b := l.at("203.0.113.1")
	g, _, _ := l.begin(b, 60, maxGuesses, l.start)
	later := l.start.Add(2 * time.Minute)
	if n := l.guesses(1, b, 60, later); n != 1 {
		t.Fatal("no room after two minutes")
	}
	g.end(false, later)
	for i := range l.shared {
		if l.shared[i].pending != 0 {
			t.Errorf("%d guesses stay in progress forever", l.shared[i].pending)
		}
	}
	for b, c := range l.counts {
		if c.pending != 0 {
			t.Errorf("%v: %d in progress", b, c.pending)
		}
	}
}
