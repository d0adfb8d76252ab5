package tally_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/internal/tally"
	"github.com/zcurve/zcurve/internal/ztest"
)

func TestMain(m *testing.M) { ztest.Main(m) }

// wantLines checks how many lines of a log have these words.
func wantLines(t *testing.T, log *ztest.Log, n int, words ...string) {
	t.Helper()
	synctest.Wait()
	if got := log.Count(words...); got != n {
		t.Errorf("%d lines with %q, expected %d:\n%s", got, words, n, log)
	}
}

// TestOnceThenCounted: a message is logged once for each cause and address, and then
// counted. The count is logged each minute while it repeats, and when the log is closed.
func TestOnceThenCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out ztest.Log
		log := tally.NewLog(out.Logger().With("endpoint", "tcp://*:5555"))
		tell := func(address, why string, times int) {
			for n := range times {
				log.Tell(slog.LevelWarn, "handshake failed", fmt.Sprintf("%s:%d", address, 1024+n), why, slog.String("peer", address), slog.Int("n", n))
			}
		}
		tell("192.0.2.1", "wrong version", 20)
		wantLines(t, &out, 1, "level=WARN", `msg="handshake failed"`, "endpoint=tcp://*:5555", "n=0")
		wantLines(t, &out, 1, "")
		tell("192.0.2.1", "silent", 1)
		tell("192.0.2.2", "wrong version", 1)
		tell("[2001:db8::1]", "wrong version", 2)
		wantLines(t, &out, 4, `msg="handshake failed"`)
		time.Sleep(tally.Period)
		wantLines(t, &out, 1, "level=WARN", `msg="handshake failed again"`, "endpoint=tcp://*:5555", "count=19", "address=192.0.2.1", `err="wrong version"`)
		wantLines(t, &out, 1, `msg="handshake failed again"`, "count=1 ", "address=2001:db8::1 ")
		wantLines(t, &out, 6, "")
		tell("192.0.2.1", "wrong version", 8)
		wantLines(t, &out, 3, `msg="handshake failed"`, "peer=192.0.2.1") // including one period of silence
		log.Close()
		wantLines(t, &out, 1, `msg="handshake failed again"`, "count=7 ", "address=192.0.2.1")
		tell("192.0.2.1", "wrong version", 3)
		wantLines(t, &out, 6, `msg="handshake failed"`, "peer=192.0.2.1")
	})
}

// TestRepeated: a message that is logged again before its count has been logged includes
// the count.
func TestRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out ztest.Log
		log := tally.NewLog(out.Logger())
		log.Tell(slog.LevelInfo, "started", "", "") // the minute begins
		time.Sleep(tally.Period / 2)
		for range 5 {
			log.Tell(slog.LevelWarn, "late", "192.0.2.1", "")
		}
		time.Sleep(tally.Period)
		log.Tell(slog.LevelWarn, "late", "192.0.2.1", "")
		wantLines(t, &out, 1, "msg=late", "count=4")
		log.Close()
		wantLines(t, &out, 0, "again")
		wantLines(t, &out, 3, "")
	})
}

// TestPorts: causes that differ only in the ports of IP addresses are repeats.
func TestPorts(t *testing.T) {
	t.Parallel()
	for _, format := range []string{
		"read tcp 192.0.2.9:5555->192.0.2.1:%d: read: connection reset by peer",
		"read tcp [2001:db8::9]:5555->[fe80::1%%eth0]:%d: i/o timeout",
	} {
		var out ztest.Log
		log := tally.NewLog(out.Logger())
		for n := range 3 {
			log.Tell(slog.LevelWarn, "connection lost", "192.0.2.1", fmt.Sprintf(format, 40000+n))
		}
		log.Tell(slog.LevelWarn, "connection lost", "192.0.2.1", "it began with 3:4")
		log.Tell(slog.LevelWarn, "connection lost", "192.0.2.1", "it began with 3:5")
		log.Close()
		if out.Count(`msg="connection lost"`) != 3 || out.Count(`msg="connection lost again"`, "count=2") != 1 {
			t.Errorf("log:\n%s", &out)
		}
	}
}

// counted returns the sum of the counts in a log.
func counted(t *testing.T, log *ztest.Log) (n int) {
	for _, m := range regexp.MustCompile(` count=(\d+)`).FindAllStringSubmatch(log.String(), -1) {
		count, err := strconv.Atoi(m[1])
		ztest.Must(t, err)
		n += count
	}
	return n
}

