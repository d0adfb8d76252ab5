package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zap/remote"
	"github.com/zcurve/zcurve/zmtp"
)

// TestStrangersUnraced: 100,000 strangers, each with a key and an address of its own, take a
// bounded memory of zauth with all that its operator can watch, also while a subscriber does not
// read. The operator still sees the clients that zauth knows.
func TestStrangersUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	all := 100_000
	if testing.Short() {
		all = 20_000
	}
	dir, keys := keystoreOf(t, "alice")
	sockets := t.TempDir()
	door, decisions := "ipc://"+filepath.Join(sockets, "c"), "ipc://"+filepath.Join(sockets, "d")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+dir, "--admit-to", "dir:"+dir,
		"--control", door, "--publish", decisions, "--http", "127.0.0.1:0")
	subscriber := zmq4.NewSub(t.Context())
	defer subscriber.Close()
	ztest.Must(t, subscriber.Dial(decisions), subscriber.SetOption(zmq4.OptionSubscribe, ""))
	service, err := remote.NewHandler(remote.Options{Wait: ztest.Patience}, z.endpoint)
	ztest.Must(t, err)
	defer service.Close()
	alice := keys[0].Public()
	ask := func(key [32]byte, address string, want zap.Status) {
		if reply := service.Handle(t.Context(), &zap.Request{Domain: "payments", Address: address, Mechanism: zap.Curve, Credentials: [][]byte{key[:]}}); reply.Status != want {
			t.Errorf("got %+v, expected status %d", reply, want)
		}
	}
	strangers := func(from, to int) {
		numbers := make(chan int)
		var work sync.WaitGroup
		for range 64 {
			work.Go(func() {
				for n := range numbers {
					key := [32]byte{31: 1}
					binary.LittleEndian.PutUint32(key[:], uint32(n))
					ask(key, fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255), zap.StatusRefused)
				}
			})
		}
		for n := from; n < to; n++ {
			numbers <- n
		}
		close(numbers)
		work.Wait()
	}
	ask(alice, "192.0.2.1", zap.StatusOK)
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	ztest.Wait(t, "zauth serves HTTP", func() bool { return url.MatchString(z.log.String()) })
	look := func() (page string) {
		for _, path := range []string{"/", "/metrics"} {
			response, err := http.Get(url.FindString(z.log.String()) + path)
			ztest.Must(t, err)
			text, err := io.ReadAll(response.Body)
			ztest.Must(t, err, response.Body.Close())
			page += string(text)
		}
		return page
	}
	strangers(0, 10_000) // which fills all tables
	look()
	before := resident(t, z)
	strangers(10_000, all)
	page := look()
	grown := resident(t, z) - before
	t.Logf("%d KiB, and %d KiB more after %d further strangers", before, grown, all-10_000)
	if before > 128<<10 || grown > 32<<10 {
		t.Errorf("zauth takes %d KiB, and %d KiB more after %d further strangers", before, grown, all-10_000)
	}
	if len(page) > 1<<20 || !strings.Contains(page, "zauth_pending_keys 2000") {
		t.Errorf("the pages have %d bytes", len(page))
	}
	operator, err := control.Dial(t.Context(), door, zmtp.Config{Mechanism: zap.Null})
	ztest.Must(t, err)
	defer operator.Close()
	text, err := operator.Ask(t.Context(), control.Request{Command: control.CommandClients, Search: "alice"})
	ztest.Must(t, err)
	var clients control.Clients
	ztest.Must(t, json.Unmarshal(text, &clients))
	if len(clients.Clients) != 1 || clients.Clients[0].Key != alice.String() {
		t.Errorf("got %+v", clients)
	}
	ask(alice, "192.0.2.1", zap.StatusOK)
}

// resident returns the memory of a process, in KiB.
func resident(t *testing.T, z *zauth) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", z.cmd.Process.Pid))
	ztest.Must(t, err)
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no VmRSS in %s", text)
	}
	size, err := strconv.Atoi(string(found[1]))
	ztest.Must(t, err)
	return size
}
