package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// Found is an endpoint of ZeroMQ that answered a scan. It is small, whatever the peer sends.
type Found struct {
	Address    netip.AddrPort
	Version    string // of ZMTP
	Mechanism  string // "" if the version is older than 3.0
	AsServer   bool   // whether its greeting says so; libzmq's never does
	SocketType string // of NULL; "" if unknown: other mechanisms tell it to admitted clients
}

// ScanConfig bounds a scan.
type ScanConfig struct {
	Jobs    int           // connections at a time
	Rate    int           // connections a second beyond this machine; 0 means no limit
	Timeout time.Duration // for connecting, and for the answer
	Done    func()        // called after each address, in any goroutine
}

// Scan exchanges greetings with each address, and calls found, from one goroutine at a time,
// for those that speak ZMTP. It sends no credentials, and no message. For each address, one of
// cfg.Jobs works for at most twice cfg.Timeout. It returns an error if this machine could not
// even try some of them, for example because too many files were open.
func Scan(ctx context.Context, addresses iter.Seq[netip.AddrPort], cfg ScanConfig, found func(Found)) error {
	queue := make(chan netip.AddrPort)
	var mu sync.Mutex
	var wg sync.WaitGroup
	untried, reason := 0, error(nil)
	for range cfg.Jobs {
		wg.Go(func() {
			for address := range queue {
				f, ok, err := look(ctx, address, cfg.Timeout)
				mu.Lock()
				if err != nil {
					untried++
					reason = err
				}
				if ok {
					found(f)
				}
				mu.Unlock()
				cfg.Done()
			}
		})
	}
	feed(ctx, addresses, cfg.Rate, queue)
	wg.Wait()
	if untried > 0 {
		return fmt.Errorf("probe: %d ports were not tried: %w", untried, reason)
	}
	return nil
}

// feed puts addresses into a queue until ctx is done, and closes it.
func feed(ctx context.Context, addresses iter.Seq[netip.AddrPort], rate int, queue chan<- netip.AddrPort) {
	defer close(queue)
	begin, n := time.Now(), 0
	for address := range addresses {
		if rate > 0 && !address.Addr().IsLoopback() {
			due := begin.Add(time.Duration(n) * time.Second / time.Duration(rate))
			if wait := time.Until(due); wait > time.Millisecond {
				select {
				case <-time.After(wait):
				case <-ctx.Done():
					return
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

// look connects to an address. ok is false if nothing there speaks ZMTP. err says that this
// machine could not try.
func look(ctx context.Context, address netip.AddrPort, timeout time.Duration) (f Found, ok bool, err error) {
	dialer := net.Dialer{Timeout: timeout, KeepAlive: -1}
	nc, err := dialer.DialTCP(ctx, "tcp", netip.AddrPort{}, address)
	if err != nil {
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) {
			return f, false, err
		}
		return f, false, nil
	}
	defer nc.Close()
	if isSelf(nc) {
		return f, false, nil
	}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	nc.SetDeadline(time.Now().Add(timeout))
	f, ok = exchange(nc, timeout/2)
	f.Address = address
	return f, ok, nil
}

// untilVersion is the part of a greeting up to the major version.
const untilVersion = 11

// Bounds of what a scan reads, and of what it keeps of a socket type, in bytes.
const (
	maxReady = 1024
	maxType  = 20
)

// exchange exchanges greetings. A peer may wait for the whole greeting, and gets it after
// patience.
func exchange(nc net.Conn, patience time.Duration) (f Found, ok bool) {
	greeting := [greetingSize]byte{0: 0xff, 9: 0x7f, 10: 3, 11: 1}
	copy(greeting[12:], zap.Null)
	// libzmq closes the connection when it sees another mechanism, and then its own can be lost.
	sendRest := sync.OnceFunc(func() { nc.Write(greeting[untilVersion:]) })
	impatient := time.AfterFunc(patience, sendRest)
	defer impatient.Stop()
	if _, err := nc.Write(greeting[:untilVersion]); err != nil {
		return f, false
	}
	buf := make([]byte, maxReady)
	n, err := 0, error(nil)
	for m := 0; err == nil && n < greetingSize && looksRight(buf[:n]); n += m {
		m, err = nc.Read(buf[n:greetingSize])
	}
	g := buf[:n]
	if !isGreeting(g) {
		return f, false
	}
	f.Version = version(g)
	if g[10] < 3 {
		f.SocketType = oldType(g)
		return f, true
	}
	f.Mechanism, f.AsServer = mechanism(g), g[32] == 1
	if f.Mechanism == zap.Null {
		sendRest()
		f.SocketType = readyType(nc, buf)
	}
	return f, true
}

// looksRight reports whether a greeting that has begun is worth waiting for.
func looksRight(g []byte) bool {
	return (len(g) < 1 || g[0] == 0xff) && (len(g) < 10 || g[9]&1 == 1) && (len(g) < 12 || g[10] >= 3)
}

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
			return typeIn(string(b[head : head+size]))
		}
		if err != nil {
			return ""
		}
	}
	return ""
}

// typeIn returns the socket type in a READY command, or "".
func typeIn(ready string) string {
	properties, ok := strings.CutPrefix(ready, "\x05READY")
	if !ok {
		return ""
	}
	claims, err := zap.ParseMetadata([]byte(properties))
	if socketType := claims.Get("Socket-Type"); err == nil && len(socketType) <= maxType {
		return strings.Clone(socketType)
	}
	return ""
}
