package zap_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// prompt is a handler that decides at once.
type prompt func(req *zap.Request) zap.Reply

func (p prompt) Handle(context.Context, *zap.Request) zap.Reply  { panic("not at once") }
func (p prompt) HandleAtOnce(req *zap.Request) (zap.Reply, bool) { return p(req), true }

// never is a PromptHandler that never decides at once.
type never struct{ zap.HandlerFunc }

func (never) HandleAtOnce(*zap.Request) (zap.Reply, bool) { return zap.Reply{UserID: "nobody"}, false }

// kinds are the ways to make a handler from a function.
func kinds(f func(req *zap.Request) zap.Reply) map[string]zap.Handler {
	slow := zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply { return f(req) })
	return map[string]zap.Handler{"slow": slow, "prompt": prompt(f), "not prompt": never{slow}}
}

var null = &zap.Request{Domain: "payments", Address: "192.0.2.1", Mechanism: zap.Null}

// TestAsk: Ask returns the handler's reply if it is valid. Otherwise it returns status 500,
// and an error with the request and the reason.
func TestAsk(t *testing.T) {
	t.Parallel()
	ok := zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: "alice", Rule: "policy:1", Identity: "alice",
		Metadata: zap.Metadata{{Name: "group", Value: "traders"}}}
	with := func(change func(*zap.Reply)) func(*zap.Request) zap.Reply {
		reply := ok
		change(&reply)
		return func(*zap.Request) zap.Reply { return reply }
	}
	failed := zap.Reply{Status: zap.StatusError, Text: "internal error", Rule: "policy:1", Identity: "alice"}
	named := func(name string) func(*zap.Request) zap.Reply {
		return with(func(r *zap.Reply) { r.Metadata = zap.Metadata{{Name: name}} })
	}
	for name, tt := range map[string]struct {
		decide func(*zap.Request) zap.Reply
		want   zap.Reply
		err    string
	}{
		"granted": {with(func(*zap.Reply) {}), ok, ""},
		"refused": {with(func(r *zap.Reply) { r.Status = zap.StatusRefused }),
			zap.Reply{Status: zap.StatusRefused, Text: "OK", Rule: "policy:1", Identity: "alice"}, ""},
		"panics":                {func(*zap.Request) zap.Reply { panic("out of luck") }, zap.Reply{Status: zap.StatusError, Text: "internal error"}, "the handler panicked: out of luck\ngoroutine "},
		"panics with nil":       {func(*zap.Request) zap.Reply { panic(nil) }, zap.Reply{Status: zap.StatusError, Text: "internal error"}, "the handler panicked: panic called with nil"},
		"no status":             {with(func(r *zap.Reply) { r.Status = 0 }), failed, "status 0"},
		"status 201":            {with(func(r *zap.Reply) { r.Status = 201 }), failed, "status 201"},
		"line break":            {with(func(r *zap.Reply) { r.Text = "a\nb" }), failed, "text is not"},
		"user id":               {with(func(r *zap.Reply) { r.UserID = "a\r\nb" }), failed, "user id is not"},
		"metadata twice":        {with(func(r *zap.Reply) { r.Metadata = zap.Metadata{{Name: "a"}, {Name: "A"}} }), failed, "A appears twice"},
		"metadata User-Id":      {named("User-Id"), failed, "metadata named User-Id, which is reserved"},
		"metadata user-id":      {named("user-id"), failed, "metadata named user-id, which is reserved"},
		"metadata Peer-Address": {named("Peer-Address"), failed, "metadata named Peer-Address"},
		"metadata Socket-Type":  {named("Socket-Type"), failed, "metadata named Socket-Type"},
		"metadata Identity":     {named("Identity"), failed, "metadata named Identity"},
		"metadata Routing-Id":   {named("Routing-Id"), failed, "metadata named Routing-Id"},
		"metadata Resource":     {named("Resource"), failed, "metadata named Resource"},
	} {
		for kind, h := range kinds(tt.decide) {
			for way, ctx := range map[string]context.Context{"can end": ztest.Context(t), "endless": context.Background()} {
				got, err := zap.Ask(ctx, h, null)
				if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s, %s, %s (-want +got):\n%s", name, kind, way, diff)
				}
				if (err == nil) != (tt.err == "") || err != nil && (!strings.Contains(err.Error(), tt.err) || !strings.HasPrefix(err.Error(), `zap: NULL from "192.0.2.1" in domain "payments": `)) {
					t.Errorf("%s, %s, %s: got %v", name, kind, way, err)
				}
			}
		}
		got, decided, _ := zap.AskAtOnce(prompt(tt.decide), null)
		if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" || !decided {
			t.Errorf("%s, at once: %v (-want +got):\n%s", name, decided, diff)
		}
	}
	if got, decided, err := zap.AskAtOnce(never{}, null); decided || err != nil || got.UserID != "" {
		t.Errorf("decided at once: %+v, %v, %v", got, decided, err)
	}
	if got, err := zap.Ask(t.Context(), nil, null); got.Status != zap.StatusError || err == nil {
		t.Errorf("no handler: %+v, %v", got, err)
	}
}

