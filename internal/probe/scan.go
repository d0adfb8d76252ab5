package probe

import (
	"context"
	"encoding/binary"
	"iter"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// Found is an endpoint of ZeroMQ that answered a scan.
type Found struct {
	Address    string // HOST:PORT
	Version    string // of ZMTP
	Mechanism  string
	AsServer   bool   // whether its greeting says so; libzmq's never does
	SocketType string // of NULL, if it says so; other mechanisms tell it to admitted clients
}

// ScanConfig bounds a scan.
type ScanConfig struct {
	Jobs    int           // connections at a time
	Rate    int           // connections a second; 0 means no limit
	Timeout time.Duration // for connecting, and for the answer
	Done    func()        // called after each address, in any goroutine
}

// Scan exchanges greetings with each address, and calls found, from one goroutine at a time,
// for those that speak ZMTP. It sends no credentials, and no message.
func Scan(ctx context.Context, addresses iter.Seq[string], cfg ScanConfig, found func(Found)) {
	queue := make(chan string)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range cfg.Jobs {
		wg.Go(func() {
			for address := range queue {
				if f, ok := look(ctx, address, cfg.Timeout); ok {
					mu.Lock()
					found(f)
					mu.Unlock()
				}
				cfg.Done()
			}
		})
	}
	defer wg.Wait()
	defer close(queue)
	begin, n := time.Now(), 0
	for address := range addresses {
		if cfg.Rate > 0 {
			due := begin.Add(time.Duration(n) * time.Second / time.Duration(cfg.Rate))
			if wait := time.Until(due); wait > time.Millisecond {
				select {
				case <-time.After(wait):
				case <-ctx.Done():
				}
			}
			n++
		}
		select {
		case queue <- address:
		case <-ctx.Done():
			return
		}
	}
}

// untilVersion is the part of a greeting up to the major version.
const untilVersion = 11

// look exchanges greetings with an address. ok is false if nothing there speaks ZMTP.
func look(ctx context.Context, address string, timeout time.Duration) (f Found, ok bool) {
	dialer := net.Dialer{Timeout: timeout}
	nc, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return f, false
	}
	defer nc.Close()
	if isSelf(nc) {
		return f, false
	}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	nc.SetDeadline(time.Now().Add(timeout))
	rec := &recorder{Conn: nc}
	greeting := [greetingSize]byte{0: 0xff, 9: 0x7f, 10: 3, 11: 1}
	copy(greeting[12:], zap.Null)
	// libzmq closes the connection when it sees another mechanism, and then its own can be
	// lost. But a peer may wait for the whole greeting.
	sendRest := sync.OnceFunc(func() { nc.Write(greeting[untilVersion:]) })
	impatient := time.AfterFunc(timeout/2, sendRest)
	defer impatient.Stop()
	if _, err := nc.Write(greeting[:untilVersion]); err != nil {
		return f, false
	}
	buf := make([]byte, 1024)
	for err == nil && len(rec.begin()) < greetingSize {
		_, err = rec.Read(buf[:greetingSize-len(rec.begin())])
	}
	g, ok := rec.greeting()
	if !ok {
		return f, false
	}
	f = Found{Address: address, Version: version(g)}
	if g[10] < 3 {
		return f, true
	}
	f.Mechanism, f.AsServer = mechanism(g), g[32] == 1
	if f.Mechanism == zap.Null {
		sendRest()
		f.SocketType = readyType(nc, buf)
	}
	return f, true
}

// isSelf reports whether a connection to a free port of this machine has met itself.
func isSelf(nc net.Conn) bool { return nc.LocalAddr().String() == nc.RemoteAddr().String() }

// readyType returns the socket type in the READY of a peer with NULL, or "".
func readyType(nc net.Conn, buf []byte) string {
	n := 0
	for n < len(buf) {
		m, err := nc.Read(buf[n:])
		n += m
		b := buf[:n]
		size, head := 0, 2
		switch {
		case n >= 2 && b[0] == 4:
			size = int(b[1])
		case n >= 9 && b[0] == 6:
			head = 9
			size = int(min(binary.BigEndian.Uint64(b[1:]), uint64(len(buf))))
		}
		if size > 0 && n >= head+size {
			body, ok := strings.CutPrefix(string(b[head:head+size]), "\x05READY")
			if !ok {
				return ""
			}
			claims, err := zap.ParseMetadata([]byte(body))
			if err != nil {
				return ""
			}
			return claims.Get("Socket-Type")
		}
		if err != nil {
			return ""
		}
	}
	return ""
}