// TestSources: a source causes at most 20 messages a minute for each level, and takes
// none from another source. The others are counted.
func TestSources(t *testing.T) {
	t.Parallel()
	for network, address := range map[string]func(n int) string{
		"192.0.2.1":         func(n int) string { return fmt.Sprintf("192.0.2.1:%d", n) },
		"2001:db8:1:2::/64": func(n int) string { return fmt.Sprintf("[2001:db8:1:2::%x]:99", n) },
		"localhost:1000":    func(n int) string { return fmt.Sprintf("localhost:1000:1000:%d", n) },
		`""`:                func(int) string { return "" },
	} {
		synctest.Test(t, func(t *testing.T) {
			var out ztest.Log
			log := tally.NewLog(out.Logger())
			const lines = 1000
			for n := range lines {
				log.Tell(slog.LevelWarn, "handshake failed", address(n), fmt.Sprint(n))
			}
			wantLines(t, &out, 20, `msg="handshake failed"`)
			log.Tell(slog.LevelError, "handshake failed", address(1), "")
			log.Tell(slog.LevelDebug, "not logged", address(1), "")
			log.Tell(slog.LevelWarn, "handshake failed", "198.51.100.1", "")
			wantLines(t, &out, 22, `msg="handshake failed"`)
			time.Sleep(tally.Period)
			wantLines(t, &out, 1, "level=WARN", `msg="log messages left out"`, "count=980 ", "address="+network)
			wantLines(t, &out, 23, "")
			log.Close()
		})
	}
}

// TestEverywhereUnraced: messages and their memory are bounded, however many addresses
// cause them, and every message is counted.
func TestEverywhereUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	synctest.Test(t, func(t *testing.T) {
		const lines = 30_000
		var out ztest.Log
		log := tally.NewLog(out.Logger())
		for n := range lines {
			log.Tell(slog.LevelWarn, "handshake failed", fmt.Sprintf("10.0.%d.%d", n/256, n%256), "silent")
		}
		logged := out.Count("handshake failed")
		if logged > 10_000 {
			t.Errorf("%d lines", logged)
		}
		log.Close()
		if n := counted(t, &out); n+logged != lines {
			t.Errorf("%d logged and %d counted are not %d", logged, n, lines)
		}
	})
}

// TestLongCause: only the beginning of a cause is remembered.
func TestLongCause(t *testing.T) {
	t.Parallel()
	var out ztest.Log
	log := tally.NewLog(out.Logger())
	long := strings.Repeat("x", 1000)
	log.Tell(slog.LevelWarn, "failed", "", long+"1")
	log.Tell(slog.LevelWarn, "failed", "", long+"2")
	log.Close()
	if text := out.String(); strings.Count(text, "\n") != 2 || len(text) > 500 {
		t.Errorf("log:\n%s", text)
	}
}

// TestCloseWaits: Close returns when all counts have been logged, including those that
// the timer logs at that moment.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &slowHandler{Handler: slog.DiscardHandler, began: make(chan bool)}
		log := tally.NewLog(slog.New(slow))
		for range 2 {
			log.Tell(slog.LevelWarn, "failed", "", "")
		}
		<-slow.began // the count of the first minute
		log.Close()
		if slow.ended != 1 {
			t.Error("Close has returned, and the line isn't logged")
		}
	})
}

// slowHandler takes a second for messages with a count.
type slowHandler struct {
	slog.Handler
	began chan bool
	ended int
}

func (h *slowHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h *slowHandler) Handle(_ context.Context, r slog.Record) error {
	if strings.HasSuffix(r.Message, "again") {
		h.began <- true
		time.Sleep(time.Second)
		h.ended++
	}
	return nil
}

// TestNetwork: addresses of one network or user are one source.
func TestNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                             "",
		"192.0.2.1":                    "192.0.2.1",
		"192.0.2.1:80":                 "192.0.2.1",
		"::ffff:192.0.2.1":             "192.0.2.1",
		"[::ffff:192.0.2.1]:80":        "192.0.2.1",
		"2001:db8:1:2:3::4":            "2001:db8:1:2::/64",
		"[2001:db8:1:2:3::4]:80":       "2001:db8:1:2::/64",
		"fe80::1%eth0":                 "fe80::/64",
		"[fe80::1%eth0]:80":            "fe80::/64",
		"localhost:1000:100:4321":      "localhost:1000",
		"ipc":                          "ipc",
		"192.0.2.1 (billing)":          "192.0.2.1 (billing)",
		"[":                            "[",
		"localhost:":                   "localhost:",
		"192.0.2.1:99999":              "192.0.2.1:99999",
		"example.com:80":               "example.com:80",
		"@/run/abstract, of a unix fd": "@/run/abstract, of a unix fd",
	} {
		if got := tally.Network(address); got != want {
			t.Errorf("%q: got %q, expected %q", address, got, want)
		}
	}
}

// TestCountingAllocs: counting a repeat allocates nothing.
func TestCountingAllocs(t *testing.T) {
	ztest.Unraced(t)
	log := tally.NewLog(slog.New(slog.NewTextHandler(new(ztest.Log), nil)))
	defer log.Close()
	if n := testing.AllocsPerRun(100, func() { log.Tell(slog.LevelWarn, "failed", "192.0.2.1", "silent") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
