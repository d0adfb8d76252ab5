package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/ztest"
)

// start serves handler within limits until the test ends.
func start(t *testing.T, handler http.Handler, l limits) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(t, err)
	ztest.Background(t, func(ctx context.Context) error {
		return serve(ctx, ln, handler, slog.New(slog.DiscardHandler), l)
	})
	return ln.Addr().String()
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })

// send writes text to a new connection, and returns the connection.
func send(t *testing.T, address, text string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	ztest.Must(t, err)
	t.Cleanup(func() { nc.Close() })
	_, err = io.WriteString(nc, text)
	ztest.Must(t, err, nc.SetReadDeadline(time.Now().Add(ztest.Patience)))
	return nc
}

// TestSlowClients: a client that is slow to send a request, or to read the reply, or silent
// between requests loses its connection.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	const soon = 20 * time.Millisecond
	endless := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for { // ends when the client doesn't read
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
				return
			}
		}
	})
	for name, tt := range map[string]struct {
		limit   func(*limits) *time.Duration
		handler http.Handler
		request string
	}{
		"no request":  {func(l *limits) *time.Duration { return &l.headerTime }, hello, ""},
		"half a line": {func(l *limits) *time.Duration { return &l.headerTime }, hello, "GET / HT"},
		"half a header": {func(l *limits) *time.Duration { return &l.headerTime }, hello,
			"GET / HTTP/1.1\r\nHost: localhost\r\nX-"},
		"half a body": {func(l *limits) *time.Duration { return &l.readTime }, guard("", hello),
			"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx"},
		"idle":           {func(l *limits) *time.Duration { return &l.idleTime }, hello, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		"no read":        {func(l *limits) *time.Duration { return &l.writeTime }, endless, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		"no second line": {func(l *limits) *time.Duration { return &l.headerTime }, hello, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := limits{connections: 1, headerBytes: 1 << 10, headerTime: time.Hour, readTime: time.Hour, writeTime: time.Hour, idleTime: time.Hour}
			*tt.limit(&l) = soon
			address := start(t, tt.handler, l)
			nc := send(t, address, tt.request)
			if name == "no read" {
				// The connection has ended if the next one, of one at most, is served.
				ztest.Must(t, readReply(send(t, address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")))
				return
			}
			// What the server has not read when it closes makes the end a reset.
			if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the server keeps the connection: %v", err)
			}
		})
	}
}

// readReply reads the first line of a reply.
func readReply(nc net.Conn) error {
	line, err := bufio.NewReader(nc).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "HTTP/1.1 200 ") {
		err = fmt.Errorf("%q", line)
	}
	return err
}

// TestDefaultLimits: everything is bounded.
func TestDefaultLimits(t *testing.T) {
	t.Parallel()
	l := defaultLimits
	for name, d := range map[string]time.Duration{"header": l.headerTime, "read": l.readTime, "write": l.writeTime, "idle": l.idleTime, "end": l.endTime} {
		if d <= 0 || d > 2*time.Minute {
			t.Errorf("%s: %v", name, d)
		}
	}
	if l.connections != 32 || l.headerBytes != 8<<10 {
		t.Errorf("%d connections, %d bytes", l.connections, l.headerBytes)
	}
}

// TestConnections: a connection beyond the limit waits until another one ends.
func TestConnections(t *testing.T) {
	t.Parallel()
	address := start(t, hello, defaultLimits)
	request := "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
	var open []net.Conn
	for range defaultLimits.connections {
		nc := send(t, address, request)
		ztest.Must(t, readReply(nc))
		open = append(open, nc)
	}
	next := make(chan error, 1)
	nc := send(t, address, request)
	go func() { next <- readReply(nc) }()
	select {
	case err := <-next:
		t.Fatalf("one connection too many was served: %v", err)
	case <-time.After(50 * time.Millisecond): // a server without the limit would have answered
	}
	ztest.Must(t, open[0].Close(), ztest.Receive(t, "the reply", next))
}

// TestMalformedRequests: each is refused with a status, and none reaches the handler.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	asked := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a malformed request reached the handler") })
	address := start(t, guard("zauth.example", asked), defaultLimits)
	const host = "Host: localhost\r\n"
	for name, tt := range map[string]struct{ request, status string }{
		"POST":                     {"POST / HTTP/1.1\r\n" + host + "\r\n", "405"},
		"OPTIONS *":                {"OPTIONS * HTTP/1.1\r\n" + host + "\r\n", "405"},
		"CONNECT":                  {"CONNECT localhost:80 HTTP/1.1\r\n" + host + "\r\n", "405"},
		"unknown method":           {"BREW / HTTP/1.1\r\n" + host + "\r\n", "405"},
		"body":                     {"GET / HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\nx", "400"},
		"chunked body":             {"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		"two lengths":              {"GET / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "400"},
		"huge header":              {"GET / HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 16<<10) + "\r\n\r\n", "431"},
		"many headers":             {"GET / HTTP/1.1\r\n" + host + strings.Repeat("X: x\r\n", 4<<10) + "\r\n", "431"},
		"huge path":                {"GET /" + strings.Repeat("x", 16<<10) + " HTTP/1.1\r\n" + host + "\r\n", "431"},
		"no host":                  {"GET / HTTP/1.1\r\n\r\n", "400"},
		"empty host":               {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "421"},
		"another host":             {"GET / HTTP/1.1\r\nHost: attacker.example\r\n\r\n", "421"},
		"looks like ours":          {"GET / HTTP/1.1\r\nHost: zauth.example.attacker.example:9828\r\n\r\n", "421"},
		"looks like an IP address": {"GET / HTTP/1.1\r\nHost: 127.0.0.1.attacker.example\r\n\r\n", "421"},
		"host in the line":         {"GET http://attacker.example/ HTTP/1.1\r\n" + host + "\r\n", "421"},
		"HTTP/2":                   {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "405"},
		"no HTTP":                  {"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\r\n\r\n", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line, err := bufio.NewReader(send(t, address, tt.request)).ReadString('\n')
			if err != nil || !strings.HasPrefix(line, "HTTP/1.1 "+tt.status+" ") {
				t.Errorf("%q, %v; want %s", line, err, tt.status)
			}
		})
	}
}

