package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/audit"
	"github.com/zcurve/zcurve/zap/zaptest"
)

func TestMain(m *testing.M) { ztest.Main(m) }

// always returns a handler with one reply for all requests.
func always(reply zap.Reply) zap.Handler {
	return zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return reply })
}

// byKey returns the request of a CURVE client.
func byKey(address string, n int) *zap.Request {
	var key [32]byte
	copy(key[:], fmt.Sprint(n))
	return &zap.Request{Address: address, Mechanism: zap.Curve, Credentials: [][]byte{key[:]}}
}

var (
	ok      = zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: "alice", Rule: "clients/alice.key", Identity: "alice"}
	refused = zap.Reply{Status: zap.StatusRefused, Text: "certificate revoked: laptop stolen", Rule: "policy:7", Identity: "alice"}
)

// TestRecord: the log and the audit log have the same fields: the asker, the client, its
// identity, the decision and the reason. Neither contains a password.
func TestRecord(t *testing.T) {
	t.Parallel()
	key := curve.GenerateKey().Public()
	proof := strings.Repeat("ClientKey", 4)[:32]
	request := func(mechanism string, credentials ...string) *zap.Request {
		req := &zap.Request{Asker: "192.0.2.7 (billing)", Domain: "payments", Address: "192.0.2.1", Mechanism: mechanism}
		for _, c := range credentials {
			req.Credentials = append(req.Credentials, []byte(c))
		}
		return req
	}
	common := func(mechanism string, more map[string]any) map[string]any {
		fields := map[string]any{"schema": 1.0, "asker": "192.0.2.7 (billing)", "domain": "payments", "address": "192.0.2.1", "mechanism": mechanism}
		for name, value := range more {
			fields[name] = value
		}
		return fields
	}
	yes := map[string]any{"status": 200.0, "identity": "alice", "user": "alice", "rule": "clients/alice.key"}
	no := map[string]any{"status": 400.0, "identity": "alice", "reason": "certificate revoked: laptop stolen", "rule": "policy:7"}
	for name, tt := range map[string]struct {
		req     *zap.Request
		subject map[string]any
	}{
		"NULL":   {request("NULL"), nil},
		"PLAIN":  {request("PLAIN", "alice", "hunter2"), map[string]any{"login": "alice"}},
		"CURVE":  {request("CURVE", string(key[:])), map[string]any{"key": key.String(), "fingerprint": key.Fingerprint()}},
		"GSSAPI": {request("GSSAPI", "alice@EXAMPLE"), map[string]any{"principal": "alice@EXAMPLE"}},
		"SCRAM":  {request("SCRAM-SHA-256", "alice", proof), map[string]any{"login": "alice"}},
		"SCRAM with a key": {request("SCRAM-SHA-256-PLUS", "alice", proof, string(key[:])),
			map[string]any{"login": "alice", "key": key.String(), "fingerprint": key.Fingerprint()}},
		"other": {request("X-TOKEN", "hunter2"), nil},
		"bad":   {request("PLAIN", "hunter2"), nil},
	} {
		for _, decision := range []struct {
			reply  zap.Reply
			fields map[string]any
			level  string
			msg    string
		}{
			{ok, yes, "INFO", "client admitted"},
			{refused, no, "WARN", "client refused"},
		} {
			if name == "bad" {
				decision.fields = map[string]any{"status": 500.0, "reason": "malformed request"}
				decision.level, decision.msg = "WARN", "client refused"
			}
			var out bytes.Buffer
			var log ztest.Log
			h := audit.New(always(decision.reply), audit.Options{Log: log.JSON(), Writer: &out})
			h.Handle(t.Context(), tt.req)
			ztest.Must(t, h.Close())
			want := common(tt.req.Mechanism, decision.fields)
			for name, value := range tt.subject {
				want[name] = value
			}
			for what, text := range map[string]string{"log": log.String(), "audit log": out.String()} {
				got := map[string]any{}
				ztest.Must(t, json.Unmarshal([]byte(text), &got))
				at, err := time.Parse(time.RFC3339Nano, got["time"].(string))
				if err != nil || time.Since(at) > time.Hour {
					t.Errorf("%s: the time is %v", name, got["time"])
				}
				delete(got, "time")
				if what == "log" {
					got["schema"] = 1.0
					if got["level"] != decision.level || got["msg"] != decision.msg {
						t.Errorf("%s: level %v, msg %v", name, got["level"], got["msg"])
					}
					delete(got, "level")
					delete(got, "msg")
					delete(got, "err")
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, %s (-want +got):\n%s", name, what, diff)
				}
				if strings.Contains(text, "hunter2") || strings.Contains(text, proof[:9]) {
					t.Errorf("%s, %s: a password or its proof in %s", name, what, text)
				}
			}
			if name == "CURVE" && !strings.Contains(out.String(), `"`+key.String()+`"`) {
				t.Errorf("searching for the key fails in %s", &out)
			}
		}
	}
}

