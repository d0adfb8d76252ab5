package sasl

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// TestSameWorkAlloc: a wrong user name and a wrong password take the same work, and the
// client sees the same messages. Work is counted, not timed: what the policy is asked, and the
// allocations, of which each hash makes some.
func TestSameWorkAlloc(t *testing.T) {
	ztest.Unraced(t)
	type work struct {
		requests, verifiers int
		allocations         float64
		sizes               string // of the server's messages
		reason              string
	}
	for _, name := range []string{Plain, ScramSHA256, ScramSHA256Plus} {
		measure := func(login, password string) (done work) {
			g := new(gate)
			cfg := testConfig(name)
			cfg.Username, cfg.Password = login, zap.NewPassword(password)
			c, s := newClient(t, cfg), newTestServer(t, g)
			w := exchange(t, c, s)
			done.reason = w.client.Error()
			for _, message := range w.received {
				for _, frame := range message {
					done.sizes += string(rune('a' + len(frame)%64))
				}
			}
			done.requests, done.verifiers = len(g.requests), g.verifiers
			// The server's part alone, since the client is the attacker's. A repeated proof fits
			// no nonce, so each run makes the first message, and a server with the nonce of the
			// recording takes the last.
			done.allocations = testing.AllocsPerRun(50, func() {
				s := &Server{cfg: s.cfg}
				for i, message := range w.sent {
					if m, ok := s.mechanism.(*scramServer); ok && i == 2 {
						parsed, _ := parseClientFinal(string(message[1]))
						m.nonce = parsed.nonce
					}
					s.Handle(t.Context(), message)
				}
			})
			return done
		}
		user, password := measure("bobby", testPassword), measure(testLogin, "wonderlane")
		if user != password || user.requests != 1 {
			t.Errorf("%s: wrong user %+v, wrong password %+v", name, user, password)
		}
	}
}

// TestVerifierOfStranger: the salt of an unknown login is the same each time, like that of an
// account.
func TestVerifierOfStranger(t *testing.T) {
	t.Parallel()
	for _, login := range []string{testLogin, "bob"} {
		salts := map[string]bool{}
		for range 3 {
			s := newTestServer(t, new(gate))
			ohai(t, s)
			answer, err := send(t, s, yarly(t, ScramSHA256, []byte("n,,n="+login+",r=nonce")))
			ztest.Must(t, err)
			m, err := parseServerFirst(string(answer.Data))
			ztest.Must(t, err)
			salts[string(m.salt)] = true
		}
		if len(salts) != 1 {
			t.Errorf("%s has %d salts", login, len(salts))
		}
	}
}

// TestKeepsNothingUnraced: a client that begins 10 million exchanges leaves nothing in memory,
// whether it is admitted each time, has used up its tries, or stops midway.
func TestKeepsNothingUnraced(t *testing.T) {
	ztest.Unraced(t)
	n := 10_000_000
	if testing.Short() {
		n /= 100
	}
	ohai := compose(t, Command{Kind: OHAI})
	anonymous := yarly(t, Anonymous, nil)
	first := yarly(t, ScramSHA256, append([]byte("n,,n=alice,r=nonce,x="), bytes.Repeat([]byte("x"), 8000)...))
	for name, test := range map[string]struct {
		n        int
		messages [][][]byte
	}{
		"admitted":             {n / 100, [][][]byte{ohai, anonymous}},
		"tries used up":        {n, [][][]byte{ohai}},
		"midway, and admitted": {n / 10_000, [][][]byte{ohai, first, ohai, anonymous}},
	} {
		g := new(gate)
		s := newTestServer(t, g)
		before := heap()
		for range test.n {
			for _, message := range test.messages {
				s.Handle(t.Context(), message)
			}
			g.requests = g.requests[:0]
		}
		if grown := int64(heap()) - int64(before); grown > 64<<10 {
			t.Errorf("%s: %d bytes remain", name, grown)
		}
		if s.tries > maxTries+1 || s.rounds > maxRounds {
			t.Errorf("%s: %d tries, %d rounds", name, s.tries, s.rounds)
		}
	}
}

// heap returns the bytes in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestMidwayAlloc: what a server keeps of a client that stops midway is no larger than one
// response.
func TestMidwayAlloc(t *testing.T) {
	ztest.Unraced(t)
	const clients = 200
	for _, name := range []string{ScramSHA256, Curve} {
		servers := make([]*Server, clients)
		for i := range servers {
			servers[i] = newTestServer(t, new(gate))
		}
		before := heap()
		for _, s := range servers {
			offer := ohai(t, s)
			c := newTestClient(t, name)
			_, err := c.Start()
			ztest.Must(t, err)
			message, err := c.Handle(orly(t, nil, offer...))
			ztest.Must(t, err)
			if name == ScramSHA256 {
				message[1] = append(append(message[1], ",x="...), bytes.Repeat([]byte("x"), maxData-len(message[1])-3)...)
			}
			if answer, err := send(t, s, message); err != nil || answer.Kind != ORLY {
				t.Fatalf("%v, %v", answer.Kind, err)
			}
			c.Close()
		}
		if each := (int64(heap()) - int64(before)) / clients; each > 4*maxData {
			t.Errorf("%s: %d bytes for each client", name, each)
		} else {
			t.Logf("%s: %d bytes for each client", name, each)
		}
		runtime.KeepAlive(servers)
	}
}
