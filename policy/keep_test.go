package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

var _ zap.Keeper = (*policy.Policy)(nil)

// keep opens an admission, and returns the channel of its end and what releases it.
func keep(t testing.TB, p *policy.Policy, req *zap.Request) (ended chan zap.Reply, release func()) {
	t.Helper()
	reply := p.Handle(t.Context(), req)
	if reply.Status != zap.StatusOK {
		t.Fatalf("not admitted: %s", reply.Text)
	}
	ended = make(chan zap.Reply, 10)
	return ended, p.Keep(req, reply, func(r zap.Reply) { ended <- r })
}

// ends checks that one admission ends as expected, and that the other stays.
func ends(t *testing.T, ended, neighbor <-chan zap.Reply, status zap.Status, text string) {
	t.Helper()
	if got := ztest.Receive(t, "the end", ended); got.Status != status || text != "" && got.Text != text {
		t.Errorf("ended with %d %q, want %d %q", got.Status, got.Text, status, text)
	}
	select {
	case got := <-neighbor:
		t.Errorf("a neighbor ended: %d %q", got.Status, got.Text)
	case got := <-ended:
		t.Errorf("ended twice: %d %q", got.Status, got.Text)
	default:
	}
}

// TestKeepKeystore: a change of an identity ends its admission and no other, in each kind of
// keystore, by the program and by another process.
func TestKeepKeystore(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"dir:", "bolt:", "mem:", "another process dir:", "another process bolt:"} {
		for _, tt := range []struct {
			name   string
			change func(s keystore.Store, alice *cert.Certificate) error
			status zap.Status
			text   string
		}{
			{"revoked", func(s keystore.Store, c *cert.Certificate) error { return s.Revoke(c.Public, time.Now(), "stolen") }, zap.StatusRefused, ""},
			{"removed", func(s keystore.Store, c *cert.Certificate) error { return s.Remove(c.Public) }, zap.StatusRefused, "unknown key"},
			{"other group", func(s keystore.Store, c *cert.Certificate) error {
				return s.Put(&keystore.Identity{Name: "alice", Certificate: c, Groups: []string{"b"}})
			}, zap.StatusTryLater, "changed: connect again"},
			{"renamed", func(s keystore.Store, c *cert.Certificate) error {
				return s.Put(&keystore.Identity{Name: "alice2", Certificate: c, Groups: []string{"a"}})
			}, zap.StatusTryLater, "changed: connect again"},
			{"expires", func(s keystore.Store, c *cert.Certificate) error {
				short := *c
				short.Validity.NotAfter = time.Now().Add(2 * time.Second).UTC().Truncate(time.Second)
				return s.Put(&keystore.Identity{Name: "alice", Certificate: &short, Groups: []string{"a"}})
			}, zap.StatusRefused, "certificate expired"},
		} {
			t.Run(kind+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				url, other := kind, false
				if kind != "mem:" {
					url = filepath.Join(t.TempDir(), "clients")
					var scheme string
					if _, err := fmt.Sscanf(kind, "another process %s", &scheme); err == nil {
						other = true
					} else {
						scheme = kind
					}
					url = scheme + url
				}
				ztest.Must(t, keystore.Create(url))
				s, err := keystore.Open(url, nil)
				ztest.Must(t, err)
				alice, bob := cert.Generate("alice"), cert.Generate("bob")
				ztest.Must(t, s.Put(&keystore.Identity{Name: "alice", Certificate: alice, Groups: []string{"a"}}, &keystore.Identity{Name: "bob", Certificate: bob}))
				p, err := policy.Default(s, policy.Options{})
				ztest.Must(t, err)
				t.Cleanup(func() { p.Close() })
				ended, _ := keep(t, p, request(alice.Public))
				neighbor, _ := keep(t, p, request(bob.Public))
				if other {
					ztest.Background(t, s.Watch)
					change(t, url, func(s keystore.Store) error { return tt.change(s, alice) })
				} else {
					ztest.Must(t, tt.change(s, alice))
				}
				ends(t, ended, neighbor, tt.status, tt.text)
			})
		}
	}
}

