package policy_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// TestKeepRace opens and releases admissions while keys are revoked and restored and the rules
// change: each ends at most once, and never before it began. When all keys are revoked, those
// that were not released have ended, and nothing is left.
func TestKeepRace(t *testing.T) {
	t.Parallel()
	s := keystore.NewMemory()
	var certs []*cert.Certificate
	for i := range 20 {
		c := cert.Generate(fmt.Sprint("client-", i))
		certs = append(certs, c)
		ztest.Must(t, s.Put(&keystore.Identity{Name: c.Name(), Certificate: c}))
	}
	rules := policy.Rules{{Curve: &policy.Curve{Readers: []keystore.Reader{s}}}}
	p := newPolicy(t, rules)
	var open atomic.Int64 // neither released nor ended
	var clients, operator sync.WaitGroup
	stop := make(chan struct{})
	operator.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			c := certs[rand.N(len(certs))]
			if err := s.Revoke(c.Public, time.Now(), ""); err != nil {
				t.Error(err)
			}
			if err := s.Unrevoke(c.Public, time.Now(), ""); err != nil {
				t.Error(err)
			}
			if i%16 == 0 {
				if err := p.Set(rules); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 8 {
		clients.Go(func() {
			for range 300 {
				req := request(certs[rand.N(len(certs))].Public)
				reply := p.Handle(t.Context(), req)
				if reply.Status != zap.StatusOK {
					continue
				}
				var gone atomic.Int32 // released or ended
				var ends atomic.Int32
				open.Add(1)
				leave := func() {
					if gone.Add(1) == 1 {
						open.Add(-1)
					}
				}
				release := p.Keep(req, reply, func(now zap.Reply) {
					if ends.Add(1) > 1 || now.Status == zap.StatusOK {
						t.Errorf("ended %d times, with %d", ends.Load(), now.Status)
					}
					leave()
				})
				if rand.N(2) == 0 {
					release()
					release()
					leave()
				}
			}
		})
	}
	clients.Wait()
	close(stop)
	operator.Wait()
	for _, c := range certs {
		ztest.Must(t, s.Revoke(c.Public, time.Now(), ""))
	}
	ztest.Wait(t, "all that were not released end", func() bool { return open.Load() == 0 })
	if kept, _ := p.Kept(); kept != 0 {
		t.Errorf("%d are left", kept)
	}
}
