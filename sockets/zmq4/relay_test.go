package zmq4_test

import (
	"net"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// relay forwards connections to a server, until it swallows what both sides send.
type relay struct {
	ln      net.Listener
	to      string
	mu      sync.Mutex
	silent  bool
	count   int   // connections so far
	carried int64 // bytes
	open    map[net.Conn]bool
}

// newRelay returns a relay to a TCP address. The test ends it.
func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(t, err)
	r := &relay{ln: ln, to: to, open: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		ln.Close()
		r.mu.Lock()
		for c := range r.open {
			c.Close()
		}
		r.mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			r.mu.Lock()
			r.count++
			r.open[in], r.open[out] = true, true
			r.mu.Unlock()
			wg.Go(func() { r.carry(in, out) })
			wg.Go(func() { r.carry(out, in) })
		}
	})
	return r
}

// carry forwards until one side closes.
func (r *relay) carry(from, to net.Conn) {
	defer from.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		r.mu.Lock()
		r.carried += int64(n)
		silent := r.silent
		r.mu.Unlock()
		if !silent && n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if !silent {
				to.Close()
			}
			return
		}
	}
}

// swallow forwards nothing any more, and closes nothing.
func (r *relay) swallow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = true
}

func (r *relay) state() (connections int, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count, r.carried
}

func (r *relay) endpoint() string { return "tcp://" + r.ln.Addr().String() }
