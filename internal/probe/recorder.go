package probe

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Sizes in bytes.
const (
	greetingSize = 64  // RFC 23
	helloSize    = 202 // of CURVE's HELLO with its header, RFC 26
)

// recorder is a connection that keeps the peer's greeting, and measures a round trip.
type recorder struct {
	net.Conn
	mu      sync.Mutex
	head    []byte // the first bytes received, at most greetingSize
	written int

	answered chan time.Duration // nil until a PING is expected
	pinged   time.Time          // when it was written
}

func newRecorder(nc net.Conn) *recorder {
	return &recorder{Conn: nc, head: make([]byte, 0, greetingSize)}
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.head = append(r.head, p[:min(n, greetingSize-len(r.head))]...)
	if n > 0 && !r.pinged.IsZero() && r.answered != nil {
		r.answered <- time.Since(r.pinged)
		r.answered = nil
	}
	return n, err
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	if r.answered != nil && r.pinged.IsZero() {
		r.pinged = time.Now()
	}
	r.mu.Unlock()
	n, err := r.Conn.Write(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written += n
	return n, err
}

// expectAnswer returns a channel that gets the time between the next write, a PING, and the
// next bytes from the peer.
func (r *recorder) expectAnswer() <-chan time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answered = make(chan time.Duration, 1)
	return r.answered
}

// begin returns the first bytes that the peer has sent.
func (r *recorder) begin() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.head
}

// sent returns how many bytes this side has sent.
func (r *recorder) sent() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.written
}

// greeting returns the peer's greeting. ok is false if it is not one, or not complete.
func (r *recorder) greeting() (g []byte, ok bool) {
	g = r.begin()
	return g, isGreeting(g)
}

// isGreeting reports whether g is a greeting: all of it, or up to an old version.
func isGreeting(g []byte) bool {
	isSignature := len(g) >= 12 && g[0] == 0xff && g[9]&1 == 1
	return isSignature && (len(g) == greetingSize || g[10] < 3)
}

// version returns the version of ZMTP in a greeting. Before 3.0, a revision has its place
// (RFC 15).
func version(g []byte) string {
	switch g[10] {
	case 0:
		return "1.0"
	case 1, 2:
		return "2.0"
	}
	return fmt.Sprintf("%d.%d", g[10], g[11])
}

// oldTypes are the types of sockets in a greeting of ZMTP 2.0, by their numbers.
var oldTypes = []string{"PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH"}

// oldType returns the type in a greeting older than 3.0, or "".
func oldType(g []byte) string {
	if n := int(g[11]); g[10] > 0 && n < len(oldTypes) {
		return oldTypes[n]
	}
	return ""
}

// mechanism returns the mechanism in a complete greeting.
func mechanism(g []byte) string { return strings.TrimRight(string(g[12:32]), "\x00") }
