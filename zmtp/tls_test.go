package zmtp_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// tlsPipe is a connection of TLS over net.Pipe, of which b can be stopped from reading.
func tlsPipe(t *testing.T) (a *tls.Conn, b *tls.Conn, slow *stopping) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ztest.Must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ztest.Must(t, err)
	x, y := net.Pipe()
	slow = &stopping{Conn: y, left: 1 << 30, on: make(chan struct{})}
	a = tls.Client(x, &tls.Config{InsecureSkipVerify: true})
	b = tls.Server(slow, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	return a, b, slow
}

// TestTLS checks that calls over a tls.Conn, whose writes must not be interrupted, end
// with their contexts, that what they sent arrives, and that a peer that does not read
// is given up.
func TestTLS(t *testing.T) {
	t.Parallel()
	for name, message := range map[string][]byte{"small": []byte("small"), "large": pattern(1 << 20)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, server := configs(zap.Null, "DEALER", "DEALER")
				a, b, slow := tlsPipe(t)
				c, s := connectOver(t, a, b, client, server)
				slow.left = 0
				start := time.Now()
				if err := c.Send(within(t, time.Second), message); !errors.Is(err, zmtp.ErrQueued) || time.Since(start) != time.Second {
					t.Errorf("got %v after %v", err, time.Since(start))
				}
				close(slow.on)
				go c.Send(t.Context(), []byte("next"))
				for _, want := range [][]byte{message, []byte("next")} {
					if got, err := s.Recv(within(t, time.Minute)); err != nil || !bytes.Equal(got[0], want) {
						t.Fatalf("got %d parts, %v", len(got), err)
					}
				}
			})
		})
	}
	t.Run("stalled", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			client, server := configs(zap.Null, "DEALER", "DEALER")
			client.HeartbeatInterval = time.Second
			a, b, slow := tlsPipe(t)
			c, _ := connectOver(t, a, b, client, server)
			slow.left = 100_000
			start := time.Now()
			if err := c.Send(context.Background(), pattern(1<<20)); !errors.Is(err, zmtp.ErrHeartbeat) || time.Since(start) > 3*time.Second {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
			close(slow.on)
		})
	})
	t.Run("CloseNow", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			client, server := configs(zap.Null, "DEALER", "DEALER")
			a, b, slow := tlsPipe(t)
			c, _ := connectOver(t, a, b, client, server)
			slow.left = 0
			start := time.Now()
			c.CloseNow()
			if took := time.Since(start); took != 0 {
				t.Errorf("it took %v", took)
			}
			close(slow.on)
		})
	})
}

// spoilt is a net.Conn that doesn't go on after an interrupted write, as a tls.Conn in
// another.
type spoilt struct{ net.Conn }

func (s *spoilt) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	if err != nil {
		s.Conn.SetWriteDeadline(time.Unix(1, 0))
	}
	return n, err
}

func (s *spoilt) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		return nil // nothing takes it back
	}
	return s.Conn.SetWriteDeadline(t)
}

// TestSpoiltByInterruption checks that a net.Conn that does not continue after an
// interrupted write ends the connection, and is not tried forever.
func TestSpoiltByInterruption(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, server := configs(zap.Null, "DEALER", "DEALER")
		a, b := net.Pipe()
		c, _ := connectOver(t, &spoilt{a}, b, client, server)
		if err := c.Send(within(t, time.Second), []byte("x")); !errors.Is(err, zmtp.ErrQueued) {
			t.Error(err)
		}
		if _, err := c.Recv(within(t, time.Second)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the connection goes on: %v", err)
		}
	})
}