// TestKeepRules: a change of the rules ends the admissions that they no longer allow, and no
// other.
func TestKeepRules(t *testing.T) {
	t.Parallel()
	const head, rest = "security\n    domain = x\n", "security\n    domain = y\n    anonymous = 1\n"
	curveOf := func(group string) string {
		return head + "    curve = 1\n        keystore = dir:clients\n        group = " + group + "\n"
	}
	hash, other := policy.HashPassword([]byte("one")), policy.HashPassword([]byte("two"))
	plain := func(text string) string { return head + "    plain = 1\n" + text }
	alice := scenario.Named("alice")
	byCurve := ask("x", "192.0.2.1", zap.Curve, string(alice.Public[:]))
	byPlain := ask("x", "192.0.2.1", zap.Plain, "alice", "one")
	byScram := ask("x", "192.0.2.1", zap.ScramSHA256, "alice", clientKey("one"))
	anonymous := ask("x", "192.0.2.1", zap.Null)
	for _, tt := range []struct {
		name          string
		req           *zap.Request
		before, after string
		status        zap.Status
		text          string
	}{
		{"NULL off", anonymous, head + "    anonymous = 1\n", head, zap.StatusRefused, "NULL is not allowed"},
		{"domain", anonymous, head + "    anonymous = 1\n", "", zap.StatusRefused, "no rule for this domain"},
		{"address", anonymous, head + "    anonymous = 1\n", head + "    anonymous = 1\n    deny = 192.0.2.0/24\n", zap.StatusRefused, "address denied"},
		{"group", byCurve, curveOf("a"), curveOf("b"), zap.StatusRefused, "not in an allowed group"},
		{"CURVE off", byCurve, curveOf("a"), head, zap.StatusRefused, "CURVE is not allowed"},
		{"hash", byPlain, plain(account("alice", hash)), plain(account("alice", other)), zap.StatusRefused, "wrong user name or password"},
		{"account", byPlain, plain(account("alice", hash)), plain(account("bob", hash)), zap.StatusRefused, "wrong user name or password"},
		{"PLAIN off", byPlain, plain(account("alice", hash)), head, zap.StatusRefused, "PLAIN is not allowed"},
		{"user id", byPlain, plain(account("alice", hash)), plain(account("alice", hash, "            user-id = bob\n")), zap.StatusTryLater, "changed: connect again"},
		{"metadata", byPlain, plain(account("alice", hash)), plain(account("alice", hash, "            metadata\n                desk = 7\n")), zap.StatusTryLater, "changed: connect again"},
		{"verifier", byScram, plain(account("alice", verifierOf("one"))), plain(account("alice", verifierOf("two"))), zap.StatusRefused, "wrong user name or password"},
		{"SCRAM off", byScram, plain(account("alice", verifierOf("one"))), plain(account("alice", hash)), zap.StatusRefused, "SCRAM-SHA-256 is not allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			mkdir(t, filepath.Join(dir, "clients", "a"), alice)
			p, _ := load(t, dir, tt.before+rest)
			ended, _ := keep(t, p, tt.req)
			neighbor, _ := keep(t, p, ask("y", "192.0.2.1", zap.Null))
			_, checks := p.Kept()
			ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), tt.before+"# the same\n"+rest)
			ztest.Must(t, p.Reload())
			ztest.Wait(t, "both are checked", func() bool { _, now := p.Kept(); return now >= checks+2 })
			ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), tt.after+rest)
			ztest.Must(t, p.Reload())
			ends(t, ended, neighbor, tt.status, tt.text)
		})
	}
}

// TestKeepReloaded: reading the same rules again ends no admission, also one that was decided
// before, and kept after.
func TestKeepReloaded(t *testing.T) {
	t.Parallel()
	for name, password := range map[string]string{"hashed": policy.HashPassword([]byte("one")), "unhashed": "one", "verifier": verifierOf("one")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p, _ := load(t, dir, "security\n    plain = 1\n"+account("alice", password))
			req := ask("", "192.0.2.1", zap.Plain, "alice", "one")
			if name == "verifier" {
				req = ask("", "192.0.2.1", zap.ScramSHA256, "alice", clientKey("one"))
			}
			before, _ := keep(t, p, req)
			decided := p.Handle(t.Context(), req)
			ztest.Must(t, p.Reload())
			after := make(chan zap.Reply, 1)
			p.Keep(req, decided, func(r zap.Reply) { after <- r })
			_, checks := p.Kept()
			ztest.Must(t, p.Reload())
			ztest.Wait(t, "both are checked", func() bool { _, now := p.Kept(); return now >= checks+2 })
			for _, ended := range []chan zap.Reply{before, after} {
				if len(ended) > 0 {
					t.Errorf("ended: %s", (<-ended).Text)
				}
			}
		})
	}
}