// TestRepeats: a refusal that repeats is logged once a minute, with a count.
func TestRepeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log ztest.Log
		var out bytes.Buffer
		h := audit.New(always(refused), audit.Options{Log: log.Logger(), Writer: &out})
		ask := func(times int) {
			for range times {
				h.Handle(t.Context(), byKey("192.0.2.1", 1))
			}
		}
		lines := func(refused, again int, count string) {
			t.Helper()
			synctest.Wait()
			if log.Count(`msg="client refused" `) != refused || log.Count(`msg="client refused again"`) != again ||
				again > 0 && log.Count("count="+count+" ", "address=192.0.2.1", "key=", "reason=\"certificate revoked: laptop stolen\"", "rule=policy:7") != 1 {
				t.Fatalf("want %d refusals, %d repeated, the last of them %s times:\n%s", refused, again, count, &log)
			}
		}
		ask(20)
		lines(1, 0, "")
		time.Sleep(time.Minute)
		lines(1, 1, "19")
		ask(8)
		lines(2, 1, "19")
		ztest.Must(t, h.Close())
		lines(2, 2, "7")
		if n := strings.Count(out.String(), "\n"); n != 28 {
			t.Errorf("%d lines in the audit log, want 28", n)
		}
	})
}

// counts returns the sum of the counts in lines with a message.
func counts(t *testing.T, log *ztest.Log, message string) (n int) {
	for _, m := range regexp.MustCompile(`msg="`+message+`" count=(\d+)`).FindAllStringSubmatch(log.String(), -1) {
		count, err := strconv.Atoi(m[1])
		ztest.Must(t, err)
		n += count
	}
	return n
}

// TestFloodUnraced: many keys from one address, one /64, or the processes of one user do
// not flood the log. The log counts them, and shows clients of other addresses. The audit
// log has all of them.
func TestFloodUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	for name, tt := range map[string]struct {
		address func(n int) string
		network string
		reply   zap.Reply
		lines   int
	}{
		"IPv4":     {func(int) string { return "192.0.2.1" }, "192.0.2.1", refused, 20},
		"mapped":   {func(int) string { return "::ffff:192.0.2.1" }, "192.0.2.1", refused, 20},
		"IPv6":     {func(n int) string { return fmt.Sprintf("2001:db8:1:2::%x", n) }, "2001:db8:1:2::/64", refused, 20},
		"zones":    {func(n int) string { return fmt.Sprintf("fe80::1%%eth%d", n) }, "fe80::/64", refused, 20},
		"ipc":      {func(n int) string { return fmt.Sprintf("localhost:1000:1000:%d", n) }, "localhost:1000", refused, 20},
		"none":     {func(int) string { return "" }, "", refused, 20},
		"admitted": {func(int) string { return "192.0.2.1" }, "192.0.2.1", ok, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // in no time
				flood(t, tt.address, tt.network, tt.reply, tt.lines)
			})
		})
	}
}

// floods is the number of clients in a flood.
const floods = 20_000

func flood(t *testing.T, address func(n int) string, network string, reply zap.Reply, lines int) {
	var log ztest.Log
	var out bytes.Buffer
	h := audit.New(always(reply), audit.Options{Log: log.Logger(), Writer: &out})
	for n := range floods {
		h.Handle(context.Background(), byKey(address(n), n))
	}
	h.Handle(context.Background(), byKey("192.0.2.2", 0))
	message, more := "client refused", "more clients refused"
	if reply.Status == zap.StatusOK {
		message, more = "client admitted", "more clients admitted"
	}
	if n := log.Count(`msg="` + message + `"`); n != lines+1 {
		t.Errorf("%d lines, want %d", n, lines+1)
	}
	if log.Count("address=192.0.2.2") != 1 {
		t.Error("another address isn't logged")
	}
	ztest.Must(t, h.Close())
	if n := counts(t, &log, more); n != floods-lines || log.Count(more, "address="+network) != 1 {
		t.Errorf("%d are counted:\n%s", n, log.String()[max(0, len(log.String())-500):])
	}
	if n := strings.Count(out.String(), "\n"); n != floods+1 {
		t.Errorf("%d lines in the audit log", n)
	}
}

