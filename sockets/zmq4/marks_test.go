package zmq4_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

const (
	testMark = 4
	// onTheWay is how many bulky messages are neither in the queue of the sender nor in
	// that of the receiver.
	onTheWay = 4
)

// bulky returns a message of 256 KiB with a number, which is too large for any buffer.
func bulky(i int) []byte {
	return append(binary.BigEndian.AppendUint32([]byte("m"), uint32(i)), fill[:256<<10]...)
}

func numberOf(frame []byte) int { return int(binary.BigEndian.Uint32(frame[1:])) }

// stuck connects a sender to a receiver that doesn't receive, over inproc, which has no
// buffers. Both have low marks.
func stuck(t *testing.T, sender, receiver zmq4.SocketType, opts ...zmq4.Option) (s, r zmq4.Socket) {
	t.Helper()
	marks := zmq4.WithHighWaterMarks(testMark, testMark)
	s = open(t, constructors[sender], append(opts, marks)...)
	r = open(t, constructors[receiver], marks, zmq4.WithID([]byte("peer")))
	subscribe(t, r)
	ztest.Must(t, r.Dial(listen(t, s, "inproc")))
	if topics, ok := s.(zmq4.Topics); ok {
		ztest.Wait(t, "the subscription", func() bool { return len(topics.Topics()) > 0 })
	}
	return s, r
}

// TestFull sends to a peer that doesn't receive: PUSH, DEALER, PAIR and a ROUTER with
// WithMandatory must wait, and keep no more than the marks allow.
func TestFull(t *testing.T) {
	t.Parallel()
	for _, types := range [][2]zmq4.SocketType{
		{zmq4.Push, zmq4.Pull}, {zmq4.Dealer, zmq4.Dealer}, {zmq4.Dealer, zmq4.Router}, {zmq4.Pair, zmq4.Pair}, {zmq4.Router, zmq4.Dealer},
	} {
		t.Run(fmt.Sprintf("%s-%s", types[0], types[1]), func(t *testing.T) {
			t.Parallel()
			s, r := stuck(t, types[0], types[1], zmq4.WithMandatory(), zmq4.WithTimeout(time.Nanosecond))
			before := envelope(types[0], types[1], "peer")
			msg := func(i int) zmq4.Msg { return zmq4.Msg{Frames: append(before[:len(before):len(before)], bulky(i))} }
			ztest.Wait(t, "the peer", func() bool { return zmq4.TrySend(s, msg(0)) == nil })
			sent := 1
			// Until all queues between the programs are full.
			for quiet := 0; quiet < 100; quiet++ {
				for {
					err := zmq4.TrySend(s, msg(sent))
					if err == zmq4.ErrAgain {
						break
					}
					ztest.Must(t, err)
					if sent, quiet = sent+1, 0; sent > 100 {
						t.Fatal("it never waits")
					}
				}
				time.Sleep(time.Millisecond)
			}
			if most := 2*testMark + onTheWay; sent > most || sent < testMark {
				t.Errorf("%d messages accepted, want at most %d", sent, most)
			}
			if err := s.Send(msg(sent)); err == nil {
				t.Error("Send doesn't wait")
			}
			for i := range sent {
				frames := recv(t, r).Frames
				if n := numberOf(frames[len(frames)-1]); n != i {
					t.Fatalf("message %d is %d", i, n)
				}
			}
		})
	}
}

// TestDropped sends to a peer that doesn't receive: PUB, XPUB, XSUB and ROUTER never wait,
// and drop what the marks don't allow.
func TestDropped(t *testing.T) {
	t.Parallel()
	for _, types := range [][2]zmq4.SocketType{
		{zmq4.Pub, zmq4.Sub}, {zmq4.XPub, zmq4.XSub}, {zmq4.XSub, zmq4.XPub}, {zmq4.Router, zmq4.Dealer},
	} {
		t.Run(fmt.Sprintf("%s-%s", types[0], types[1]), func(t *testing.T) {
			t.Parallel()
			s, r := stuck(t, types[0], types[1])
			before := envelope(types[0], types[1], "peer")
			const n = 100
			last := 0 // of the messages received
			for i := range n {
				ztest.Must(t, s.Send(zmq4.Msg{Frames: append(before[:len(before):len(before)], bulky(i))}))
			}
			got := 0
			for i := n; last < n; i++ { // later messages arrive again
				ztest.Must(t, s.Send(zmq4.Msg{Frames: append(before[:len(before):len(before)], bulky(i))}))
				for {
					msg, err := zmq4.TryRecv(r)
					if err != nil {
						break
					}
					number := numberOf(msg.Frames[len(msg.Frames)-1])
					if got > 0 && number <= last {
						t.Fatalf("message %d after %d", number, last)
					}
					if last = number; number < n {
						got++
					}
				}
				time.Sleep(time.Millisecond)
			}
			if most := 2*testMark + onTheWay; got > most {
				t.Errorf("%d of %d messages were kept, want at most %d", got, n, most)
			}
		})
	}
}

// TestSkipsFull sends to two peers in turn, of which one doesn't receive: the other gets
// what that one can't take.
func TestSkipsFull(t *testing.T) {
	t.Parallel()
	for _, typ := range []zmq4.SocketType{zmq4.Push, zmq4.Dealer} {
		t.Run(string(typ), func(t *testing.T) {
			t.Parallel()
			theirs := zmq4.Pull
			if typ == zmq4.Dealer {
				theirs = zmq4.Dealer
			}
			s, _ := stuck(t, typ, theirs)
			r := open(t, constructors[theirs])
			ztest.Must(t, s.Dial(listen(t, r, "ipc")))
			const n = 50
			sent := make(chan error, 1)
			go func() {
				var err error
				for i := 0; i < n && err == nil; i++ {
					err = s.Send(zmq4.NewMsg(bulky(i)))
				}
				sent <- err
			}()
			last := -1
			for got := 0; got < n-2*testMark-onTheWay; got++ {
				i := numberOf(recv(t, r).Frames[0])
				if i <= last {
					t.Fatalf("message %d after %d", i, last)
				}
				last = i
			}
			ztest.Must(t, ztest.Receive(t, "the end of sending", sent))
		})
	}
}

// TestFairQueue receives from peers in turn, though one has sent more than the other.
func TestFairQueue(t *testing.T) {
	t.Parallel()
	lost := make(chan struct{}, 2)
	pull := open(t, zmq4.NewPull, zmq4.WithEvents(func(e sockets.Event) {
		if e.Kind == sockets.Lost {
			lost <- struct{}{}
		}
	}))
	at := listen(t, pull, "tcp")
	for _, name := range []string{"alice", "bob"} {
		push := open(t, zmq4.NewPush)
		ztest.Must(t, push.Dial(at))
		for range map[string]int{"alice": 100, "bob": 10}[name] {
			ztest.Must(t, push.Send(zmq4.NewMsgString(name)))
		}
		push.Close()
		ztest.Receive(t, "the end of the connection, after all messages", lost)
	}
	counts := map[string]int{}
	for range 20 {
		counts[string(recv(t, pull).Bytes())]++
	}
	if counts["alice"] != 10 || counts["bob"] != 10 {
		t.Errorf("among the first 20: %v", counts)
	}
}
