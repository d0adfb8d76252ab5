package libzmq_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/zmqtest"
	"github.com/zcurve/zcurve/sockets/libzmq"
	"github.com/zcurve/zcurve/zap"
)

// maxInFlight is the number of slow decisions that can be in progress, as in the package.
const maxInFlight = 1024

// byDomain admits every client, with the domain as the user id.
var byDomain = zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
	return zap.Allow(req.Domain)
})

// asker returns a socket that is connected to the handler, like libzmq's own.
func asker(t testing.TB, zctx *zmq4.Context, kind zmq4.Type) *zmq4.Socket {
	t.Helper()
	sock := zmqtest.NewSocket(t, zctx, kind)
	ztest.Must(t, sock.SetSndhwm(0), sock.SetRcvhwm(0), sock.Connect(libzmq.Endpoint))
	return sock
}

// ask sends a NULL request with an id and a domain.
func ask(t testing.TB, sock *zmq4.Socket, id, domain string) {
	t.Helper()
	if _, err := sock.SendMessage("", "1.0", id, domain, "192.0.2.1", "", "NULL"); err != nil {
		t.Fatal(err)
	}
}

// answer receives a reply.
func answer(t testing.TB, sock *zmq4.Socket) (id string, reply zap.Reply) {
	t.Helper()
	frames, err := sock.RecvMessageBytes(0)
	ztest.Must(t, err)
	requestID, reply, err := zap.ParseReply(frames)
	if err != nil {
		t.Fatalf("%q: %v", frames, err)
	}
	return string(requestID), reply
}

// TestEnvelopes: REQ and DEALER sockets, even behind proxies, get their own envelopes
// back.
func TestEnvelopes(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	zmqtest.Start(t, zctx, byDomain, nil)
	req := asker(t, zctx, zmq4.REQ)
	if _, err := req.SendMessage("1.0", "7", "payments", "192.0.2.1", "", "NULL"); err != nil {
		t.Fatal(err)
	}
	if got, err := req.RecvMessage(0); err != nil || !slices.Equal(got, []string{"1.0", "7", "200", "OK", "payments", ""}) {
		t.Errorf("REQ: got %q, %v", got, err)
	}
	dealer, another := asker(t, zctx, zmq4.DEALER), asker(t, zctx, zmq4.DEALER)
	for i, ids := range [][]string{nil, {"\x00abcd"}, {"a", "bb", "ccc"}} {
		domain := fmt.Sprint("domain-", i)
		if _, err := dealer.SendMessage(ids, "", "1.0", "1", domain, "192.0.2.1", "", "NULL"); err != nil {
			t.Fatal(err)
		}
		ask(t, another, "1", "another")
		got, err := dealer.RecvMessage(0)
		if want := append(ids, "", "1.0", "1", "200", "OK", domain, ""); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		if _, reply := answer(t, another); reply.UserID != "another" {
			t.Errorf("another got %+v", reply)
		}
	}
}

