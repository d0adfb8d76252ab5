package zmtp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	mathrand "math/rand/v2"
	"net"
	"testing"

	"golang.org/x/crypto/nacl/box"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// boxPeer is a CURVE client made of nacl/box alone: each of its commands is a plain call of
// it, as in RFC 26.
type boxPeer struct {
	nc             net.Conn
	shared         [32]byte // of c' and S'
	binding        [32]byte
	sent, received uint64 // counters
}

func nonce(prefix string, rest []byte) *[24]byte {
	return (*[24]byte)(append([]byte(prefix), rest...))
}

func short(counter uint64) []byte { return binary.BigEndian.AppendUint64(nil, counter) }

// readFrame reads a frame.
func readFrame(r io.Reader) (flags byte, body []byte, err error) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1])
	if head[0]&2 != 0 {
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(head[1:])
	}
	body = make([]byte, size)
	_, err = io.ReadFull(r, body)
	return head[0], body, err
}

// newBoxPeer shakes hands with the server that has this key.
func newBoxPeer(nc net.Conn, serverKey curve.PublicKey) (*boxPeer, error) {
	p := &boxPeer{nc: nc, sent: 2}
	permanent, permanentSecret, _ := box.GenerateKey(rand.Reader)
	transient, transientSecret, _ := box.GenerateKey(rand.Reader)
	S := [32]byte(serverKey)

	hello := append([]byte("\x05HELLO\x01\x00"), make([]byte, 72)...)
	hello = append(append(hello, transient[:]...), short(1)...)
	hello = box.Seal(hello, make([]byte, 64), nonce("CurveZMQHELLO---", short(1)), &S, transientSecret)
	go nc.Write(append(greetingOf("CURVE"), frame(4, hello)...))
	if _, err := io.ReadFull(nc, make([]byte, 64)); err != nil {
		return nil, err
	}
	_, welcome, err := readFrame(nc)
	if err != nil {
		return nil, err
	}
	opened, ok := box.Open(nil, welcome[24:], nonce("WELCOME-", welcome[8:24]), &S, transientSecret)
	if !ok {
		return nil, io.ErrUnexpectedEOF
	}
	serverTransient := [32]byte(opened)
	box.Precompute(&p.shared, &serverTransient, transientSecret)
	keys := [][]byte{permanent[:], S[:], transient[:], serverTransient[:]}
	p.binding = sha256.Sum256(append([]byte("CurveZMQ channel binding 1"), bytes.Join(keys, nil)...))

	vouch := box.Seal(nil, append(transient[:], S[:]...), nonce("VOUCH---", make([]byte, 16)), &serverTransient, permanentSecret)
	text := append(append(permanent[:], make([]byte, 16)...), vouch...)
	text = append(text, "\x0bSocket-Type\x00\x00\x00\x06DEALER"...)
	initiate := append([]byte("\x08INITIATE"), opened[32:]...)
	initiate = append(initiate, short(2)...)
	initiate = box.SealAfterPrecomputation(initiate, text, nonce("CurveZMQINITIATE", short(2)), &p.shared)
	if _, err := nc.Write(frame(4, initiate)); err != nil {
		return nil, err
	}
	_, ready, err := readFrame(nc)
	if err != nil {
		return nil, err
	}
	p.received = binary.BigEndian.Uint64(ready[6:])
	if _, ok := box.OpenAfterPrecomputation(nil, ready[14:], nonce("CurveZMQREADY---", ready[6:14]), &p.shared); !ok {
		return nil, io.ErrUnexpectedEOF
	}
	return p, nil
}

// appendMessage appends the frames of a message.
func (p *boxPeer) appendMessage(dst []byte, message [][]byte) []byte {
	for i, part := range message {
		p.sent++
		flags := byte(0)
		if i < len(message)-1 {
			flags = 1
		}
		body := append([]byte("\x07MESSAGE"), short(p.sent)...)
		body = box.SealAfterPrecomputation(body, append([]byte{flags}, part...), nonce("CurveZMQMESSAGEC", short(p.sent)), &p.shared)
		dst = append(dst, frame(0, body)...)
	}
	return dst
}

// readMessage reads a message. It fails the test if a single bit of a frame is wrong.
func (p *boxPeer) readMessage(t *testing.T) (message [][]byte) {
	for {
		outer, body, err := readFrame(p.nc)
		if err != nil {
			t.Error(err)
			return nil
		}
		p.received++
		want := append([]byte("\x07MESSAGE"), short(p.received)...)
		text, ok := box.OpenAfterPrecomputation(nil, body[16:], nonce("CurveZMQMESSAGES", short(p.received)), &p.shared)
		if !ok || !bytes.HasPrefix(body, want) || outer&^2 != 0 || text[0]&^1 != 0 {
			t.Errorf("message %d: flags %#x, begins with %q, opens: %v", p.received, outer, body[:16], ok)
			return nil
		}
		message = append(message, text[1:])
		if text[0] == 0 {
			return message
		}
	}
}

