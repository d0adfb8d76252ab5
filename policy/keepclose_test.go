package policy_test

import (
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// TestKeepClose: Close waits for the end of an admission that is being told, and ends no other.
func TestKeepClose(t *testing.T) {
	t.Parallel()
	s := keystore.NewMemory()
	alice, bob := cert.Generate("alice"), cert.Generate("bob")
	ztest.Must(t, s.Put(&keystore.Identity{Name: "alice", Certificate: alice}, &keystore.Identity{Name: "bob", Certificate: bob}))
	p, err := policy.Default(s, policy.Options{})
	ztest.Must(t, err)
	telling, told, closed := make(chan bool), make(chan bool), make(chan error, 1)
	req := request(alice.Public)
	p.Keep(req, p.Handle(t.Context(), req), func(zap.Reply) {
		telling <- true
		<-told
	})
	neighbor, _ := keep(t, p, request(bob.Public))
	ztest.Must(t, s.Revoke(alice.Public, time.Now(), ""))
	ztest.Receive(t, "the end", telling)
	go func() { closed <- p.Close() }()
	ztest.Wait(t, "the policy is closed", func() bool { return p.Reload() != nil })
	select {
	case <-closed:
		t.Error("Close does not wait")
	default:
	}
	close(told)
	ztest.Must(t, ztest.Receive(t, "Close", closed))
	ztest.Must(t, s.Revoke(bob.Public, time.Now(), ""))
	if open, _ := p.Kept(); open != 0 || len(neighbor) > 0 {
		t.Errorf("%d open, %d ended after Close", open, len(neighbor))
	}
}

// TestKeepCloseBlocked: Close does not wait for a program's keystore that blocks.
func TestKeepCloseBlocked(t *testing.T) {
	t.Parallel()
	slow := keystore.NewMemory()
	alice := cert.Generate("alice")
	ztest.Must(t, slow.Put(&keystore.Identity{Name: "alice", Certificate: alice}))
	b := &blocking{Reader: slow, until: make(chan struct{})}
	defer close(b.until)
	p, err := policy.Default(b, policy.Options{})
	ztest.Must(t, err)
	keep(t, p, request(alice.Public))
	b.blocks.Store(true)
	ztest.Must(t, p.Reload())
	closed := make(chan error, 1)
	go func() { closed <- p.Close() }()
	ztest.Must(t, ztest.Receive(t, "Close", closed))
}

// TestKeepUnrevoked: a key is watched for its revocation alone.
func TestKeepUnrevoked(t *testing.T) {
	t.Parallel()
	s := keystore.NewMemory()
	alice, stranger := cert.Generate("alice"), cert.Generate("stranger")
	ztest.Must(t, s.Put(&keystore.Identity{Name: "alice", Certificate: alice}))
	p := newPolicy(t, policy.Rules{{Curve: &policy.Curve{Readers: []keystore.Reader{s}}}})
	watch := func(c *cert.Certificate) chan string {
		ended := make(chan string, 2)
		p.KeepUnrevoked(c.Public, func(reason string) { ended <- reason })
		return ended
	}
	one, two := watch(alice), watch(stranger)
	ztest.Must(t, s.Remove(alice.Public), p.Reload(), s.Revoke(stranger.Public, time.Now(), "stolen"))
	reason, _ := p.Revoked(stranger.Public)
	if got := ztest.Receive(t, "the end", two); reason == "" || got != reason {
		t.Errorf("ended with %q, want %q", got, reason)
	}
	if got := ztest.Receive(t, "the end of one that is revoked already", watch(stranger)); got != reason {
		t.Errorf("ended with %q, want %q", got, reason)
	}
	if open, _ := p.Kept(); open != 1 || len(one) > 0 {
		t.Errorf("%d open, %d ended", open, len(one))
	}
}
