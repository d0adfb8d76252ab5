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
	// block is what Salsa20 makes at a time.
	block = 64
	// stretch is what the assembly of x/crypto makes at a time where it can, in
	// about the time of two single blocks. A part of a block costs it more than
	// a whole one. So the end of a message is done in a stretch of its own.
	stretch = 4 * block
)

// stream is the part of Salsa20's key stream that belongs to one message.
type stream struct {
	key   *[KeySize]byte
	nonce uint64
}

// streamKey derives the key of the streams of all messages whose nonces begin
// with these 16 octets, as XSalsa20 does.
func streamKey(shared *sharedKey, prefix string) secret {
	key := newSecret()
	var nonce [16]byte
	copy(nonce[:], prefix)
	salsa.HSalsa20(key.octets, &nonce, shared.key.octets, &salsa.Sigma)
	return key
}

// input makes Salsa20's input block for what begins at this stretch: the rest
// of the nonce, and the block number.
func (s stream) input(at uint64) (in [16]byte) {
	binary.BigEndian.PutUint64(in[:], s.nonce)
	binary.LittleEndian.PutUint64(in[8:], at*(stretch/block))
	return in
}

// fill puts the octets of the stream from this stretch on into buf, which is all
// zero: n of them, and maybe more.
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

// xor encrypts or decrypts src into dst, which are one and the same or don't
// overlap. src begins at this stretch.
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

// share is how much work makes another core worth while: some 60 µs of it. From
// 256 KiB on two free cores save a quarter of a message's time and more. Where
// all cores are busy anyway it costs a few percent, and below that size as much as
// it gains.
const share = 256 * stretch

// xorWhole is xor for whole stretches. Where there is enough to do, and more
// than one core to do it, it is done in parts at the same time.
func (s stream) xorWhole(dst, src []byte, at uint64) {
	parts := len(src) / share
	if parts > 1 {
		parts = min(parts, runtime.GOMAXPROCS(0)) // which isn't cheap to ask
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

// work is a large xor that several goroutines take pieces of. All have ended
// when xorWhole returns. They take what is left, and so nobody waits long for one
// that the operating system doesn't run.
type work struct {
	stream
	dst, src []byte
	at       uint64
	next     atomic.Int64 // piece that nobody has taken
	helpers  sync.WaitGroup
	help     func() // do, then leave helpers; made once, since making it allocates
}

var works = sync.Pool{New: func() any {
	w := new(work)
	w.help = func() {
		defer w.helpers.Done()
		w.do()
	}
	return w
}}

// piece is what is taken at a time.
const piece = share / 4

// do takes pieces until none is left.
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