// TestFloodFromEverywhereUnraced: the log and its memory are bounded, however many
// addresses are refused, and every refusal is counted.
func TestFloodFromEverywhereUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	synctest.Test(t, func(t *testing.T) { // in no time
		const clients = 30_000
		var log ztest.Log
		h := audit.New(always(refused), audit.Options{Log: log.Logger()})
		for n := range clients {
			h.Handle(context.Background(), byKey(fmt.Sprintf("10.0.%d.%d", n/256, n%256), n))
		}
		logged := log.Count(`msg="client refused"`)
		if logged > 10_000 {
			t.Errorf("%d lines", logged)
		}
		ztest.Must(t, h.Close())
		if n := counts(t, &log, "more clients refused"); n+logged != clients {
			t.Errorf("%d logged and %d counted are not %d", logged, n, clients)
		}
	})
}

// TestHandlerFails: a panic of the handler is status 500 in both logs. The log has the
// reason.
func TestHandlerFails(t *testing.T) {
	t.Parallel()
	var log ztest.Log
	var out bytes.Buffer
	h := audit.New(zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { panic("out of luck") }),
		audit.Options{Log: log.Logger(), Writer: &out})
	for range 3 {
		if reply := h.Handle(t.Context(), byKey("192.0.2.1", 1)); reply.Status != zap.StatusError {
			t.Errorf("got %+v", reply)
		}
	}
	if log.Count("level=ERROR", `msg="client refused"`, "status=500", "out of luck") != 1 || log.Count("out of luck") != 1 {
		t.Errorf("log:\n%s", &log)
	}
	if n := strings.Count(out.String(), `"status":500`); n != 3 {
		t.Errorf("audit log:\n%s", &out)
	}
	ztest.Must(t, h.Close())
}

// atOnce is a PromptHandler.
type atOnce struct{ zap.Reply }

func (atOnce) Handle(context.Context, *zap.Request) zap.Reply { panic("not at once") }
func (a atOnce) HandleAtOnce(*zap.Request) (zap.Reply, bool)  { return a.Reply, true }

// TestAtOnce: decisions that the handler makes at once are still made at once, and are
// recorded once.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		handler zap.Handler
		want    bool
	}{"prompt": {atOnce{ok}, true}, "slow": {always(ok), false}} {
		var out bytes.Buffer
		h := audit.New(tt.handler, audit.Options{Writer: &out})
		reply, decided := h.HandleAtOnce(byKey("192.0.2.1", 1))
		if decided != tt.want || (reply.UserID == "alice") != tt.want || (strings.Count(out.String(), "\n") == 1) != tt.want {
			t.Errorf("%s: got %+v, %v, and recorded %q", name, reply, decided, &out)
		}
		ztest.Must(t, h.Close())
	}
}

// counter is a handler that decides nothing at once and counts its calls.
type counter struct{ atOnce, calls int }

func (c *counter) HandleAtOnce(*zap.Request) (zap.Reply, bool) { c.atOnce++; return zap.Reply{}, false }
func (c *counter) Handle(context.Context, *zap.Request) zap.Reply {
	c.calls++
	return ok
}

// TestAsksOnce: the other handler is asked once in each way, as without an audit handler.
func TestAsksOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &counter{}
	h := audit.New(c, audit.Options{Writer: &out})
	defer h.Close()
	if reply, err := zap.Ask(t.Context(), h, byKey("192.0.2.1", 1)); err != nil || reply.UserID != "alice" {
		t.Errorf("got %+v, %v", reply, err)
	}
	if c.atOnce != 1 || c.calls != 1 || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("asked %d times at once, and %d times; recorded %q", c.atOnce, c.calls, &out)
	}
}

