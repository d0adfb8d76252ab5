package policy

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// snapshotOf returns a policy without keystores.
func snapshotOf(t testing.TB, text string) *snapshot {
	t.Helper()
	c, err := parse("policy", []byte(text))
	ztest.Must(t, err)
	m, err := openMemory("")
	ztest.Must(t, err)
	s, err := newSnapshot(c, nil, m)
	ztest.Must(t, err)
	for _, d := range s.domains {
		if d.plain != nil {
			d.plain.patience = ztest.Patience // no request times out on a busy machine
		}
	}
	return s
}

// byPlain returns a request by PLAIN.
func byPlain(domain, address, login, password string) *zap.Request {
	return &zap.Request{Domain: domain, Address: address, Mechanism: zap.Plain, Credentials: [][]byte{[]byte(login), []byte(password)}}
}

// accounts returns a section plain with an account for each password or hash, named a,
// b and so on.
func accounts(passwords ...string) string {
	text := "    plain = 1\n"
	for i, p := range passwords {
		text += fmt.Sprintf("        account\n            login = %c\n            password = %q\n", 'a'+i, p)
	}
	return text
}

func bcryptHash(t testing.TB, password string, cost int) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	ztest.Must(t, err)
	return string(hash)
}

// argon2Text returns the hash of an unknown password with these parameters.
func argon2Text(parameters string, size int) string {
	return "$argon2id$v=19$" + parameters + "$c29tZXNhbHRzb21lc2FsdA$" + encoding.EncodeToString(make([]byte, size))
}

// TestRefusalsTakeTheSameWork: a refusal takes one comparison with each kind of hash in
// the policy, whether or not the login exists and whatever its own hash is.
func TestRefusalsTakeTheSameWork(t *testing.T) {
	t.Parallel()
	s := snapshotOf(t, "security\n"+accounts("clear", "other", bcryptHash(t, "x", 4), bcryptHash(t, "x", 5), bcryptHash(t, "y", 4),
		argon2Text("m=8,t=1,p=1", 16), argon2Text("m=16,t=1,p=1", 16), argon2Text("m=8,t=1,p=1", 32), argon2Text("m=8,t=1,p=1", 16)))
	p := s.domains["*"].plain
	work := func(a *account) map[kind]int {
		kinds := map[kind]int{}
		for _, with := range p.comparisons(a) {
			kinds[with.kind()]++
		}
		return kinds
	}
	want := work(nil)
	if len(want) != 5 {
		t.Errorf("%d kinds of hash", len(want))
	}
	for login, a := range p.accounts {
		if diff := cmp.Diff(want, work(a), cmp.AllowUnexported(kind{})); diff != "" {
			t.Errorf("%s (-unknown +known):\n%s", login, diff)
		}
		if p.comparisons(a)[0] != a.password {
			t.Errorf("%s: a correct password isn't compared first", login)
		}
	}
	// The password of a decoy does not admit any login.
	for _, tt := range []struct {
		login, password string
		want            bool
	}{{"a", "clear", true}, {"b", "clear", false}, {"c", "clear", false}, {"nobody", "clear", false}, {"c", "x", true}, {"d", "x", true}, {"f", "x", false}} {
		if got := p.compare(p.accounts[tt.login], []byte(tt.password)); got != tt.want {
			t.Errorf("%s with %q: %v", tt.login, tt.password, got)
		}
	}
}

// TestBcrypt: the part of a password that bcrypt doesn't read still counts.
func TestBcrypt(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 72)
	s := snapshotOf(t, "security\n"+accounts(bcryptHash(t, long, 4), bcryptHash(t, "ab", 4)))
	for _, tt := range []struct {
		login, password string
		want            zap.Status
	}{
		{"a", long, zap.StatusOK},
		{"a", long + "anything", zap.StatusRefused},
		{"a", long[:71], zap.StatusRefused},
		{"b", "ab", zap.StatusOK},
		{"b", "ab\x00ab", zap.StatusRefused},
		{"b", "ab\x00", zap.StatusRefused},
	} {
		if reply := s.decide(t.Context(), byPlain("", "192.0.2.1", tt.login, tt.password), time.Now()); reply.Status != tt.want {
			t.Errorf("%s with %q: %+v", tt.login, tt.password, reply)
		}
	}
}

// fillSlots takes all slots for comparing passwords until release is called. The test
// must not be parallel.
func fillSlots() (release func()) {
	for range cap(comparing) {
		comparing <- struct{}{}
	}
	return func() {
		for range cap(comparing) {
			<-comparing
		}
	}
}