// TestKeepList: a key on a new revocation list of an authority loses its connection.
func TestKeepList(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	dir := t.TempDir()
	acme := cert.GenerateAuthority("")
	alice, bob := signed(t, acme, "alice"), signed(t, acme, "bob")
	mkdir(t, filepath.Join(dir, "clients"), alice, bob)
	list := filepath.Join(dir, "acme.revoked")
	listOf(t, list, acme, now.Add(-2*time.Hour), now.Add(time.Hour))
	p, _ := load(t, dir, ofAuthority(acme, "acme.revoked"))
	ztest.Background(t, p.Watch)
	ended, _ := keep(t, p, request(alice.Public))
	neighbor, _ := keep(t, p, request(bob.Public))
	listOf(t, list, acme, now.Add(-time.Hour), now.Add(time.Hour), alice)
	ends(t, ended, neighbor, zap.StatusRefused, "")
}

// TestKeepMoved: an identity whose file moves to another group is told to come back, although
// it has no file for a moment.
func TestKeepMoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice, bob := scenario.Named("alice"), scenario.Named("bob")
	mkdir(t, filepath.Join(dir, "clients"), alice, bob)
	mkdir(t, filepath.Join(dir, "clients", "zzz"))
	p, _ := load(t, dir, "security\n    curve = 1\n        keystore = dir:clients\n")
	ztest.Background(t, p.Watch)
	ended, _ := keep(t, p, request(alice.Public))
	neighbor, _ := keep(t, p, request(bob.Public))
	files, err := filepath.Glob(filepath.Join(dir, "clients", "alice*"))
	ztest.Must(t, err, os.Rename(files[0], filepath.Join(dir, "clients", "zzz", filepath.Base(files[0]))))
	ends(t, ended, neighbor, zap.StatusTryLater, "changed: connect again")
}

// TestKeepLate: a change between the decision and Keep ends the admission, as does a password
// that was proved against an earlier hash.
func TestKeepLate(t *testing.T) {
	t.Parallel()
	s := keystore.NewMemory()
	alice := cert.Generate("alice")
	ztest.Must(t, s.Put(&keystore.Identity{Name: "alice", Certificate: alice}))
	hash := func(password string) policy.Rules {
		return policy.Rules{{Accounts: []policy.Account{{Login: "alice", Hash: policy.HashPassword([]byte(password))}},
			Curve: &policy.Curve{Readers: []keystore.Reader{s}}}}
	}
	p := newPolicy(t, hash("one"))
	byPlain := ask("", "", zap.Plain, "alice", "one")
	login, key := p.Handle(t.Context(), byPlain), p.Handle(t.Context(), request(alice.Public))
	ztest.Must(t, p.Set(hash("two")), s.Revoke(alice.Public, time.Now(), ""))
	ended := make(chan zap.Reply, 2)
	for req, reply := range map[*zap.Request]zap.Reply{byPlain: login, request(alice.Public): key} {
		if reply.Status != zap.StatusOK {
			t.Fatal(reply.Text)
		}
		p.Keep(req, reply, func(r zap.Reply) { ended <- r })
		if r := ztest.Receive(t, "the end", ended); r.Status == zap.StatusOK {
			t.Error(r.Text)
		}
	}
}

// TestKeepReleased: after release or Close, nothing ends, and nothing is left.
func TestKeepReleased(t *testing.T) {
	t.Parallel()
	s := keystore.NewMemory()
	alice := cert.Generate("alice")
	ztest.Must(t, s.Put(&keystore.Identity{Name: "alice", Certificate: alice}))
	p, err := policy.Default(s, policy.Options{})
	ztest.Must(t, err)
	ended, release := keep(t, p, request(alice.Public))
	stays, _ := keep(t, p, request(alice.Public))
	release()
	release()
	ztest.Must(t, s.Revoke(alice.Public, time.Now(), ""))
	ends(t, stays, ended, zap.StatusRefused, "")
	ztest.Must(t, s.Unrevoke(alice.Public, time.Now(), ""))
	ztest.Must(t, p.Set(policy.Rules{{Anonymous: true}}))
	closed, _ := keep(t, p, ask("", "", zap.Null))
	ztest.Must(t, p.Close())
	if open, _ := p.Kept(); open != 0 || len(closed) > 0 {
		t.Errorf("%d left, %d ended", open, len(closed))
	}
}

// blocking is a program's keystore that waits.
type blocking struct {
	keystore.Reader
	blocks atomic.Bool
	until  chan struct{}
}

func (b *blocking) Lookup(key curve.PublicKey) (*keystore.Identity, bool) {
	if b.blocks.Load() {
		<-b.until
	}
	return b.Reader.Lookup(key)
}

