package zaptest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// patience is the time limit for a handler that must return. The tests of this package
// shorten it for handlers that don't.
var patience = 30 * time.Second

const (
	// parallel is the number of simultaneous requests.
	parallel = 16
	// marker is a secret. No reply may contain it, because replies are logged.
	marker = "zaptest-secret-7d1f"
)

// TestHandler looks for faults that handlers commonly have. It asks h about well-formed
// but unusual requests and about the given ones, one at a time, many at a time, and with
// a context that ends. The test fails if
//
//   - the handler panics or ends its goroutine, or a reply breaks RFC 27 or contains a
//     password,
//   - the handler does not return from HandleAtOnce, or does not return from Handle soon
//     after its context is done,
//   - a reply differs from the first one to the same request, depending on other
//     requests: in its user id or metadata, or by admitting a client that was refused,
//   - HandleAtOnce admits a client that Handle refuses, or retains a request,
//   - the handler is a zap.Keeper, and Keep panics or does not return, ends an admission
//     although nothing has changed, or returns a function that does not return or that may
//     not be called twice.
//
// Instead of a refusal, a reply may have StatusTryLater, because handlers limit clients.
// The given requests should include some that h admits.
func TestHandler(t testing.TB, h zap.Handler, requests ...*zap.Request) {
	t.Helper()
	tester := &tester{TB: t, handler: h, context: t.Context()}
	for _, req := range append(unusual(), requests...) {
		tester.questions = append(tester.questions, question{req: req})
	}
	for _, check := range []func() bool{tester.alone, tester.together, tester.reused, tester.ended, tester.kept} {
		if !check() {
			return
		}
	}
}

// question is a request and the first reply to it.
type question struct {
	req   *zap.Request
	first zap.Reply
}

// tester asks one handler.
type tester struct {
	testing.TB
	handler   zap.Handler
	context   context.Context
	questions []question
}

// unusual returns requests that a handler rarely sees. Each is from a different address,
// so that a limit for one does not affect the others.
func unusual() []*zap.Request {
	all := strings.Builder{}
	for c := byte(' '); c <= '~'; c++ {
		all.WriteByte(c)
	}
	long := strings.Repeat("x", 255)
	bytes := make([]byte, 256)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	key := func(b byte) string { return strings.Repeat(string([]byte{b}), 32) }
	requests := []*zap.Request{
		request("", zap.Null),
		request(long, zap.Null),
		request(all.String(), zap.Null),
		request("", zap.Plain, "", ""),
		request("", zap.Plain, "", marker),
		request("", zap.Plain, "zaptest\n\x00\xff", marker),
		request(all.String(), zap.Plain, string(bytes), marker+strings.Repeat("p", 1000)),
		request("", zap.Plain, strings.Repeat("u", 1024), string(bytes)+marker),
		request("", zap.Curve, key(0)),
		request("", zap.Curve, "\x01"+key(0)[1:]),
		request("", zap.Curve, key(0xff)),
		request(long, zap.Curve, marker+key('k')[len(marker):]),
		request("", zap.GSSAPI, ""),
		request("", zap.GSSAPI, "alice@EXAMPLE\r\n"+marker),
		request("", "X-UNKNOWN"),
		request("", "X-UNKNOWN", marker, "", string(bytes)),
		request("", "curve", key('k')),
		request("", " ", ""),
	}
	for i, req := range requests {
		req.Address = fmt.Sprintf("198.51.100.%d", i+1)
		req.RoutingID = bytes[:i]
	}
	for i, address := range []string{"", long, "localhost:1000:1000:4711", "2001:db8::1%eth0", "999.999.999.999", "192.0.2.1:80"} {
		req := request("", zap.Curve, key(byte('a'+i)))
		req.Address = address
		requests = append(requests, req)
	}
	return requests
}

// alone asks requests one at a time, at once if the handler can, and then by Handle, too.
func (t *tester) alone() bool {
	t.Helper()
	_, isPrompt := t.handler.(zap.PromptHandler)
	for i := range t.questions {
		q := &t.questions[i]
		ok := false
		if q.first, ok = t.ask(t.handler, q.req); !ok {
			return false
		}
		if !isPrompt {
			continue
		}
		if later, ok := t.ask(zap.HandlerFunc(t.handler.Handle), q.req); !ok || !t.same(*q, later, "Handle") {
			return false
		}
	}
	return true
}