// TestMalformed: a malformed request gets status 500, or is dropped if it has no return
// address. Each one is logged or counted, and later requests are answered.
func TestMalformed(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	var log ztest.Log
	stop := zmqtest.Start(t, zctx, byDomain, log.Logger())
	dealer := asker(t, zctx, zmq4.DEALER)
	long := strings.Repeat("x", 256)
	malformed := 0
	for i, tt := range []struct {
		frames []string
		answer bool
	}{
		{[]string{""}, false},
		{[]string{"x"}, false},
		{[]string{"", "1.0"}, false},
		{[]string{"1.0", "1", "payments", "192.0.2.1", "id", "NULL"}, false},
		{[]string{"", "1.0", long, "payments", "192.0.2.1", "", "NULL"}, false},
		{slices.Repeat([]string{"x"}, 1000), false},
		{[]string{"", "1.0", "1"}, true},
		{[]string{"", "", ""}, true},
		{[]string{"", "2.0", "1", "payments", "192.0.2.1", "", "NULL"}, true},
		{[]string{"", "1.0", "1", long, "192.0.2.1", "", "NULL"}, true},
		{[]string{"", "1.0", "1", "payments", "192.0.2.1", "", ""}, true},
		{[]string{"", "1.0", "1", "payments", "192.0.2.1", "", "PLAIN", "alice"}, true},
		{[]string{"", "1.0", "1", "payments", "192.0.2.1", "", "CURVE", "short"}, true},
		{[]string{"", "1.0", "1", "payments", "192.0.2.1", "", "CURVE"}, true},
		{append([]string{"", "1.0", "1", "payments", "192.0.2.1", "", "X"}, slices.Repeat([]string{"x"}, 1000)...), true},
		{[]string{"", "1.0", "1", "payments", "192.0.2.1", "", "X", strings.Repeat("x", 1<<20)}, true},
	} {
		if _, err := dealer.SendMessage(tt.frames); err != nil {
			t.Fatal(err)
		}
		malformed++
		if tt.answer {
			if got, reply := answer(t, dealer); reply.Status != zap.StatusError || got != tt.frames[2] {
				t.Errorf("%.50q: got %+v for %q", tt.frames, reply, got)
			}
		}
		domain := fmt.Sprint("good-", i)
		ask(t, dealer, "2", domain)
		if got, reply := answer(t, dealer); reply.UserID != domain || got != "2" {
			t.Errorf("after %.50q: got %+v for %q", tt.frames, reply, got)
		}
	}
	stop()
	logged := log.Count(`msg="malformed ZAP request" `)
	counted := 0
	for _, m := range regexp.MustCompile(`msg="malformed ZAP request again" count=(\d+)`).FindAllStringSubmatch(log.String(), -1) {
		n, err := strconv.Atoi(m[1])
		ztest.Must(t, err)
		counted += n
	}
	if logged+counted != malformed || counted == 0 {
		t.Errorf("%d logged and %d counted are not %d:\n%s", logged, counted, malformed, &log)
	}
	if len(log.String()) > malformed*300 {
		t.Errorf("log of %d bytes:\n%.1000s", len(log.String()), &log)
	}
}

// held is a handler that does not decide about the domain "slow" until it is released.
type held struct {
	release chan struct{}
	entered chan struct{} // receives a value for each slow request
}

func newHeld() *held {
	return &held{make(chan struct{}), make(chan struct{}, 2*maxInFlight)}
}

func (h *held) Handle(ctx context.Context, req *zap.Request) zap.Reply {
	if req.Domain == "slow" {
		h.entered <- struct{}{}
		select {
		case <-h.release:
		case <-ctx.Done():
			return zap.Reply{Status: zap.StatusError, Text: "no time"}
		}
	}
	return byDomain(ctx, req)
}

// TestSlow: a slow decision does not delay others.
func TestSlow(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	h := newHeld()
	zmqtest.Start(t, zctx, h, nil)
	dealer := asker(t, zctx, zmq4.DEALER)
	ask(t, dealer, "0", "slow")
	ztest.Receive(t, "the handler is asked", h.entered)
	for i := range 200 {
		id := fmt.Sprint("fast-", i)
		ask(t, dealer, id, id)
		if got, reply := answer(t, dealer); got != id || reply.UserID != id {
			t.Fatalf("%s got the answer to %s: %+v", id, got, reply)
		}
	}
	close(h.release)
	if got, reply := answer(t, dealer); got != "0" || reply.UserID != "slow" {
		t.Errorf("got the answer to %s: %+v", got, reply)
	}
}

