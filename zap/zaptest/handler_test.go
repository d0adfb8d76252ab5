package zaptest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// recorder is a test whose failures are expected.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// byHandle is a handler made from its two methods.
type byHandle struct {
	atOnce func(*zap.Request) (zap.Reply, bool)
	handle func(context.Context, *zap.Request) zap.Reply
}

func (h byHandle) HandleAtOnce(req *zap.Request) (zap.Reply, bool) { return h.atOnce(req) }
func (h byHandle) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	return h.handle(ctx, req)
}

// decide is a good handler: it admits alice and bob.
func decide(_ context.Context, req *zap.Request) zap.Reply {
	if login, password, ok := req.PlainLogin(); ok && string(password) == "password of "+login && (login == "alice" || login == "bob") {
		return zap.Allow(login)
	}
	return zap.Refuse("unknown user")
}

func decideAtOnce(req *zap.Request) (zap.Reply, bool) { return decide(context.Background(), req), true }

// TestTestHandler: each fault of a handler fails the test, and a good handler passes.
func TestTestHandler(t *testing.T) {
	released := make(chan struct{})
	usual := patience
	t.Cleanup(func() { close(released); patience = usual })

	const blocks = "does not return"
	byFunc := func(f func(req *zap.Request) zap.Reply) zap.Handler {
		return zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply { return f(req) })
	}
	isAlice := func(req *zap.Request) bool { login, _, _ := req.PlainLogin(); return login == "alice" }
	for name, tt := range map[string]struct {
		h    zap.Handler
		want string // part of the failure; "" if there is none
	}{
		"good":            {zap.HandlerFunc(decide), ""},
		"good and prompt": {byHandle{decideAtOnce, decide}, ""},
		"good, prompt at times": {byHandle{func(req *zap.Request) (zap.Reply, bool) {
			return decide(context.Background(), req), isAlice(req)
		}, decide}, ""},
		"try later":  {byFunc(func(*zap.Request) zap.Reply { return zap.Reply{Status: zap.StatusTryLater} }), ""},
		"no handler": {nil, "the handler panicked"},
		"panics":     {byFunc(func(req *zap.Request) zap.Reply { return zap.Allow(string(req.Credentials[0])) }), "the handler panicked: runtime error: index out of range"},
		"Goexit":     {byFunc(func(*zap.Request) zap.Reply { runtime.Goexit(); return zap.Reply{} }), "ended its goroutine"},
		"no status":  {byFunc(func(*zap.Request) zap.Reply { return zap.Reply{} }), "status 0"},
		"user id": {byFunc(func(req *zap.Request) zap.Reply { name, _, _ := req.PlainLogin(); return zap.Allow(name) }),
			"user id is not at most 255 bytes of printable ASCII"},
		"metadata": {byFunc(func(*zap.Request) zap.Reply {
			return zap.Reply{Status: zap.StatusOK, Metadata: zap.Metadata{{Name: "User-Id", Value: "root"}}}
		}), "reserved"},
		"password": {byFunc(func(req *zap.Request) zap.Reply {
			reply := decide(context.Background(), req)
			if _, password, ok := req.PlainLogin(); ok && reply.Status != zap.StatusOK && len(password) < 100 {
				reply.Rule = "password " + string(password)
			}
			return reply
		}), "the reply contains the password"},
		"blocks": {byFunc(func(req *zap.Request) zap.Reply { <-released; return zap.Refuse("late") }), blocks},
		"blocks at once": {byHandle{func(*zap.Request) (zap.Reply, bool) { <-released; return zap.Reply{}, false }, decide},
			blocks},
		"ignores the end": {zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
			if ctx.Err() != nil {
				<-released
			}
			return decide(ctx, req)
		}), blocks},
		"admits at once": {byHandle{func(*zap.Request) (zap.Reply, bool) { return zap.Allow("anyone"), true }, decide},
			"Handle: got status 400, but 200 at first"},
		"admits late": {byHandle{func(*zap.Request) (zap.Reply, bool) { return zap.Refuse("nobody"), true },
			func(context.Context, *zap.Request) zap.Reply { return zap.Allow("anyone") }}, "Handle: got status 200, but 400 at first"},
		"other metadata": {byHandle{func(*zap.Request) (zap.Reply, bool) { return zap.Allow("anyone"), true },
			func(context.Context, *zap.Request) zap.Reply {
				return zap.Reply{Status: zap.StatusOK, UserID: "anyone", Metadata: zap.Metadata{{Name: "group", Value: "admins"}}}
			}}, "but \"anyone\" [] at first"},
		"retains requests": {retaining(), "HandleAtOnce with memory of an earlier request: got"},
		"good keeper":      {keeping(func(func(zap.Reply)) func() { return func() {} }), ""},
		"keeps nothing":    {keeping(func(func(zap.Reply)) func() { return nil }), "Keep returned no function"},
		"panics in Keep":   {keeping(func(func(zap.Reply)) func() { panic("out of luck") }), "Keep panicked: out of luck"},
		"ends what holds": {keeping(func(end func(zap.Reply)) func() { end(zap.Refuse("nobody stays")); return func() {} }),
			"end is called with 400 \"nobody stays\" although nothing has changed"},
		"blocks in Keep":    {keeping(func(func(zap.Reply)) func() { <-released; return nil }), "Keep " + blocks},
		"blocks in release": {keeping(func(func(zap.Reply)) func() { return func() { <-released } }), "release " + blocks},
		"mixes up clients":  {mixing(), "many at a time: got the user"},
	} {
		patience = usual
		if strings.HasSuffix(tt.want, blocks) {
			patience = 100 * time.Millisecond
		}
		got := failuresOf(t, tt.h)
		// On a busy machine, everything else can take as long, too.
		for strings.HasSuffix(tt.want, blocks) && !strings.Contains(got, tt.want) && patience < usual {
			patience *= 4
			got = failuresOf(t, tt.h)
		}
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: expected %q, got:\n%.1000s", name, tt.want, got)
		}
	}
}

