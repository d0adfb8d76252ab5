package policy_test

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// TestGrantsWhileTheyChange: identities that share a slot are renamed, moved to other
// groups and revoked, while the rules are replaced. Each client always has its own user
// id and groups, and after a change has returned, those of the change.
func TestGrantsWhileTheyChange(t *testing.T) {
	t.Parallel()
	store := keystore.NewMemory()
	defer store.Close()
	var keys []*cert.Certificate
	for len(keys) < 3 {
		c := cert.Generate("")
		const slots = 1<<11 - 1
		if len(keys) == 0 || binary.LittleEndian.Uint32(c.Public[:])&slots == binary.LittleEndian.Uint32(keys[0].Public[:])&slots {
			keys = append(keys, c)
		}
	}
	put := func(i, version int) {
		ztest.Must(t, store.Put(&keystore.Identity{Name: fmt.Sprintf("n%d-%d", i, version), Certificate: keys[i], Groups: []string{fmt.Sprintf("g%d-%d", i, version)}}))
	}
	for i := range keys {
		put(i, 0)
	}
	rules := []policy.Rules{
		{{Curve: &policy.Curve{Readers: []keystore.Reader{store}}}},
		{{Curve: &policy.Curve{Readers: []keystore.Reader{store}}}, {Name: "x", Anonymous: true}},
	}
	p := newPolicy(t, rules[0])
	decide := func(key curve.PublicKey) (i, version int, ok bool) {
		reply := p.Handle(t.Context(), ask("", "", zap.Curve, string(key[:])))
		if reply.Status != zap.StatusOK {
			return 0, 0, false
		}
		group := reply.Metadata.Get("group")
		if _, err := fmt.Sscanf(reply.UserID, "n%d-%d", &i, &version); err != nil || group != fmt.Sprintf("g%d-%d", i, version) || reply.Identity != reply.UserID {
			t.Errorf("user %s, identity %s, groups %s", reply.UserID, reply.Identity, group)
		}
		return i, version, true
	}
	var readers, writers sync.WaitGroup
	done := make(chan struct{})
	for i := range keys {
		readers.Go(func() {
			last := 0
			for {
				select {
				case <-done:
					return
				default:
				}
				who, version, ok := decide(keys[i].Public)
				if ok && (who != i || version < last) {
					t.Errorf("%d is %d, version %d after %d", i, who, version, last)
					return
				}
				if ok {
					last = version
				}
			}
		})
		writers.Go(func() {
			for version := range 100 {
				put(i, version)
				if who, got, ok := decide(keys[i].Public); !ok || who != i || got != version {
					t.Errorf("%d, version %d: got %d, version %d, %v", i, version, who, got, ok)
					return
				}
			}
			ztest.Must(t, store.Revoke(keys[i].Public, keys[i].Validity.NotBefore, ""))
			if _, _, ok := decide(keys[i].Public); ok {
				t.Errorf("%d is revoked and admitted", i)
			}
		})
	}
	writers.Go(func() {
		for i := range 50 {
			ztest.Must(t, p.Set(rules[i%2]))
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
}
