package zaptest

import (
	"sync"
	"sync/atomic"

	"github.com/zcurve/zcurve/zap"
)

// kept lets a handler that is a zap.Keeper watch what it admits, many at a time.
func (t *tester) kept() bool {
	t.Helper()
	keeper, ok := t.handler.(zap.Keeper)
	if !ok {
		return true
	}
	var keeping sync.WaitGroup
	var failed atomic.Bool
	for range parallel {
		keeping.Go(func() {
			for _, q := range t.questions {
				reply, ok := t.ask(t.handler, q.req)
				if ok = ok && (reply.Status != zap.StatusOK || t.keep(keeper, q.req, reply)); !ok {
					failed.Store(true)
					return
				}
			}
		})
	}
	keeping.Wait()
	return !failed.Load()
}

// keep lets the handler watch one decision, although the memory of the request is used for
// something else afterwards.
func (t *tester) keep(keeper zap.Keeper, req *zap.Request, reply zap.Reply) bool {
	t.Helper()
	type kept struct {
		release func()
		fault   any
	}
	end := func(now zap.Reply) {
		t.Errorf("%v: end is called with %d %q although nothing has changed", req, now.Status, now.Text)
	}
	own := clone(req)
	got, returned := within(func() (k kept) {
		defer func() { k.fault = recover() }()
		return kept{release: keeper.Keep(own, reply, end)}
	})
	for _, credential := range own.Credentials {
		clear(credential)
	}
	*own = zap.Request{}
	switch {
	case !returned:
		t.Errorf("%v: Keep does not return", req)
	case got.fault != nil:
		t.Errorf("%v: Keep panicked: %v", req, got.fault)
	case got.release == nil:
		t.Errorf("%v: Keep returned no function", req)
	default:
		if _, returned = within(func() bool { got.release(); got.release(); return true }); returned {
			return true
		}
		t.Errorf("%v: release does not return", req)
	}
	return false
}
