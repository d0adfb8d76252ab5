package control_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap/audit"
)

// source makes decisions while it is followed.
type source struct {
	mu   sync.Mutex
	feed func(monitor.Event)
}

func (s *source) follow(feed func(monitor.Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feed = feed
}

func (s *source) isFollowed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.feed != nil
}

func (s *source) decide(status int, domain string) {
	s.send(monitor.Event{Record: audit.Record{Schema: 1, Status: status, Domain: domain}, Count: 1})
}

func (s *source) send(e monitor.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feed != nil {
		s.feed(e)
	}
}

// publish publishes the decisions of a source until the test ends, and returns the endpoint.
func publish(t *testing.T, s *source) string {
	t.Helper()
	at := "ipc://" + filepath.Join(t.TempDir(), "decisions")
	p, err := control.NewPublisher(context.Background(), at, nil, control.Event{Host: "here", Endpoint: "tcp://127.0.0.1:9127"}, s.follow)
	ztest.Must(t, err)
	ztest.Background(t, p.Run)
	return at
}

func subscribe(t *testing.T, at, topic string) zmq4.Socket {
	t.Helper()
	socket := zmq4.NewSub(ztest.Context(t), zmq4.WithLogger(nil))
	t.Cleanup(func() { socket.Close() })
	ztest.Must(t, socket.SetOption(zmq4.OptionSubscribe, topic), socket.Dial(at))
	return socket
}

func receive(t *testing.T, socket zmq4.Socket) (topic string, e control.Event) {
	t.Helper()
	msg, err := socket.Recv()
	ztest.Must(t, err)
	if len(msg.Frames) != 2 {
		t.Fatalf("%v", msg)
	}
	ztest.Must(t, json.Unmarshal(msg.Frames[1], &e))
	return string(msg.Frames[0]), e
}

// TestPublish: a subscriber receives the decisions of its topics, with numbers. While nobody
// subscribes, the publisher follows nothing.
func TestPublish(t *testing.T) {
	t.Parallel()
	var s source
	at := publish(t, &s)
	if s.isFollowed() {
		t.Error("followed without a subscriber")
	}
	sub := subscribe(t, at, control.Topic(400, "payments"))
	ztest.Wait(t, "it follows", s.isFollowed)
	for range 3 {
		s.decide(200, "payments")
		s.decide(400, "payments")
	}
	for i := range uint64(3) {
		topic, e := receive(t, sub)
		if topic != "400 payments" || e.Status != 400 || e.Domain != "payments" || e.Sequence != i+1 || e.Host != "here" || e.Count != 1 {
			t.Errorf("%s: %+v", topic, e)
		}
	}
	sub.Close()
	ztest.Wait(t, "it follows no longer", func() bool { return !s.isFollowed() })
}

// TestCollect: examples/python/collect.py prints decisions, and no user name that controls the
// terminal.
func TestCollect(t *testing.T) {
	t.Parallel()
	var s source
	cmd := exec.CommandContext(ztest.Context(t), ztest.Python(t), filepath.Join(ztest.Root(t), "examples", "python", "collect.py"), publish(t, &s))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	ztest.Must(t, err, cmd.Start())
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	ztest.Wait(t, "it follows", s.isFollowed)
	s.send(monitor.Event{Record: audit.Record{Schema: 1, Status: 400, Login: "\x1b[2Jalice\n\u009b", Reason: "no"}, Count: 1})
	line, err := bufio.NewReader(out).ReadString('\n')
	if want := `tcp://127.0.0.1:9127 400 '\x1b[2Jalice\n\x9b' no` + "\n"; err != nil || line != want {
		t.Errorf("got %q, %v, want %q", line, err, want)
	}
}

// TestSlowSubscriber: a subscriber that reads nothing delays nobody. The numbers show how many
// messages it has lost.
func TestSlowSubscriber(t *testing.T) {
	t.Parallel()
	var s source
	at := publish(t, &s)
	slow, quick := subscribe(t, at, ""), subscribe(t, at, "400 end")
	ztest.Wait(t, "it follows", s.isFollowed)
	s.decide(400, "end") // until both are subscribed
	const many = 20_000
	for range many {
		s.decide(200, "flood")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		receive(t, quick)
	}()
	ztest.Wait(t, "the end reaches the quick one", func() bool {
		s.decide(400, "end")
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	received, lost, last := uint64(0), uint64(0), uint64(0)
	for last < many {
		s.decide(200, "flood")
		topic, e := receive(t, slow)
		if topic != "200 flood" {
			continue
		}
		received, lost = received+1, lost+e.Sequence-last-1
		last = e.Sequence
	}
	if received+lost != last || lost == 0 {
		t.Errorf("received %d and lost %d of %d", received, lost, last)
	}
}

// TestManyTopics: memory is bounded when there are many domains. Topics beyond the limit have no
// numbers.
func TestManyTopics(t *testing.T) {
	t.Parallel()
	var s source
	sub := subscribe(t, publish(t, &s), "")
	ztest.Wait(t, "it follows", s.isFollowed)
	numbered := 0
	for i := range 1100 {
		s.decide(400, string(rune('a'+i%26))+string(rune('a'+i/26)))
		if _, e := receive(t, sub); e.Sequence > 0 {
			numbered++
		}
	}
	if numbered != 1000 {
		t.Errorf("%d topics have numbers", numbered)
	}
}
