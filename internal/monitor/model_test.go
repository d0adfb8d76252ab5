package monitor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// model is a monitor that is easy to understand: it keeps every decision, and looks at all of
// them for each answer.
type model struct {
	decisions []modelDecision
	strangers []int // clients, the least recently seen first
	network   map[int]string
	known     map[int]bool
	forgotten map[int]int // how many decisions are forgotten
	dropped   uint64
}

type modelDecision struct {
	client int
	reply  zap.Reply
	at     time.Time
}

// decide adds a decision. isNamed says whether another domain knows the client.
func (m *model) decide(client int, address string, reply zap.Reply, isNamed bool) {
	isGone := reply.Identity == "" && reply.Status == zap.StatusRefused && !isNamed
	isNew := !m.known[client] && !slices.Contains(m.strangers, client)
	switch {
	case m.known[client] && !isGone:
	case m.known[client]:
		delete(m.known, client)
		m.addStranger(client, address)
	case reply.Identity != "" || isNew && isNamed:
		m.remove(client)
		m.known[client] = true
	case isNew:
		m.addStranger(client, address)
	default:
		m.remove(client)
		m.strangers = append(m.strangers, client)
	}
	m.decisions = append(m.decisions, modelDecision{client, reply, time.Now()})
}

func (m *model) remove(client int) {
	m.strangers = slices.DeleteFunc(m.strangers, func(c int) bool { return c == client })
}

func (m *model) addStranger(client int, address string) {
	var same []int
	for _, c := range m.strangers {
		if m.network[c] == address {
			same = append(same, c)
		}
	}
	if len(same) == 20 {
		m.forget(same[0])
		m.dropped++
	}
	m.network[client] = address
	m.strangers = append(m.strangers, client)
}

func (m *model) forget(client int) {
	m.remove(client)
	m.forgotten[client] = len(m.decisions)
}

// clients returns what is known about each client, as texts.
func (m *model) clients() (texts []string) {
	for client := range 60 {
		if !m.known[client] && !slices.Contains(m.strangers, client) {
			continue
		}
		var admits, refusals int
		for _, d := range m.decisions[m.forgotten[client]:] {
			if d.client == client && d.reply.Status == zap.StatusOK {
				admits++
			} else if d.client == client {
				refusals++
			}
		}
		texts = append(texts, fmt.Sprint(keyOf(client), " ", admits, " ", refusals))
	}
	slices.Sort(texts)
	return texts
}

// pending returns the pending keys, the last one first.
func (m *model) pending(names map[curve.PublicKey][]string) (keys []string) {
	for _, client := range m.strangers {
		last := modelDecision{}
		for _, d := range m.decisions {
			if d.client == client {
				last = d
			}
		}
		if last.reply.Status == zap.StatusRefused && !strings.HasPrefix(last.reply.Text, "key revoked") && names[keyOf(client)] == nil {
			keys = append(keys, keyOf(client).String())
		}
	}
	slices.Reverse(keys)
	return keys
}

// TestModel: after random decisions, the monitor gives the same answers as the model.
func TestModel(t *testing.T) {
	t.Parallel()
	var dropped uint64
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 18))
			names := map[curve.PublicKey][]string{}
			m := newScripted(monitor.Options{Names: func(key curve.PublicKey) []string { return names[key] }})
			expected := &model{network: map[int]string{}, known: map[int]bool{}, forgotten: map[int]int{}}
			replies := []zap.Reply{admitted("alice"), zap.Allow("any"), refused("unknown key"), refused("unknown key"), refused("unknown key"),
				{Status: zap.StatusRefused, Text: "expired", Identity: "alice"}, {Status: zap.StatusTryLater, Text: "busy"}, {Status: zap.StatusError, Text: "failed"},
				refused("key revoked on a day")}
			for range 600 {
				time.Sleep(time.Duration(1+random.IntN(20)) * time.Millisecond)
				client, address := random.IntN(60), fmt.Sprint("192.0.2.", random.IntN(2))
				switch key := keyOf(client); random.IntN(20) {
				case 0:
					names[key] = []string{"alice"}
				case 1:
					delete(names, key)
				case 2:
					isStranger := slices.Contains(expected.strangers, client)
					wantEqual(t, "forgotten", m.Forget(key), isStranger)
					if isStranger {
						expected.forget(client)
					}
				default:
					reply := replies[random.IntN(len(replies))]
					expected.decide(client, address, reply, names[key] != nil)
					m.decide(t, byKey(client, address), reply)
				}
			}
			var clients, pending []string
			for _, c := range m.Clients() {
				key, err := curve.ParsePublicKey(c.Key)
				ztest.Must(t, err)
				clients = append(clients, fmt.Sprint(key, " ", c.Admits, " ", c.Refusals))
			}
			slices.Sort(clients)
			for _, c := range m.Pending() {
				pending = append(pending, c.Key)
			}
			wantEqual(t, "clients", fmt.Sprintf("%q", clients), fmt.Sprintf("%q", expected.clients()))
			wantEqual(t, "pending keys", fmt.Sprintf("%q", pending), fmt.Sprintf("%q", expected.pending(names)))
			wantEqual(t, "dropped", m.Dropped(), expected.dropped)
			sums := map[int]uint64{}
			for _, d := range expected.decisions {
				sums[int(d.reply.Status)]++
			}
			for _, c := range m.Counts() {
				wantEqual(t, fmt.Sprint("decisions with status ", c.Status), c.Count, sums[c.Status])
				delete(sums, c.Status)
			}
			wantEqual(t, "statuses without a count", len(sums), 0)
			hour := m.LastHour()
			wantEqual(t, "last hour", hour.Admitted+hour.TryLater+hour.Refused+hour.Failed, uint64(len(expected.decisions)))
			dropped += expected.dropped
		})
	}
	if dropped == 0 {
		t.Error("no network was full")
	}
}

// TestConcurrent: while many services ask, the operator can ask about all that the monitor
// remembers, and nothing is lost.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	m := monitor.New(zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		if key, _ := req.CurveKey(); key[8]%2 == 0 {
			return admitted("alice")
		}
		return refused("unknown key")
	}), monitor.Options{})
	const askers, each = 8, 300
	var work sync.WaitGroup
	for asker := range askers {
		work.Go(func() {
			for n := range each {
				m.Handle(t.Context(), byKey(n, fmt.Sprint("192.0.2.", asker)))
			}
		})
	}
	done := make(chan bool)
	go func() {
		work.Wait()
		close(done)
	}()
	var events uint64
	for range 20 {
		m.Follow(func(e monitor.Event) { events += e.Count })
		for _, c := range m.Pending() {
			m.Find(c.Fingerprint)
			key, err := curve.ParsePublicKey(c.Key)
			ztest.Must(t, err)
			m.Forget(key)
		}
		m.Clients()
		m.Recent()
		m.Latencies()
		m.LastMinute()
	}
	ztest.Receive(t, "all are decided", done)
	m.Follow(nil)
	var sum uint64
	for _, c := range m.Counts() {
		sum += c.Count
	}
	wantEqual(t, "decisions", sum, askers*each)
	if events > askers*each {
		t.Errorf("%d events", events)
	}
}
