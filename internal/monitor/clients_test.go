package monitor_test

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// TestClient: the last admission and the last refusal of a client are remembered.
func TestClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newScripted(monitor.Options{})
		start := time.Now().UTC()
		m.decide(t, byKey(1, "192.0.2.1"), admitted("alice"))
		time.Sleep(time.Second)
		m.decide(t, byKey(1, "192.0.2.2"), admitted("alice"))
		time.Sleep(time.Second)
		expired := refused("certificate expired")
		expired.Identity = "alice"
		m.decide(t, byKey(1, "192.0.2.3"), expired)
		want := monitor.Client{Key: keyOf(1).String(), Fingerprint: keyOf(1).Fingerprint(), Identity: "alice", Admits: 2, Refusals: 1, FirstSeen: start,
			Admitted: &monitor.Last{start.Add(time.Second), "payments", "192.0.2.2", "ipc", 200, "", "alice.key"},
			Refused:  &monitor.Last{start.Add(2 * time.Second), "payments", "192.0.2.3", "ipc", 400, "certificate expired", "policy.zpl:4"}}
		if got := m.Clients(); len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("got %+v, expected %+v", got, want)
		}
		wantEqual(t, "pending keys", len(m.Pending()), 0)
	})
}

// TestKinds: clients by key, user name and principal are different, and a client without any of
// them is no client.
func TestKinds(t *testing.T) {
	t.Parallel()
	m := newScripted(monitor.Options{})
	m.decide(t, byLogin("alice", ""), admitted("alice"))
	m.decide(t, &zap.Request{Mechanism: zap.GSSAPI, Credentials: [][]byte{[]byte("alice")}}, admitted("alice"))
	m.decide(t, &zap.Request{Mechanism: zap.ScramSHA256Plus, Credentials: [][]byte{[]byte("alice"), make([]byte, 32), make([]byte, 32)}}, admitted("alice"))
	m.decide(t, &zap.Request{Mechanism: zap.Null}, zap.Allow(""))
	m.decide(t, byLogin("mallory", ""), refused("wrong user name or password"))
	logins := map[string]uint64{}
	for _, c := range m.Clients() {
		logins[c.Login+"/"+c.Principal+"/"+c.Identity] = c.Admits
	}
	want := map[string]uint64{"alice//alice": 2, "/alice/alice": 1, "mallory//": 0}
	if !reflect.DeepEqual(logins, want) {
		t.Errorf("got %v, expected %v", logins, want)
	}
	wantEqual(t, "pending keys", len(m.Pending()), 0)
}

// TestPending: unknown keys that were refused are pending, until they are known, revoked or
// forgotten.
func TestPending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		names := map[curve.PublicKey][]string{keyOf(7): {"known elsewhere"}}
		m := newScripted(monitor.Options{Names: func(key curve.PublicKey) []string { return names[key] }})
		unknown := refused("unknown key")
		wantPending := func(want ...int) {
			t.Helper()
			synctest.Wait()
			got := m.Pending()
			keys := make([]string, len(got))
			for i, c := range got {
				keys[i] = c.Key
			}
			wanted := make([]string, len(want))
			for i, n := range want {
				wanted[i] = keyOf(n).String()
			}
			if !reflect.DeepEqual(keys, wanted) {
				t.Errorf("got %q, expected %q", keys, wanted)
			}
		}
		for n := range 3 {
			m.decide(t, byKey(n+1, "192.0.2.1"), unknown)
			time.Sleep(time.Second)
		}
		wantPending(3, 2, 1)
		m.decide(t, byKey(1, "192.0.2.9"), unknown)
		wantPending(1, 3, 2)
		m.decide(t, byKey(7, "192.0.2.1"), unknown)
		m.decide(t, byKey(8, "192.0.2.1"), zap.Reply{Status: zap.StatusError, Text: "internal error"})
		m.decide(t, byKey(9, "192.0.2.1"), refused("key revoked on 2026-11-29: stolen"))
		m.decide(t, byKey(10, "192.0.2.1"), zap.Allow("any key")) // by a policy that admits any key
		wantPending(1, 3, 2)
		for _, c := range m.Clients() {
			isSeven := c.Key == keyOf(7).String()
			wantEqual(t, "known elsewhere", c.Elsewhere, isSeven)
			wantEqual(t, "name", c.Identity != "", isSeven)
		}
		m.decide(t, byKey(3, "192.0.2.1"), admitted("carol"))
		wantPending(1, 2)
		names[keyOf(2)] = []string{"bob"}
		wantPending(1)
		delete(names, keyOf(2))
		m.decide(t, byKey(3, "192.0.2.1"), unknown) // carol was removed from the policy
		wantPending(3, 1, 2)
		wantEqual(t, "refusals of carol", m.Pending()[0].Refusals, 2)
		wantEqual(t, "name of carol", m.Pending()[0].Identity, "")
		wantEqual(t, "forgotten", m.Forget(keyOf(3)), true)
		wantEqual(t, "forgotten again", m.Forget(keyOf(3)), false)
		wantPending(1, 2)
	})
}

