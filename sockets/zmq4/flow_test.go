package zmq4_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sockets/zmq4"
	"github.com/zcurve/zcurve/zap"
)

// flow is how messages travel between two types of sockets.
type flow int

const (
	there    flow = iota // from a to b
	publish              // from a to b, once b has subscribed
	exchange             // half from a to b, and then half from b to a
	ask                  // from a to b, which answers each message
	askOne               // the same, one message at a time: a tenth of them
)

// pairs lists all pairs of types of sockets that can be connected.
var pairs = []struct {
	a, b zmq4.SocketType
	flow flow
}{
	{zmq4.Pair, zmq4.Pair, exchange},
	{zmq4.Req, zmq4.Rep, askOne},
	{zmq4.Req, zmq4.Router, askOne},
	{zmq4.Dealer, zmq4.Rep, ask},
	{zmq4.Dealer, zmq4.Router, exchange},
	{zmq4.Dealer, zmq4.Dealer, exchange},
	{zmq4.Router, zmq4.Router, exchange},
	{zmq4.Pub, zmq4.Sub, publish},
	{zmq4.Pub, zmq4.XSub, publish},
	{zmq4.XPub, zmq4.Sub, publish},
	{zmq4.XPub, zmq4.XSub, publish},
	{zmq4.Push, zmq4.Pull, there},
}

// message returns the message of a number, in one frame or in several.
func message(i int) [][]byte {
	number := binary.BigEndian.AppendUint64(nil, uint64(i))
	if i%3 > 0 {
		return [][]byte{append(number, fill[:i%100]...)}
	}
	return [][]byte{number, fill[:i%300], {}, []byte("last")}
}

var fill = bytes.Repeat([]byte("0123456789abcdef"), (8<<20)/16)

// large is a message of 8 MiB in the middle of a stream.
func large() [][]byte { return [][]byte{[]byte("large"), fill, []byte("last")} }

func same(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// nth returns message number i of n, of which one may be large.
func nth(i, n int, hasLarge bool) [][]byte {
	if hasLarge && i == n/2 {
		return large()
	}
	return message(i)
}

// check receives a message, and compares it with the next one.
func check(from end, want [][]byte, i int) error {
	got, err := from.recv()
	if err != nil {
		return fmt.Errorf("message %d: %w", i, err)
	}
	if !same(got, want) {
		return fmt.Errorf("message %d differs: %d frames, first %.30q", i, len(got), got[0])
	}
	return nil
}

// stream sends n messages from a to b.
func stream(t *testing.T, a, b end, n int, hasLarge bool) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			if err := a.send(nth(i, n, hasLarge)); err != nil {
				sent <- fmt.Errorf("sending message %d: %w", i, err)
				return
			}
		}
		sent <- nil
	}()
	for i := range n {
		if err := check(b, nth(i, n, hasLarge), i); err != nil {
			t.Error(err)
			break
		}
	}
	ztest.Must(t, ztest.Receive(t, "the end of sending", sent))
}

// subscribed publishes until the subscription of b has reached a, and b has received all of
// that.
func subscribed(t *testing.T, a, b end) {
	t.Helper()
	arrived, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-arrived:
				stopped <- a.send([][]byte{[]byte("now")})
				return
			case <-time.After(time.Millisecond):
			}
			if err := a.send([][]byte{[]byte("soon")}); err != nil {
				stopped <- err
				return
			}
		}
	}()
	_, err := b.recv()
	close(arrived)
	ztest.Must(t, err)
	ztest.Must(t, ztest.Receive(t, "the end of publishing", stopped))
	for {
		got, err := b.recv()
		ztest.Must(t, err)
		if string(got[0]) == "now" {
			return
		}
	}
}

// askAndAnswer sends n messages from a to b, window at a time, and back.
func askAndAnswer(t *testing.T, a, b end, n, window int, hasLarge bool) {
	t.Helper()
	answered := make(chan error, 1)
	go func() {
		for range n {
			m, err := b.recv()
			if err == nil {
				err = b.send(m)
			}
			if err != nil {
				answered <- err
				return
			}
		}
		answered <- nil
	}()
	for first := 0; first < n; first += window {
		for i := first; i < min(first+window, n); i++ {
			ztest.Must(t, a.send(nth(i, n, hasLarge)))
		}
		for i := first; i < min(first+window, n); i++ {
			ztest.Must(t, check(a, nth(i, n, hasLarge), i))
		}
	}
	ztest.Must(t, ztest.Receive(t, "the end of answering", answered))
}

// run sends n messages as the pair does.
func (f flow) run(t *testing.T, a, b end, n int, hasLarge bool) {
	t.Helper()
	switch f {
	case there:
		stream(t, a, b, n, hasLarge)
	case publish:
		subscribed(t, a, b)
		stream(t, a, b, n, hasLarge)
	case exchange:
		stream(t, a, b, n/2, hasLarge)
		stream(t, b, a, n/2, hasLarge)
	case ask:
		askAndAnswer(t, a, b, n, 100, hasLarge)
	case askOne:
		askAndAnswer(t, a, b, n/10, 1, hasLarge)
	}
}

// TestOurs exchanges messages among our sockets, over each transport.
func TestOurs(t *testing.T) {
	t.Parallel()
	n := 2000
	if testing.Short() || ztest.Race {
		n = 200
	}
	s := sync.OnceValue(func() *site { return newSite(t) })
	for _, pair := range pairs {
		for _, mechanism := range []string{zap.Null, zap.Plain, zap.Curve} {
			for _, transport := range []string{"tcp", "ipc", "inproc"} {
				for _, aDials := range []bool{true, false} {
					t.Run(fmt.Sprintf("%s-%s/%s/%s/dial=%v", pair.a, pair.b, mechanism, transport, aDials), func(t *testing.T) {
						t.Parallel()
						opts := func(id string, serves bool) []zmq4.Option {
							opts := []zmq4.Option{zmq4.WithID(zmq4.SocketIdentity(id)), zmq4.WithMandatory(),
								zmq4.WithSecurity(s().security(setup{mechanism: mechanism, weServe: serves}))}
							if drops(pair.a) || drops(pair.b) {
								opts = append(opts, zmq4.WithHighWaterMarks(0, 0))
							}
							return opts
						}
						a := open(t, constructors[pair.a], opts("a", !aDials)...)
						b := open(t, constructors[pair.b], opts("b", aDials)...)
						subscribe(t, b)
						if aDials {
							ztest.Must(t, a.Dial(listen(t, b, transport)))
						} else {
							ztest.Must(t, b.Dial(listen(t, a, transport)))
						}
						pair.flow.run(t, &ourEnd{a, pair.b, "b"}, &ourEnd{b, pair.a, "a"}, n, !testing.Short())
					})
				}
			}
		}
	}
}
