package zmq4_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// peer is a connection that allocates nothing for a message, at the other end of a socket.
type peer struct {
	*zmtp.Conn
	arrived chan error // for each time that receive has received as many as it should
}

// dialPeer connects to the endpoint of a socket.
func dialPeer(t *testing.T, at, socketType string) *peer {
	t.Helper()
	c, err := zmtp.Dial(t.Context(), at, zmtp.Config{SocketType: socketType, Mechanism: zap.Null})
	ztest.Must(t, err)
	t.Cleanup(func() { c.Close() })
	return &peer{c, make(chan error)}
}

// receive tells each time that it has received count messages, until the connection ends.
func (p *peer) receive(count int) {
	for {
		for n := 0; n < count; {
			messages, err := p.RecvBatch(context.Background())
			if err != nil {
				return
			}
			n += len(messages)
		}
		p.arrived <- nil
	}
}

// allocations returns how many allocations the whole program makes for one of count messages
// of a round. There is no garbage collection, which would empty pools.
func allocations(t *testing.T, count int, round func()) float64 {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range 10 { // until the buffers have grown
		round()
	}
	return testing.AllocsPerRun(20, round) / float64(count)
}

// TestSendAlloc: Send allocates nothing, not for one message of an idle socket, nor for many.
func TestSendAlloc(t *testing.T) {
	ztest.Unraced(t)
	for _, tt := range []struct {
		theirs string
		peers  int
		of     newSocket
		size   int
		many   int
	}{
		{"PULL", 1, zmq4.NewPush, 64, 600}, {"PULL", 3, zmq4.NewPush, 64, 600}, {"ROUTER", 1, zmq4.NewDealer, 64, 600},
		{"PAIR", 1, zmq4.NewPair, 64, 600}, {"PULL", 1, zmq4.NewPush, 64 << 10, 40},
	} {
		for _, count := range []int{1, tt.many} {
			ready := make(chan struct{}, tt.peers)
			push := open(t, tt.of, zmq4.WithEvents(func(e sockets.Event) {
				if e.Kind == sockets.Ready {
					ready <- struct{}{}
				}
			}))
			at := listen(t, push, "tcp")
			var peers []*peer
			for range tt.peers {
				p := dialPeer(t, at, tt.theirs)
				go p.receive(count)
				peers = append(peers, p)
				<-ready
			}
			msg := zmq4.NewMsgFrom(make([]byte, tt.size), []byte("second"))
			times := max(1, 20/count) // since AllocsPerRun rounds down
			n := allocations(t, times*count*tt.peers, func() {
				for range times {
					for range count * tt.peers {
						if err := push.Send(msg); err != nil {
							t.Fatal(err)
						}
					}
					for _, p := range peers {
						<-p.arrived
					}
				}
			})
			if n > 0 {
				t.Errorf("%s with %d peers, %d bytes, %d at a time: %v allocations for a message", push.Type(), tt.peers, tt.size, count, n)
			}
		}
	}
}

// TestPublishAlloc: a PUB allocates nothing, whatever the number of subscribers.
func TestPublishAlloc(t *testing.T) {
	ztest.Unraced(t)
	const count = 100
	for _, subscribers := range []int{1, 20} {
		pub := open(t, zmq4.NewXPub, zmq4.WithVerbose())
		at := listen(t, pub, "tcp")
		var peers []*peer
		for range subscribers {
			p := dialPeer(t, at, "SUB")
			ztest.Must(t, p.Subscribe(t.Context(), []byte("topic")))
			recv(t, pub)
			go p.receive(count)
			peers = append(peers, p)
		}
		msg := zmq4.NewMsgString("topic and " + strings.Repeat("more", 10))
		n := allocations(t, count, func() {
			for range count {
				if err := pub.Send(msg); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range peers {
				<-p.arrived
			}
		})
		if n > 0 {
			t.Errorf("%d subscribers: %v allocations for a message", subscribers, n)
		}
	}
}

// TestRecvAlloc: the frames that Recv returns belong to the caller, so they take memory. Small
// messages share allocations: 1 for 4 KiB and 1 for 64 frames.
func TestRecvAlloc(t *testing.T) {
	ztest.Unraced(t)
	const count = 512
	for _, tt := range []struct {
		size int
		want float64
	}{{32, 32.0/4096 + 1.0/64}, {64, 64.0/4096 + 1.0/64}, {1 << 10, 1.0/4 + 1.0/64}, {8 << 10, 1 + 1.0/64}} {
		pull := open(t, zmq4.NewPull)
		p := dialPeer(t, listen(t, pull, "tcp"), "PUSH")
		body := make([]byte, tt.size)
		sent := make(chan struct{})
		go func() {
			for range sent {
				for range count {
					if p.Queue(context.Background(), body) != nil {
						return
					}
				}
				p.Flush(context.Background())
			}
		}()
		n := allocations(t, count, func() {
			sent <- struct{}{}
			for range count {
				if _, err := pull.Recv(); err != nil {
					t.Fatal(err)
				}
			}
		})
		close(sent)
		if n > tt.want+1.0/count {
			t.Errorf("%d bytes: %.4f allocations for a message, want %.4f", tt.size, n, tt.want)
		}
	}
}

// TestRequestAlloc: a REQ and its REP allocate for what Recv returns.
func TestRequestAlloc(t *testing.T) {
	ztest.Unraced(t)
	req, rep := open(t, zmq4.NewReq), open(t, zmq4.NewRep)
	ztest.Must(t, req.Dial(listen(t, rep, "tcp")))
	msg := zmq4.NewMsg(make([]byte, 64))
	const count = 64
	n := allocations(t, count, func() {
		for range count {
			if err := req.Send(msg); err != nil {
				t.Fatal(err)
			}
			request, err := rep.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if err := rep.Send(request); err != nil {
				t.Fatal(err)
			}
			if _, err := req.Recv(); err != nil {
				t.Fatal(err)
			}
		}
	})
	// The request has an envelope.
	if want := 2*64.0/4096 + 3.0/64; n > want+1.0/count {
		t.Errorf("%.4f allocations for a request and its reply, want %.4f", n, want)
	}
}

// TestSlowPeerAlloc: what waits for a peer that has stopped reading takes little more memory
// than itself, although it shares memory with what others have received.
func TestSlowPeerAlloc(t *testing.T) {
	ztest.Unraced(t)
	const mark = 500
	pub := open(t, zmq4.NewXPub, zmq4.WithHighWaterMarks(mark, 0), zmq4.WithLinger(0))
	at := listen(t, pub, "inproc")
	slow, fast := open(t, zmq4.NewSub, zmq4.WithHighWaterMarks(1, 1)), open(t, zmq4.NewSub)
	ztest.Must(t, slow.SetOption(zmq4.OptionSubscribe, "slow"), slow.Dial(at))
	recv(t, pub)
	ztest.Must(t, fast.SetOption(zmq4.OptionSubscribe, "fast"), fast.Dial(at))
	recv(t, pub)
	body := make([]byte, 1<<10)
	toSlow, toFast := zmq4.NewMsgFrom([]byte("slow"), body), zmq4.NewMsgFrom([]byte("fast"), body)
	before := heap()
	for range mark + 300 { // some are in the connection
		ztest.Must(t, pub.Send(toSlow))
		for range 40 {
			ztest.Must(t, pub.Send(toFast))
		}
		for range 40 {
			recv(t, fast)
		}
	}
	if perMessage := (heap() - before) / mark; perMessage > 16<<10 {
		t.Errorf("%d bytes for a message of 1 KiB that waits", perMessage)
	}
}

// heap returns the bytes that are in use.
func heap() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // empties the pools
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}
