package probe

import (
	"fmt"
	"net"
	"strings"
	"sync"
)

const greetingSize = 64 // RFC 23

// recorder is a connection that keeps the peer's greeting.
type recorder struct {
	net.Conn
	mu       sync.Mutex
	head     []byte // the first bytes received, at most greetingSize
	received int
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received += n
	r.head = append(r.head, p[:min(n, greetingSize-len(r.head))]...)
	return n, err
}

// begin returns the first bytes that the peer has sent.
func (r *recorder) begin() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.head
}

// total returns how many bytes the peer has sent.
func (r *recorder) total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received
}

// greeting returns the peer's greeting. ok is false if it is not one, or not complete.
func (r *recorder) greeting() (g []byte, ok bool) {
	g = r.begin()
	isSignature := len(g) >= 12 && g[0] == 0xff && g[9]&1 == 1
	return g, isSignature && (len(g) == greetingSize || g[10] < 3)
}

// version returns the version of ZMTP in a greeting.
func version(g []byte) string { return fmt.Sprintf("%d.%d", g[10], g[11]) }

// mechanism returns the mechanism in a complete greeting.
func mechanism(g []byte) string { return strings.TrimRight(string(g[12:32]), "\x00") }