// TestHosts: a request may name an IP address, localhost, and the operator's host.
func TestHosts(t *testing.T) {
	t.Parallel()
	for _, named := range []string{"127.0.0.1", "127.0.0.1:9828", "[::1]:9828", "[::1]", "localhost", "LOCALHOST:80", "10.1.2.3:9828", "zauth.example", "Zauth.Example:9828"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = named
		guard("zauth.example", hello).ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", named, w.Code)
		}
	}
}

// TestHead: HEAD has the headers of GET, and no body.
func TestHead(t *testing.T) {
	t.Parallel()
	nc := send(t, start(t, guard("", hello), defaultLimits), "HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	text, err := io.ReadAll(nc)
	ztest.Must(t, err)
	header, body, _ := strings.Cut(string(text), "\r\n\r\n")
	if body != "" || !strings.Contains(header, "frame-ancestors 'none'") || !strings.Contains(header, "nosniff") || !strings.Contains(header, "no-store") {
		t.Errorf("%s", text)
	}
}

// TestEnd: the server ends in its time, also while a request is in progress.
func TestEnd(t *testing.T) {
	t.Parallel()
	begun := make(chan bool)
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	l := defaultLimits
	l.endTime = time.Millisecond
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, ln, handler, slog.New(slog.DiscardHandler), l) }()
	nc := send(t, ln.Addr().String(), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	ztest.Receive(t, "the request", begun)
	cancel()
	ztest.Must(t, ztest.Receive(t, "the end", ended))
	if n, _ := io.Copy(io.Discard, nc); n != 0 {
		t.Errorf("%d bytes of a reply that was not written", n)
	}
}

// TestListenerFails: Serve returns the error of the listener.
func TestListenerFails(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ztest.Must(t, err, ln.Close())
	if err := serve(t.Context(), ln, hello, slog.New(slog.DiscardHandler), defaultLimits); err == nil {
		t.Error("no error")
	}
}

// TestStuck: if zauth does not say what it knows, a bounded number of requests waits for it, for
// a bounded time, and health checks are answered.
func TestStuck(t *testing.T) {
	t.Parallel()
	asked, stuck := make(chan bool, 10), make(chan bool)
	handler := bounded(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- true
		<-stuck
	}), 2, time.Millisecond)
	var ended sync.WaitGroup
	defer close(stuck)
	defer ended.Wait() // by their time limit, while zauth is stuck
	ask := func(want string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != http.StatusServiceUnavailable || w.Body.String() != want {
			t.Errorf("%d %q, want %q", w.Code, w.Body, want)
		}
	}
	for range 2 {
		ended.Go(func() { ask("zauth did not answer in time\n") })
		ztest.Receive(t, "a request that takes long", asked)
	}
	ask("too many requests at a time\n")
	s := newSource(t, control.Status{})
	s.Status = func() control.Status { <-stuck; return control.Status{} }
	if w := get(t, s, "/healthz"); w.Code != http.StatusOK {
		t.Errorf("healthz: %d", w.Code)
	}
}