// TestAskMalformed: a request that breaks RFC 27 does not reach the handler.
func TestAskMalformed(t *testing.T) {
	t.Parallel()
	plain := func(credentials ...string) zap.Request {
		return zap.Request{Mechanism: zap.Plain, Credentials: frames(credentials...)}
	}
	for name, req := range map[string]zap.Request{
		"nothing":           {},
		"domain":            {Domain: "größer", Mechanism: zap.Null},
		"long domain":       {Domain: long, Mechanism: zap.Null},
		"address":           {Address: "192.0.2.1\n", Mechanism: zap.Null},
		"long address":      {Address: long, Mechanism: zap.Null},
		"long routing id":   {RoutingID: []byte(long), Mechanism: zap.Null},
		"mechanism":         {Mechanism: "CURVE\x00", Credentials: frames(key)},
		"NULL with a key":   {Mechanism: zap.Null, Credentials: frames(key)},
		"short key":         {Mechanism: zap.Curve, Credentials: frames(key[1:])},
		"two keys":          {Mechanism: zap.Curve, Credentials: frames(key, key)},
		"no password":       plain("alice"),
		"three credentials": plain("alice", "secret", "secret"),
		"long password":     plain("alice", strings.Repeat("s", 1025)),
	} {
		for kind, h := range kinds(func(*zap.Request) zap.Reply {
			t.Errorf("%s: the handler is asked", name)
			return zap.Reply{Status: zap.StatusOK}
		}) {
			got, err := zap.Ask(t.Context(), h, &req)
			if !errors.Is(err, zap.ErrRequest) || got.Status != zap.StatusError || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s, %s: got %+v, %v", name, kind, got, err)
			}
			if got, ok, err := zap.AskAtOnce(h, &req); !ok || !errors.Is(err, zap.ErrRequest) || got.Status != zap.StatusError {
				t.Errorf("%s, %s, at once: got %+v, %v, %v", name, kind, got, ok, err)
			}
		}
	}
}

// TestAskReturnsInTime: Ask returns when ctx is done, whatever the handler does. If ctx
// is done before that, the handler is not asked.
func TestAskReturnsInTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	release, left := make(chan struct{}), make(chan struct{})
	defer func() {
		close(release)
		ztest.Receive(t, "the handler returns", left)
	}()
	deaf := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		defer close(left)
		cancel(errors.New("the client has left"))
		<-release
		return zap.Allow("alice")
	})
	for _, when := range []string{"while", "before"} {
		got, err := zap.Ask(ctx, deaf, null)
		if got.Status != zap.StatusTryLater || got.UserID != "" || err == nil || !strings.Contains(err.Error(), "the client has left") {
			t.Errorf("%s it is asked: got %+v, %v", when, got, err)
		}
	}
	// Nor does it return a decision made after ctx is done.
	ending, cancel2 := context.WithCancel(t.Context())
	got, err := zap.Ask(ending, zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		cancel2()
		return zap.Allow("alice")
	}), null)
	if got.Status != zap.StatusTryLater || !errors.Is(err, context.Canceled) {
		t.Errorf("at the end: got %+v, %v", got, err)
	}
}