// TestGuessesAtOnce: of many simultaneous guesses from one address, only a few are
// compared, and a client at another address waits for these at most.
func TestGuessesAtOnce(t *testing.T) {
	const text = "security\n    failures = 100\n"
	s := snapshotOf(t, text+accounts(bcryptHash(t, "right", 4)))
	release := fillSlots()
	const guesses = 60
	replies := make(chan zap.Reply, guesses)
	for i := range guesses {
		go func() {
			replies <- s.decide(t.Context(), byPlain("", "192.0.2.1", "a", fmt.Sprint("wrong", i)), time.Now())
		}()
	}
	for range guesses - maxGuesses {
		if reply := ztest.Receive(t, "a reply", replies); reply.Status != zap.StatusTryLater || !strings.Contains(reply.Text, "simultaneous") {
			t.Errorf("%+v", reply)
		}
	}
	owner := make(chan zap.Reply, 1)
	go func() { owner <- s.decide(t.Context(), byPlain("", "192.0.2.2", "a", "right"), time.Now()) }()
	release()
	if reply := ztest.Receive(t, "the owner's reply", owner); reply.Status != zap.StatusOK {
		t.Errorf("the owner: %+v", reply)
	}
	for range maxGuesses {
		if reply := ztest.Receive(t, "a reply", replies); reply.Status != zap.StatusRefused {
			t.Errorf("%+v", reply)
		}
	}
}

// TestNobodyWaits: a request is dropped when its context ends. All domains share the
// slots.
func TestNobodyWaits(t *testing.T) {
	var text string
	for i := range 10 {
		text += fmt.Sprintf("security\n    domain = d%d\n", i) + accounts("right")
	}
	s := snapshotOf(t, text)
	if cap(comparing) != runtime.GOMAXPROCS(0) {
		t.Errorf("%d slots", cap(comparing))
	}
	defer fillSlots()()
	ctx, cancel := context.WithCancel(t.Context())
	replies := make(chan zap.Reply)
	for i := range 10 {
		go func() { replies <- s.decide(ctx, byPlain(fmt.Sprint("d", i), "", "a", "right"), time.Now()) }()
	}
	// They share a bucket: some get a reply at once, and none is compared.
	for range 10 - maxGuesses {
		if reply := ztest.Receive(t, "a reply", replies); reply.Status != zap.StatusTryLater {
			t.Errorf("%+v", reply)
		}
	}
	cancel()
	for range maxGuesses {
		if reply := ztest.Receive(t, "a reply", replies); reply.Text != "timed out checking the password" {
			t.Errorf("%+v", reply)
		}
	}
}

// TestParallelGuesses: no more simultaneous guesses are compared than may fail.
func TestParallelGuesses(t *testing.T) {
	t.Parallel()
	s := snapshotOf(t, "security\n    failures = 5\n"+accounts(bcryptHash(t, "right", 4)))
	var mu sync.Mutex
	compared := 0
	var work sync.WaitGroup
	for i := range 60 {
		work.Go(func() {
			for { // until a reply is final
				reply := s.decide(t.Context(), byPlain("", fmt.Sprintf("2001:db8::%x", i), "a", fmt.Sprint("wrong", i)), time.Now())
				if reply.Status == zap.StatusTryLater {
					runtime.Gosched()
					continue
				}
				mu.Lock()
				defer mu.Unlock()
				if reply.Text != tooManyFailures {
					compared++
				}
				return
			}
		})
	}
	work.Wait()
	if compared != 5 {
		t.Errorf("%d were compared, want 5", compared)
	}
}

// TestScramBesidePlain: while as many passwords of an address are being compared as may be
// at the same time, its logins by SCRAM, which take no time, are decided.
func TestScramBesidePlain(t *testing.T) {
	t.Parallel()
	const same = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	s := snapshotOf(t, "security\n"+accounts("right", "SCRAM-SHA-256$600000:"+same+"$"+same+":"+same))
	for range maxGuesses {
		s.limiter.begin(s.limiter.at("192.0.2.1"), plainFailures, maxGuesses, time.Now())
	}
	if reply := s.decide(t.Context(), byPlain("", "192.0.2.1", "a", "right"), time.Now()); reply.Status != zap.StatusTryLater {
		t.Errorf("by PLAIN: %+v", reply)
	}
	req := &zap.Request{Address: "192.0.2.1", Mechanism: zap.ScramSHA256, Credentials: [][]byte{[]byte("b"), make([]byte, 32)}}
	if reply := s.decide(t.Context(), req, time.Now()); reply.Status != zap.StatusRefused {
		t.Errorf("by SCRAM: %+v", reply)
	}
}

// TestPasswordOfHalf: the answer to a client that needs a key as well takes the same work
// with the right password as with a wrong one, also the second time.
func TestPasswordOfHalf(t *testing.T) {
	t.Parallel()
	const same = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	const text = "security\n    curve = 1\n        keystore = mem:\n        password-for = traders\n"
	hash := quickHash("right") + " SCRAM-SHA-256$600000:" + same + "$" + same + ":" + same
	c, err := parse("policy", []byte(text+accounts("x", hash)+"            group = traders\n"))
	ztest.Must(t, err)
	m, err := openMemory("")
	ztest.Must(t, err)
	s, err := newSnapshot(c, func(string) (keystore.Store, error) { return keystore.NewMemory(), nil }, m)
	ztest.Must(t, err)
	for _, password := range []string{"right", "right", "wrong"} {
		if reply := s.decide(t.Context(), byPlain("", "192.0.2.1", "b", password), time.Now()); reply.Text != needsKey {
			t.Errorf("%s: %+v", password, reply)
		}
	}
	if n := len(s.domains["*"].plain.cache.at); n != 0 {
		t.Errorf("%d passwords are remembered", n)
	}
}