// randomSize returns a size that is mostly small, sometimes around that of a buffer, and
// rarely large.
func randomSize(rnd *mathrand.Rand) int {
	switch rnd.IntN(100) {
	case 0:
		return rnd.IntN(1 << 20)
	case 1, 2, 3:
		return 64<<10 - 100 + rnd.IntN(200)
	case 4, 5, 6, 7, 8, 9, 10, 11, 12:
		return rnd.IntN(10_000)
	default:
		return rnd.IntN(400)
	}
}

// randomMessages returns messages of random number, parts and sizes.
func randomMessages(rnd *mathrand.Rand) [][][]byte {
	messages := make([][][]byte, 1+rnd.IntN(40))
	for i := range messages {
		messages[i] = make([][]byte, 1+max(0, rnd.IntN(20)-15))
		for j := range messages[i] {
			part := make([]byte, randomSize(rnd))
			for k := 0; k+8 <= len(part); k += 8 {
				binary.LittleEndian.PutUint64(part[k:], rnd.Uint64())
			}
			messages[i][j] = part
		}
	}
	return messages
}

// TestBoxProperty checks that a Conn sends what nacl/box makes, and receives what
// nacl/box has made, by Recv and by RecvBatch, whatever the sizes, the batches and the
// places where the stream is split.
func TestBoxProperty(t *testing.T) {
	t.Parallel()
	rounds := 150
	if testing.Short() {
		rounds = 30
	}
	for _, network := range []string{"tcp", "pipe"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			seed := mathrand.Uint64()
			t.Logf("seed %d", seed)
			rnd := mathrand.New(mathrand.NewPCG(seed, 0))
			p, s := connectBox(t, network)
			for range rounds {
				toBoxPeer(t, rnd, p, s)
				fromBoxPeer(t, rnd, p, s)
				if t.Failed() {
					return
				}
			}
		})
	}
}

// connectBox returns a boxPeer and a Conn that are connected.
func connectBox(t *testing.T, network string) (*boxPeer, *zmtp.Conn) {
	t.Helper()
	a, b := net.Pipe()
	if network == "tcp" {
		a, b = tcpPair(t)
	}
	_, cfg := configs(zap.Curve, "DEALER", "DEALER")
	peers := make(chan *boxPeer, 1)
	go func() {
		p, err := newBoxPeer(a, cfg.Key.Public())
		if err != nil {
			t.Error(err)
		}
		peers <- p
	}()
	s, err := zmtp.Server(ztest.Context(t), b, cfg)
	p := <-peers
	if err != nil || p == nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); s.Close() })
	return p, s
}

func toBoxPeer(t *testing.T, rnd *mathrand.Rand, p *boxPeer, s *zmtp.Conn) {
	messages := randomMessages(rnd)
	send := make([]bool, len(messages))
	for i := range send {
		send[i] = rnd.IntN(10) == 0
	}
	done := make(chan error, 1)
	go func() {
		ctx := context.Background()
		for i, message := range messages {
			call := s.Queue
			if send[i] {
				call = s.Send
			}
			if err := call(ctx, message...); err != nil {
				done <- err
				return
			}
		}
		done <- s.Flush(ctx)
	}()
	for i, want := range messages {
		if got := p.readMessage(t); !same(got, want) {
			t.Errorf("message %d: nacl/box opens another", i)
			return
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func fromBoxPeer(t *testing.T, rnd *mathrand.Rand, p *boxPeer, s *zmtp.Conn) {
	messages := randomMessages(rnd)
	var stream []byte
	for _, message := range messages {
		stream = p.appendMessage(stream, message)
	}
	most := []int{1 + len(stream), 1 << 16, 1 << 10}[rnd.IntN(3)]
	var pieces []int
	for left := len(stream); left > 0; {
		n := 1 + rnd.IntN(min(left, most))
		pieces = append(pieces, n)
		left -= n
	}
	go func() {
		for _, n := range pieces {
			p.nc.Write(stream[:n])
			stream = stream[n:]
		}
	}()
	for i := 0; i < len(messages); {
		ctx, cancel := context.WithCancel(context.Background())
		var batch [][][]byte
		var err error
		if rnd.IntN(3) == 0 {
			var message [][]byte
			message, err = s.Recv(ctx)
			batch = [][][]byte{message}
		} else {
			batch, err = s.RecvBatch(ctx)
		}
		cancel()
		if err != nil {
			t.Error(err)
			return
		}
		for _, got := range batch {
			if i >= len(messages) || !same(got, messages[i]) {
				t.Errorf("message %d arrived as another", i)
				return
			}
			i++
		}
	}
}