// failuresOf returns how TestHandler fails for a handler.
func failuresOf(t *testing.T, h zap.Handler) string {
	t.Helper()
	r := &recorder{TB: t}
	TestHandler(r, h, Plain("", "alice", "password of alice"), Plain("", "bob", "password of bob"))
	return strings.Join(r.failures, "\n")
}

// keeper is a good handler whose Keep is keep.
type keeper struct {
	zap.Handler
	keep func(end func(zap.Reply)) (release func())
}

func (k keeper) Keep(_ *zap.Request, _ zap.Reply, end func(zap.Reply)) func() { return k.keep(end) }

func keeping(keep func(end func(zap.Reply)) (release func())) zap.Handler {
	return keeper{zap.HandlerFunc(decide), keep}
}

// retaining returns a handler that remembers decisions by the address of the password in memory.
func retaining() zap.Handler {
	var mu sync.Mutex
	known := map[*byte]zap.Reply{}
	return byHandle{func(req *zap.Request) (zap.Reply, bool) {
		_, password, ok := req.PlainLogin()
		if !ok || len(password) == 0 {
			return decideAtOnce(req)
		}
		mu.Lock()
		defer mu.Unlock()
		reply, isKnown := known[&password[0]]
		if !isKnown {
			reply, _ = decideAtOnce(req)
			known[&password[0]] = reply
		}
		return reply, true
	}, decide}
}

// mixing returns a handler that confuses two clients who are admitted at the same time. It
// answers the first request of each, which comes alone, and then makes one client wait until
// the other asks, too.
func mixing() zap.Handler {
	var mu sync.Mutex
	known := map[string]bool{}
	var waiting string
	var other chan string // receives the client to confuse with the one that waits
	return zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
		reply := decide(ctx, req)
		if reply.Status != zap.StatusOK {
			return reply
		}
		mu.Lock()
		defer mu.Unlock()
		switch user := reply.UserID; {
		case !known[user]:
			known[user] = true
		case other == nil:
			waiting, other = user, make(chan string, 1)
			mu.Unlock()
			select {
			case user = <-other:
			case <-ctx.Done():
			}
			mu.Lock()
			return zap.Allow(user)
		case waiting != "" && waiting != user:
			other <- user
			reply = zap.Allow(waiting)
			waiting = ""
		}
		return reply
	})
}