// together asks many requests at a time.
func (t *tester) together() bool {
	t.Helper()
	var asking sync.WaitGroup
	var failed atomic.Bool
	for i := range parallel {
		asking.Go(func() {
			for n := range t.questions {
				q := t.questions[(i+n)%len(t.questions)]
				reply, ok := t.ask(t.handler, q.req)
				ok = ok && t.same(q, reply, "many at a time")
				if !ok {
					failed.Store(true)
					return
				}
			}
		})
	}
	asking.Wait()
	return !failed.Load()
}

// reused asks at once about requests in the same memory, one after the other.
func (t *tester) reused() bool {
	t.Helper()
	prompt, isPrompt := t.handler.(zap.PromptHandler)
	if !isPrompt {
		return true
	}
	req := &zap.Request{}
	buffers := make([][]byte, 16)
	for range 2 {
		for _, q := range t.questions {
			*req = *q.req
			req.Credentials = nil
			for i, credential := range q.req.Credentials {
				buffers[i] = append(buffers[i][:0], credential...)
				req.Credentials = append(req.Credentials, buffers[i])
			}
			type answer struct {
				reply zap.Reply
				ok    bool
				err   error
			}
			got, returned := within(func() (a answer) { a.reply, a.ok, a.err = zap.AskAtOnce(prompt, req); return a })
			if !returned {
				t.Errorf("%v: HandleAtOnce does not return", q.req)
				return false
			}
			if got.ok && !(t.fault(q.req, got.reply, got.err) && t.same(q, got.reply, "HandleAtOnce with memory of an earlier request")) {
				return false
			}
		}
	}
	return true
}

// ended asks with a context that ends, before and while the handler decides.
func (t *tester) ended() bool {
	t.Helper()
	for _, before := range []bool{true, false} {
		for _, q := range t.questions {
			ctx, cancel := context.WithCancel(t.context)
			if before {
				cancel()
			}
			done := make(chan bool)
			go func() {
				_, returned := within(func() zap.Reply { return t.handler.Handle(ctx, clone(q.req)) })
				done <- returned
			}()
			cancel()
			if !<-done {
				t.Errorf("%v: Handle does not return although its context is done", q.req)
				return false
			}
		}
	}
	return true
}

// within calls f and reports whether it returned in time.
func within[T any](f func() T) (result T, returned bool) {
	results := make(chan T, 1)
	go func() { results <- f() }()
	select {
	case result = <-results:
		return result, true
	case <-time.After(patience):
		return result, false
	}
}

// ask asks the handler and checks the reply on its own.
func (t *tester) ask(h zap.Handler, req *zap.Request) (zap.Reply, bool) {
	t.Helper()
	type answer struct {
		reply zap.Reply
		err   error
	}
	got, returned := within(func() (a answer) { a.reply, a.err = zap.Ask(t.context, h, clone(req)); return a })
	if !returned {
		t.Errorf("%v: the handler does not return", req)
		return zap.Reply{}, false
	}
	return got.reply, t.fault(req, got.reply, got.err)
}

// fault describes what is wrong with a reply on its own.
func (t *tester) fault(req *zap.Request, reply zap.Reply, err error) bool {
	t.Helper()
	if err != nil {
		t.Errorf("the handler failed: %v", err)
		return false
	}
	if login, password, ok := req.PlainLogin(); ok && len(password) > 3 &&
		!strings.Contains(login, string(password)) && strings.Contains(fmt.Sprint(reply), string(password)) {
		t.Errorf("%v: the reply contains the password", req)
		return false
	}
	return true
}

// same reports whether a reply is compatible with the first one to the same request.
func (t *tester) same(q question, reply zap.Reply, when string) bool {
	t.Helper()
	switch {
	case reply.Status == zap.StatusTryLater || q.first.Status == zap.StatusTryLater:
		return true
	case (reply.Status == zap.StatusOK) != (q.first.Status == zap.StatusOK):
		t.Errorf("%v: %s: got status %d, but %d at first", q.req, when, reply.Status, q.first.Status)
		return false
	case reply.UserID != q.first.UserID || !reflect.DeepEqual(reply.Metadata, q.first.Metadata):
		t.Errorf("%v: %s: got the user %q %v, but %q %v at first", q.req, when,
			reply.UserID, reply.Metadata, q.first.UserID, q.first.Metadata)
		return false
	}
	return true
}