// TestAskGoexit: Ask returns if the handler ends its goroutine.
func TestAskGoexit(t *testing.T) {
	t.Parallel()
	got, err := zap.Ask(ztest.Context(t), zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		runtime.Goexit()
		return zap.Reply{Status: zap.StatusOK}
	}), null)
	if got.Status != zap.StatusError || err == nil || !strings.Contains(err.Error(), "ended its goroutine") {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestAnswer: Answer takes the frames of a request and returns the frames of the reply.
// The handler sees the asker.
func TestAnswer(t *testing.T) {
	t.Parallel()
	greet := func(req *zap.Request) zap.Reply {
		return zap.Reply{Status: zap.StatusOK, Text: req.Domain, UserID: req.Asker}
	}
	good := slices.Concat(frames("a", "b"), request("CURVE", key))
	want := frames("a", "b", "", "1.0", "1", "200", "payments", "billing", "")
	malformed := frames("", "1.0", "1", "500", "malformed request", "", "")
	for kind, h := range kinds(greet) {
		got, err := zap.Answer(ztest.Context(t), h, "billing", good)
		if diff := diffFrames(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", kind, err, diff)
		}
		got, err = zap.Answer(ztest.Context(t), h, "billing", request("CURVE", "short"))
		if diff := diffFrames(malformed, got); diff != "" || !errors.Is(err, zap.ErrRequest) {
			t.Errorf("%s, malformed: %v (-want +got):\n%s", kind, err, diff)
		}
		if got, err := zap.Answer(ztest.Context(t), h, "billing", frames("x")); got != nil || !errors.Is(err, zap.ErrRequest) {
			t.Errorf("%s, no return address: %q, %v", kind, got, err)
		}
		got, later, err := zap.AnswerAtOnce(h, "billing", request("CURVE", "short"))
		if diff := diffFrames(malformed, got); diff != "" || later != nil || !errors.Is(err, zap.ErrRequest) {
			t.Errorf("%s, malformed, at once: %v (-want +got):\n%s", kind, err, diff)
		}
		if got, later, err := zap.AnswerAtOnce(h, "billing", frames("x")); got != nil || later != nil || !errors.Is(err, zap.ErrRequest) {
			t.Errorf("%s, no return address, at once: %q, %v", kind, got, err)
		}
		again := split(join(good))
		got, later, err = zap.AnswerAtOnce(h, "billing", again)
		if (later == nil) != (kind == "prompt") || err != nil {
			t.Fatalf("%s, at once: %q, %v", kind, got, err)
		}
		if later != nil {
			if got != nil {
				t.Errorf("%s: a reply at once, and another one later", kind)
			}
			for _, frame := range again {
				clear(frame) // the next request overwrites it
			}
			got, err = later(ztest.Context(t), h)
		}
		if diff := diffFrames(want, got); diff != "" || err != nil {
			t.Errorf("%s, at once or later: %v (-want +got):\n%s", kind, err, diff)
		}
	}
}

// counter is a handler that decides nothing at once and counts its calls.
type counter struct{ atOnce, calls int }

func (c *counter) HandleAtOnce(*zap.Request) (zap.Reply, bool) { c.atOnce++; return zap.Reply{}, false }
func (c *counter) Handle(context.Context, *zap.Request) zap.Reply {
	c.calls++
	return zap.Allow("alice")
}

// TestAnswerAsksOnce: AnswerAtOnce calls HandleAtOnce once, and the function it returns
// calls Handle once. That function gets no frames, so the request is parsed once.
func TestAnswerAsksOnce(t *testing.T) {
	t.Parallel()
	h := &counter{}
	_, later, err := zap.AnswerAtOnce(h, "", request("CURVE", key))
	if later == nil || err != nil {
		t.Fatalf("decided at once: %v", err)
	}
	if _, err := later(ztest.Context(t), h); err != nil || h.atOnce != 1 || h.calls != 1 {
		t.Errorf("asked %d times at once, and %d times: %v", h.atOnce, h.calls, err)
	}
	// Another handler can answer instead.
	_, later, err = zap.AnswerAtOnce(h, "", request("CURVE", key))
	ztest.Must(t, err)
	got, err := later(t.Context(), zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		if got, ok := req.CurveKey(); !ok || string(got[:]) != key {
			t.Errorf("the key is %x, %v", got, ok)
		}
		return zap.Reply{Status: zap.StatusTryLater, Text: "busy"}
	}))
	if diff := diffFrames(frames("", "1.0", "1", "300", "busy", "", ""), got); diff != "" || err != nil || h.calls != 1 {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// FuzzAnswer: for any frames and any reply of the handler, Answer returns a valid reply
// or none. The handler sees only well-formed requests.
func FuzzAnswer(f *testing.F) {
	for _, seed := range [][][]byte{
		request("NULL"),
		request("PLAIN", "alice", "secret"),
		request("CURVE", key[1:]),
		slices.Concat(frames("\x00abcd"), request("CURVE", key)),
		frames("", "2.0", "1", "payments", "192.0.2.1", "id", "NULL"),
		frames("", "1.0"),
	} {
		f.Add(join(seed), 200, "OK", "alice", "group", "traders")
	}
	f.Add(join(request("NULL")), 201, "OK", "alice", "group", "traders")
	f.Add(join(request("NULL")), 200, "a\nb", "Zoë", "User-Id", "root")
	f.Fuzz(func(t *testing.T, data []byte, status int, text, user, name, value string) {
		reply := zap.Reply{Status: zap.Status(status), Text: text, UserID: user, Metadata: zap.Metadata{{Name: name, Value: value}}}
		in := split(data)
		for kind, h := range kinds(func(req *zap.Request) zap.Reply {
			if _, err := zap.AppendRequest(nil, nil, req); err != nil {
				t.Errorf("the handler is asked although %v", err)
			}
			return reply
		}) {
			out, err := zap.Answer(context.Background(), h, "", in)
			if out == nil {
				if err == nil {
					t.Errorf("%s: no answer and no reason", kind)
				}
				continue
			}
			id, got, parseErr := zap.ParseReply(out)
			n := slices.IndexFunc(in, func(frame []byte) bool { return len(frame) == 0 })
			if parseErr != nil || !slices.EqualFunc(in[:n+1], out[:n+1], slices.Equal) || string(id) != string(in[n+2]) {
				t.Fatalf("%s: %q is answered %q: %v", kind, in, out, parseErr)
			}
			if err != nil && got.Status != zap.StatusError {
				t.Errorf("%s: %v, and yet %+v", kind, err, got)
			}
		}
	})
}

// TestAskAllocs: a decision at once allocates nothing.
func TestAskAllocs(t *testing.T) {
	ztest.Unraced(t)
	reply := zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: "alice",
		Metadata: zap.Metadata{{Name: "name", Value: "alice"}, {Name: "group", Value: "traders"}}}
	var h zap.Handler = prompt(func(*zap.Request) zap.Reply { return reply })
	req := &zap.Request{Domain: "payments", Address: "192.0.2.1", Mechanism: zap.Curve, Credentials: frames(key)}
	ctx := ztest.Context(t)
	for name, ask := range map[string]func(){
		"Ask":       func() { zap.Ask(ctx, h, req) },
		"AskAtOnce": func() { zap.AskAtOnce(h, req) },
	} {
		if n := testing.AllocsPerRun(100, ask); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
