package zmtp

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// TestPatience checks that this side waits for a peer that says nothing before it has
// the whole greeting, but not forever, whether or not the operating system buffers
// what is written.
func TestPatience(t *testing.T) {
	t.Parallel()
	for _, asServer := range []bool{false, true} {
		for name, greet := range map[string]func(*handshake, []byte) error{"in turn": (*handshake).greetInTurn, "at once": (*handshake).greetAtOnce} {
			t.Run(map[bool]string{false: "client ", true: "server "}[asServer]+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					a, b := net.Pipe()
					defer a.Close()
					defer b.Close()
					go func() {
						if _, err := io.ReadFull(a, make([]byte, greetingSize)); err != nil {
							t.Error(err)
						}
						a.Write(appendGreeting(nil, zap.Null, false))
						a.Write(append([]byte{flagCommand, 6}, "\x05READY"...))
						io.Copy(io.Discard, a)
					}()
					cfg, err := Config{SocketType: "DEALER", Mechanism: zap.Null}.withDefaults(asServer)
					ztest.Must(t, err)
					h := &handshake{nc: b, cfg: cfg, asServer: asServer, in: newFrameReader(b)}
					start := time.Now()
					ztest.Must(t, greet(h, appendGreeting(nil, zap.Null, false)))
					if took := time.Since(start); took != greetingPatience || took >= defaultHandshakeTimeout {
						t.Errorf("waited %v, want %v", took, greetingPatience)
					}
					ztest.Must(t, h.null(t.Context()))
				})
			})
		}
	}
}
