package curve

import (
	"crypto/subtle"
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"

	//lint:ignore SA1019 Salsa20 is what NaCl's box, and so CurveZMQ, is made of
	"golang.org/x/crypto/salsa20/salsa"
)

const (
	// block is how many bytes Salsa20 makes at a time.
	block = 64
	// stretch is how many bytes the assembly of x/crypto makes at a time where it can, in
	// about the time of two single blocks. A part of a block takes it longer than a whole
	// one, so the end of a message gets its own stretch.
	stretch = 4 * block
)

// stream is the Salsa20 key stream of one message.
type stream struct {
	key   *[KeySize]byte
	nonce uint64
}

// streamKey derives the key of the streams of all messages whose nonces begin with these 16
// bytes, as XSalsa20 does.
func streamKey(shared *sharedKey, prefix string) secret {
	key := newSecret()
	var nonce [16]byte
	copy(nonce[:], prefix)
	salsa.HSalsa20(key.octets, &nonce, shared.key.octets, &salsa.Sigma)
	return key
}

// input returns Salsa20's input block at the stretch of this number: the rest of the nonce,
// and the number of its first block.
func (s stream) input(at uint64) (in [16]byte) {
	binary.BigEndian.PutUint64(in[:], s.nonce)
	binary.LittleEndian.PutUint64(in[8:], at*(stretch/block))
	return in
}

// fill puts at least n bytes of the stream, from the stretch of this number on, into buf,
// which is all zero.
func (s stream) fill(buf *[stretch]byte, n int, at uint64) {
	switch {
	case n <= block:
		n = block
	case n <= 2*block:
		n = 2 * block
	default:
		n = stretch
	}
	in := s.input(at)
	salsa.XORKeyStream(buf[:n], buf[:n], &in, s.key)
}

// xor encrypts or decrypts src into dst, which are the same or do not overlap. src begins at
// the stretch of this number.
func (s stream) xor(dst, src []byte, at uint64) {
	whole := len(src) / stretch * stretch
	if whole > 0 {
		s.xorWhole(dst[:whole], src[:whole], at)
	}
	if whole < len(src) {
		var last [stretch]byte
		s.fill(&last, len(src)-whole, at+uint64(whole/stretch))
		subtle.XORBytes(dst[whole:], src[whole:], last[:])
	}
}

// share is how much work is worth another core: about 60 µs. From 256 KiB on, two free cores
// save a quarter of a message's time or more. If all cores are busy anyway, sharing costs a
// few percent. Below that size it costs as much as it gains.
const share = 256 * stretch

// xorWhole is xor for whole stretches. It shares large work between cores.
func (s stream) xorWhole(dst, src []byte, at uint64) {
	parts := len(src) / share
	if parts > 1 {
		parts = min(parts, runtime.GOMAXPROCS(0)) // not a cheap call
	}
	if parts < 2 {
		in := s.input(at)
		salsa.XORKeyStream(dst, src, &in, s.key)
		return
	}
	w := works.Get().(*work)
	w.stream, w.dst, w.src, w.at = s, dst, src, at
	w.next.Store(0)
	w.helpers.Add(parts - 1)
	for range parts - 1 {
		go w.help()
	}
	w.do()
	w.helpers.Wait()
	w.stream, w.dst, w.src = stream{}, nil, nil
	works.Put(w)
}

// work is a large xor that several goroutines share, and that all have left when xorWhole
// returns. Each takes the next piece until none is left, so the others need not wait long for
// one that the operating system does not run.
type work struct {
	stream
	dst, src []byte
	at       uint64
	next     atomic.Int64 // number of the next piece
	helpers  sync.WaitGroup
	help     func() // calls do; made once, because a closure allocates
}

var works = sync.Pool{New: func() any {
	w := new(work)
	w.help = func() {
		defer w.helpers.Done()
		w.do()
	}
	return w
}}

// piece is how many bytes a goroutine takes at a time.
const piece = share / 4

// do works on pieces until none is left.
func (w *work) do() {
	for {
		begin := int(w.next.Add(1)-1) * piece
		if begin >= len(w.src) {
			return
		}
		end := min(begin+piece, len(w.src))
		in := w.input(w.at + uint64(begin/stretch))
		salsa.XORKeyStream(w.dst[begin:end], w.src[begin:end], &in, w.key)
	}
}
