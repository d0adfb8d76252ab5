package control

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

const (
	// feedRoom is how many decisions may wait to be published.
	feedRoom = 1024
	// maxTopics bounds the topics whose messages are numbered.
	maxTopics = 1000
)

// Event is a decision that was published.
type Event struct {
	monitor.Event
	// Sequence counts the messages of a topic, from 1 since the start of the publisher. A gap
	// shows how many a subscriber has lost. It is zero if there are too many topics.
	Sequence uint64 `json:"sequence,omitempty"`
	// Host and Endpoint say which daemon decided, where one program collects from several.
	Host     string `json:"host"`
	Endpoint string `json:"endpoint"`
}

// Topic returns the topic of a decision, such as "400 payments".
func Topic(status int, domain string) string { return fmt.Sprintf("%d %s", status, domain) }

// Publisher publishes decisions on a socket, while anyone subscribes.
type Publisher struct {
	socket zmq4.Socket
	source Event // its Host and Endpoint
	follow func(feed func(monitor.Event))
	feed   chan numbered

	mu      sync.Mutex
	numbers map[string]uint64 // by topic
}

// numbered is a decision with its topic and number.
type numbered struct {
	monitor.Event
	topic  string
	number uint64
}

// NewPublisher listens at an endpoint. follow starts to call a function for each decision, or
// stops that if the function is nil; the function does not block. source is who decides: its
// Host and Endpoint. Run publishes. ctx ends the socket.
func NewPublisher(ctx context.Context, at string, security zmq4.Security, source Event, follow func(func(monitor.Event))) (*Publisher, error) {
	p := &Publisher{source: source, follow: follow, feed: make(chan numbered, feedRoom), numbers: map[string]uint64{}}
	p.socket = zmq4.NewXPub(ctx, zmq4.WithSecurity(security), zmq4.WithLogger(nil), zmq4.WithHeartbeat(heartbeat, heartbeat), zmq4.WithLinger(time.Second))
	if err := p.socket.Listen(at); err != nil {
		p.socket.Close()
		return nil, err
	}
	return p, nil
}

// Endpoint returns where the publisher listens, with the port that the system has chosen.
func (p *Publisher) Endpoint() string { return endpoint.Of(p.socket.Addr()) }

// Close closes the socket, if Run was not called.
func (p *Publisher) Close() error { return p.socket.Close() }

// Run publishes decisions until ctx is done, and then closes the socket. It asks for them only
// while there are subscribers.
func (p *Publisher) Run(ctx context.Context) error {
	var sender sync.WaitGroup
	defer p.socket.Close()
	defer sender.Wait()
	defer p.follow(nil)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sender.Go(func() { p.send(ctx) })
	topics := map[string]bool{}
	for {
		msg, err := zmq4.RecvContext(ctx, p.socket)
		if err != nil {
			return nil
		}
		text := msg.Bytes()
		if len(msg.Frames) != 1 || len(text) == 0 || text[0] > 1 {
			continue // not a subscription
		}
		before := len(topics)
		if topic := string(text[1:]); text[0] == 1 {
			topics[topic] = true
		} else {
			delete(topics, topic)
		}
		if before == 0 && len(topics) > 0 {
			p.follow(p.take)
		} else if len(topics) == 0 {
			p.follow(nil)
		}
	}
}

// take takes a decision. If too many wait, it is lost, and the numbers show that.
func (p *Publisher) take(e monitor.Event) {
	n := numbered{Event: e, topic: Topic(e.Status, e.Domain)}
	p.mu.Lock()
	if _, known := p.numbers[n.topic]; known || len(p.numbers) < maxTopics {
		p.numbers[n.topic]++
		n.number = p.numbers[n.topic]
	}
	p.mu.Unlock()
	select {
	case p.feed <- n:
	default:
	}
}

// send sends what was taken. A slow subscriber loses messages; send never waits for it.
func (p *Publisher) send(ctx context.Context) {
	for {
		select {
		case n := <-p.feed:
			e := p.source
			e.Event, e.Sequence = n.Event, n.number
			if text, err := encode(e); err == nil {
				p.socket.Send(zmq4.NewMsgFrom([]byte(n.topic), text))
			}
		case <-ctx.Done():
			return
		}
	}
}
