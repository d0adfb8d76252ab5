package zmtp_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestStrangersMemoryUnraced checks that a peer that sends as much as it may before it
// is admitted takes no more memory than docs/wire.md says.
func TestStrangersMemoryUnraced(t *testing.T) {
	ztest.Unraced(t)
	const peers, most = 200, 48 << 10
	_, server := configs(zap.Curve, "DEALER", "ROUTER")
	asked, release := make(chan struct{}), make(chan struct{})
	server.Handler = zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		asked <- struct{}{}
		<-release
		return zap.Refuse("unknown")
	})
	ln, err := zmtp.Listen(ztest.Context(t), "tcp://127.0.0.1:*", server)
	ztest.Must(t, err)
	defer ln.Close()
	defer close(release)

	var claims zap.Metadata
	for i := range zap.MaxProperties {
		claims = append(claims, zap.Metadata{{fmt.Sprint("X-", i), string(make([]byte, 240))}}...)
	}
	metadata, err := claims.Append(nil)
	ztest.Must(t, err)
	before := memory()
	conns := make([]net.Conn, peers)
	initiates := make([][]byte, peers)
	for i := range conns {
		nc, err := net.Dial("tcp", strings.TrimPrefix(ln.Endpoint(), "tcp://"))
		ztest.Must(t, err)
		defer nc.Close()
		half, err := curve.NewClient(curve.GenerateKey(), server.Key.Public())
		ztest.Must(t, err)
		hello, err := half.Hello(nil)
		ztest.Must(t, err)
		_, err = nc.Write(append(greetingOf("CURVE"), frame(4, hello)...))
		ztest.Must(t, err)
		welcome := make([]byte, 64+2+168)
		_, err = io.ReadFull(nc, welcome)
		ztest.Must(t, err)
		initiate, err := half.HandleWelcome(nil, welcome[66:], metadata)
		ztest.Must(t, err)
		conns[i], initiates[i] = nc, frame(4, initiate)
	}

	for i, nc := range conns {
		_, err := nc.Write(initiates[i])
		ztest.Must(t, err)
		ztest.Receive(t, "the handler is asked", asked)
	}
	each := (memory()-before)/peers - len(initiates[0]) // of which the last is this side's
	t.Logf("%d KiB for each peer about whom the handler decides", each>>10)
	if each > most {
		t.Errorf("%d bytes for each, want at most %d", each, most)
	}
	runtime.KeepAlive(initiates)

	// Peers that send all that they may except the last byte.
	before = memory()
	var greeted []net.Conn
	for range peers {
		nc, err := net.Dial("tcp", strings.TrimPrefix(ln.Endpoint(), "tcp://"))
		ztest.Must(t, err)
		defer nc.Close()
		_, err = nc.Write(append(binary.BigEndian.AppendUint64(append(greetingOf("CURVE"), 6), 16<<10+512), make([]byte, 16<<10+500)...))
		ztest.Must(t, err)
		_, err = io.ReadFull(nc, make([]byte, 64))
		ztest.Must(t, err)
		greeted = append(greeted, nc)
	}
	each = (memory() - before) / peers
	t.Logf("%d KiB for each silent peer", each>>10)
	if each > most {
		t.Errorf("%d bytes for each, want at most %d", each, most)
	}
	runtime.KeepAlive(greeted)
}

// memory returns how much memory the process uses, without garbage.
func memory() int {
	var m runtime.MemStats
	for range 3 { // what is in a sync.Pool outlives one collection
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}