// TestKeepBlocked: a program's keystore that blocks doesn't delay the ends of other
// admissions, and Reload finds its changes.
func TestKeepBlocked(t *testing.T) {
	t.Parallel()
	slow, s := keystore.NewMemory(), keystore.NewMemory()
	alice, bob := cert.Generate("alice"), cert.Generate("bob")
	ztest.Must(t, slow.Put(&keystore.Identity{Name: "alice", Certificate: alice}), s.Put(&keystore.Identity{Name: "bob", Certificate: bob}))
	b := &blocking{Reader: slow, until: make(chan struct{})}
	p := newPolicy(t, policy.Rules{
		{Name: "slow", Curve: &policy.Curve{Readers: []keystore.Reader{b}}},
		{Name: "quick", Curve: &policy.Curve{Readers: []keystore.Reader{s}}},
	})
	one, _ := keep(t, p, ask("slow", "", zap.Curve, string(alice.Public[:])))
	two, _ := keep(t, p, ask("quick", "", zap.Curve, string(bob.Public[:])))
	b.blocks.Store(true)
	ztest.Must(t, slow.Remove(alice.Public), p.Reload(), s.Revoke(bob.Public, time.Now(), ""))
	ends(t, two, one, zap.StatusRefused, "")
	close(b.until)
	ends(t, one, two, zap.StatusRefused, "unknown key")
}

// TestKeepMany: among 10,000 admissions, a change of one identity checks only that one.
func TestKeepMany(t *testing.T) {
	t.Parallel()
	const n = 10_000
	s := keystore.NewMemory()
	ids := make([]*keystore.Identity, n)
	for i := range ids {
		ids[i] = &keystore.Identity{Name: fmt.Sprintf("client-%d", i), Certificate: &cert.Certificate{Public: curve.GenerateKey().Public()}}
	}
	ztest.Must(t, s.Put(ids...))
	p, err := policy.Default(s, policy.Options{})
	ztest.Must(t, err)
	defer p.Close()
	var ended atomic.Int32
	told := make(chan zap.Reply, n)
	reqs, replies := make([]*zap.Request, n), make([]zap.Reply, n)
	for i, id := range ids {
		reqs[i] = request(id.Key())
		replies[i] = p.Handle(t.Context(), reqs[i])
	}
	end := func(r zap.Reply) { ended.Add(1); told <- r }
	for i := range ids {
		p.Keep(reqs[i], replies[i], end)
	}
	_, before := p.Kept()
	ztest.Must(t, s.Revoke(ids[0].Key(), time.Now(), ""))
	ztest.Receive(t, "the end", told)
	if open, after := p.Kept(); open != n-1 || after-before > 3 || ended.Load() != 1 {
		t.Errorf("%d open, %d checks, %d ended", open, after-before, ended.Load())
	}
	ztest.Must(t, p.Set(policy.Rules{{Anonymous: true}}))
	for range n - 1 {
		ztest.Receive(t, "the end of each", told)
	}
}

// BenchmarkKeep measures the memory of an open admission.
func BenchmarkKeep(b *testing.B) {
	c := cert.Generate("alice")
	p := byDefault(b, c)
	req := request(c.Public)
	reply := p.Handle(b.Context(), req)
	const n = 10_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var all []func()
		for range n {
			all = append(all, p.Keep(req, reply, func(zap.Reply) {}))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/admission")
		for _, release := range all {
			release()
		}
	}
}

// BenchmarkKeepRevoked measures the time from another process's revocation to the end.
func BenchmarkKeepRevoked(b *testing.B) {
	dir := b.TempDir()
	s, err := keystore.Open(dir, nil)
	ztest.Must(b, err)
	p, err := policy.Default(s, policy.Options{})
	ztest.Must(b, err)
	defer p.Close()
	other, err := keystore.Open(dir, nil)
	ztest.Must(b, err)
	ztest.Background(b, s.Watch)
	var all []time.Duration
	for i := 0; b.Loop(); i++ {
		c := cert.Generate("alice")
		ztest.Must(b, other.Put(&keystore.Identity{Name: fmt.Sprintf("client-%d", i), Certificate: c}))
		ztest.Wait(b, "it is admitted", func() bool { return admits(p, "", c) })
		ended, _ := keep(b, p, request(c.Public))
		start := time.Now()
		ztest.Must(b, other.Revoke(c.Public, time.Now(), ""))
		ztest.Receive(b, "the end", ended)
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)*99/100].Milliseconds()), "p99-ms")
}