// TestFaults: recording does not add faults to a handler.
func TestFaults(t *testing.T) {
	t.Parallel()
	alice := zaptest.Plain("payments", "alice", "her password")
	decide := zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		if login, password, ok := req.PlainLogin(); ok && login == "alice" && string(password) == "her password" {
			return zap.Allow("alice")
		}
		return zap.Refuse("unknown user")
	})
	var out bytes.Buffer
	h := audit.New(decide, audit.Options{Writer: &out, Log: new(ztest.Log).Logger()})
	zaptest.TestHandler(t, h, alice)
	ztest.Must(t, h.Close())
	if out.Len() == 0 {
		t.Error("nothing is recorded")
	}
}

// disk is full after free bytes have been written.
type disk struct {
	bytes.Buffer
	free int
}

var errFull = errors.New("no space left on device")

func (d *disk) Write(p []byte) (int, error) {
	n := min(len(p), d.free)
	d.free -= n
	d.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// TestFullDisk: a decision that cannot be recorded is refused if Strict is set, and the
// log says once that writing fails. After there is space again, each record is on its own
// line.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{false, true} {
		for _, free := range []int{0, 1, 100} {
			t.Run(fmt.Sprintf("strict %v, %d bytes", strict, free), func(t *testing.T) {
				t.Parallel()
				out := &disk{free: free}
				var log ztest.Log
				h := audit.New(always(ok), audit.Options{Log: log.Logger(), Writer: out, Strict: strict})
				want := zap.StatusOK
				if strict {
					want = zap.StatusError
				}
				for range 5 {
					if reply := h.Handle(t.Context(), byKey("192.0.2.1", 1)); reply.Status != want || strict && (reply.UserID != "" || reply.Text != "the decision cannot be recorded") {
						t.Errorf("full: got %+v", reply)
					}
				}
				if n := log.Count("level=ERROR", "writing the audit log failed", "no space left on device"); n != 1 {
					t.Errorf("told %d times:\n%s", n, &log)
				}
				out.free = 1 << 20
				for range 2 {
					if reply := h.Handle(t.Context(), byKey("192.0.2.1", 1)); reply.Status != zap.StatusOK {
						t.Errorf("with space again: got %+v", reply)
					}
				}
				if log.Count("writing the audit log works again", "count=4") != 1 {
					t.Errorf("log:\n%s", &log)
				}
				ztest.Must(t, h.Close())
				lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
				wantLines := 2
				if free > 0 {
					wantLines++ // the torn line
				}
				if len(lines) != wantLines {
					t.Errorf("lines %q", lines)
				}
				for _, line := range lines[len(lines)-2:] {
					var record audit.Record
					if err := json.Unmarshal([]byte(line), &record); err != nil || record.User != "alice" {
						t.Errorf("%q: %v", line, err)
					}
				}
			})
		}
	}
}

// TestStrictWithoutWriter: no client is admitted if Strict is set and there is no Writer.
func TestStrictWithoutWriter(t *testing.T) {
	t.Parallel()
	h := audit.New(always(ok), audit.Options{Strict: true})
	defer h.Close()
	if reply := h.Handle(t.Context(), byKey("192.0.2.1", 1)); reply.Status != zap.StatusError {
		t.Errorf("got %+v", reply)
	}
}

// TestZero: the zero value admits no client, and can be closed.
func TestZero(t *testing.T) {
	t.Parallel()
	var h audit.Handler
	if reply, err := zap.Ask(t.Context(), &h, byKey("192.0.2.1", 1)); reply.Status != zap.StatusError {
		t.Errorf("got %+v, %v", reply, err)
	}
	ztest.Must(t, h.Close())
}

// TestConcurrent: lines of concurrent decisions do not mix. Close can be called more than
// once, even concurrently.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var log ztest.Log
	h := audit.New(always(refused), audit.Options{Log: log.Logger(), Writer: &out})
	done := make(chan bool)
	for n := range 8 {
		go func() {
			for i := range 100 {
				h.Handle(context.Background(), byKey(fmt.Sprintf("192.0.2.%d", n), i))
			}
			h.Close()
			done <- true
		}()
	}
	for range 8 {
		ztest.Receive(t, "all are decided", done)
	}
	records := 0
	for line := range strings.Lines(out.String()) {
		var record audit.Record
		ztest.Must(t, json.Unmarshal([]byte(line), &record))
		records++
	}
	if records != 800 {
		t.Errorf("%d records", records)
	}
}