// TestTooMany: while the maximum of decisions is in progress, other requests get status
// 300 at once, which is logged once and then counted. No waiting request is lost.
func TestTooMany(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	h := newHeld()
	var log ztest.Log
	stop := zmqtest.Start(t, zctx, h, log.Logger())
	dealer := asker(t, zctx, zmq4.DEALER)
	for i := range maxInFlight {
		ask(t, dealer, fmt.Sprint(i), "slow")
	}
	for range maxInFlight {
		ztest.Receive(t, "the handler is asked", h.entered)
	}
	if log.String() != "" {
		t.Errorf("log:\n%s", &log)
	}
	for i := range 3 {
		id := fmt.Sprint("beyond-", i)
		ask(t, dealer, id, "payments")
		if got, reply := answer(t, dealer); got != id || reply.Status != zap.StatusTryLater {
			t.Errorf("%s got the answer to %s: %+v", id, got, reply)
		}
	}
	if n := log.Count("level=WARN", "too many ZAP requests"); n != 1 {
		t.Errorf("%d lines:\n%s", n, &log)
	}
	close(h.release)
	answered := map[string]bool{}
	for range maxInFlight {
		got, reply := answer(t, dealer)
		if reply.UserID != "slow" || answered[got] {
			t.Errorf("%s got %+v", got, reply)
		}
		answered[got] = true
	}
	ask(t, dealer, "next", "payments")
	if got, reply := answer(t, dealer); got != "next" || reply.Status != zap.StatusOK {
		t.Errorf("%s got %+v", got, reply)
	}
	stop()
	if log.Count(`msg="too many ZAP requests in progress: clients told to try later again"`, "count=2") != 1 {
		t.Errorf("log:\n%s", &log)
	}
}

// TestSlotsComeBack: when a decision ends, in whatever way, another one can begin.
func TestSlotsComeBack(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	zmqtest.Start(t, zctx, zap.HandlerFunc(func(ctx context.Context, req *zap.Request) zap.Reply {
		if req.Domain == "panic" {
			panic("on purpose")
		}
		return byDomain(ctx, req)
	}), nil)
	dealer := asker(t, zctx, zmq4.DEALER)
	for i := range 2 * maxInFlight {
		ask(t, dealer, fmt.Sprint(i), "panic")
		if _, reply := answer(t, dealer); reply.Status != zap.StatusError {
			t.Fatalf("%d: %+v", i, reply)
		}
	}
	ask(t, dealer, "last", "payments")
	if _, reply := answer(t, dealer); reply.Status != zap.StatusOK {
		t.Errorf("got %+v", reply)
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	stop := zmqtest.Start(t, zctx, byDomain, nil)
	for range 3 {
		a, err := libzmq.Start(zctx, byDomain, nil)
		if !errors.Is(err, libzmq.ErrInUse) || a != nil {
			t.Fatalf("got %v, %v, want %v", a, err, libzmq.ErrInUse)
		}
	}
	// The first authenticator still answers.
	dealer := asker(t, zctx, zmq4.DEALER)
	ask(t, dealer, "1", "payments")
	if _, reply := answer(t, dealer); reply.UserID != "payments" {
		t.Errorf("got %+v", reply)
	}
	stop()
	zmqtest.Start(t, zctx, byDomain, nil)
}

// TestEndedContext: Start returns an error for a context that has been terminated.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	zctx := zmqtest.NewContext(t)
	zmqtest.Term(t, zctx)
	if _, err := libzmq.Start(zctx, byDomain, nil); !errors.Is(err, zmq4.ErrorContextClosed) {
		t.Errorf("got %v, want %v", err, zmq4.ErrorContextClosed)
	}
}

// TestDefaultContext: a nil context means the default context, which zmq4.NewSocket uses.
func TestDefaultContext(t *testing.T) {
	t.Parallel()
	zmqtest.Start(t, nil, byDomain, nil)
	sock, err := zmq4.NewSocket(zmq4.DEALER)
	ztest.Must(t, err)
	defer sock.Close()
	ztest.Must(t, sock.SetLinger(0), sock.SetRcvtimeo(ztest.Patience), sock.Connect(libzmq.Endpoint))
	ask(t, sock, "1", "payments")
	if _, reply := answer(t, sock); reply.UserID != "payments" {
		t.Errorf("got %+v", reply)
	}
}