// TestWrongPassword: guessing a password does not make an account unknown.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	m := newScripted(monitor.Options{})
	m.decide(t, byLogin("alice", "192.0.2.1"), admitted("alice"))
	m.decide(t, byLogin("alice", "192.0.2.1"), refused("wrong user name or password"))
	if c := m.Clients(); len(c) != 1 || c[0].Identity != "alice" || c[0].Refusals != 1 {
		t.Errorf("got %+v", c)
	}
}

// long is a text of the longest size, ending with a number.
func long(n int) string {
	text := fmt.Sprint(n)
	return strings.Repeat("x", 255-len(text)) + text
}

// heap returns how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// TestStrangersUnraced: 100,000 strangers take a bounded memory, even with the longest texts.
// They push out neither a known client nor, from one network, the keys of another.
func TestStrangersUnraced(t *testing.T) {
	ztest.Unraced(t)
	for name, address := range map[string]func(int) string{
		"one address":    func(int) string { return "192.0.2.1" },
		"one /64":        func(n int) string { return fmt.Sprintf("2001:db8::%x:%x", n>>16, n&0xffff) },
		"one user":       func(n int) string { return fmt.Sprintf("localhost:1000:1000:%d", n) },
		"many addresses": func(n int) string { return fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255) },
		"rubbish":        long,
	} {
		t.Run(name, func(t *testing.T) {
			strangers := 100_000
			if testing.Short() {
				strangers = 10_000
			}
			before := heap()
			m := newScripted(monitor.Options{})
			m.decide(t, byKey(-1, "198.51.100.1"), admitted("alice"))
			m.decide(t, byKey(-2, "198.51.100.2"), refused("unknown key"))
			for n := range strangers {
				req := byKey(n, address(n))
				if n%2 == 1 {
					req = byLogin(long(n), address(n))
				}
				req.Domain, req.Asker = long(n), long(n)
				m.decide(t, req, zap.Reply{Status: zap.StatusRefused, Text: long(n), Rule: long(n)})
			}
			if used := int64(heap()) - int64(before); used > 16<<20 {
				t.Errorf("%d bytes", used)
			}
			clients, most := m.Clients(), 22
			oneNetwork := strings.HasPrefix(name, "one")
			if !oneNetwork {
				most = 2001
			}
			wantEqual(t, "clients", len(clients), most)
			wantEqual(t, "dropped", m.Dropped(), uint64(strangers+2-most))
			var alice, earlier bool
			for _, c := range clients {
				alice = alice || c.Identity == "alice"
				earlier = earlier || c.Key == keyOf(-2).String()
			}
			wantEqual(t, "alice is remembered", alice, true)
			wantEqual(t, "the earlier key is remembered", earlier, oneNetwork)
			runtime.KeepAlive(m)
		})
	}
}

// TestKnownUnraced: at most 20,000 known clients are remembered.
func TestKnownUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	m := newScripted(monitor.Options{})
	for n := range 30_000 {
		m.decide(t, byKey(n, "192.0.2.1"), admitted(fmt.Sprint("client-", n)))
		if n%1000 == 0 {
			m.decide(t, byKey(0, "192.0.2.1"), admitted("client-0"))
		}
	}
	seen := false
	for _, c := range m.Clients() {
		seen = seen || c.Identity == "client-0"
	}
	wantEqual(t, "clients", len(m.Clients()), 20_000)
	wantEqual(t, "length", m.Len(), 20_000)
	wantEqual(t, "the one that came back is remembered", seen, true)
}
