package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"strconv"
	"time"

	"github.com/cloudflare/circl/dh/x25519"
	"golang.org/x/crypto/nacl/box"
	//lint:ignore SA1019 NaCl's box uses it
	"golang.org/x/crypto/poly1305"
	//lint:ignore SA1019 NaCl's box uses it
	"golang.org/x/crypto/salsa20/salsa"
)

// libsodium makes the C program time an operation.
func (p *peers) libsodium(ctx context.Context, name string, duration time.Duration) (ns float64, err error) {
	g := p.newGroup(ctx)
	defer g.end()
	c, err := g.start(p.sodium, strconv.FormatInt(duration.Milliseconds(), 10), name)
	if err != nil {
		return 0, err
	}
	var result struct{ NS float64 }
	err = c.result(&result)
	return result.NS, err
}

// operation is timed in batches.
type operation struct {
	name    string
	prepare func() error // runs before each batch, not timed; may be nil
	once    func(i int) error
}

// batchBytes is the number of bytes that a batch works on: small enough for the processor's
// cache, large enough for the clock's cost not to matter.
const batchBytes = 32 << 10

// timed repeats an operation for about the given time, after a tenth of that to warm up. It
// returns the nanoseconds for one operation.
func timed(duration time.Duration, batch int, op operation) (ns float64, err error) {
	var total, spent time.Duration
	done := 0
	for start := time.Now(); spent < duration; {
		if op.prepare != nil {
			if err := op.prepare(); err != nil {
				return 0, err
			}
		}
		began := time.Now()
		for i := range batch {
			if err := op.once(i); err != nil {
				return 0, err
			}
		}
		took := time.Since(began)
		if time.Since(start) < duration/10 {
			continue
		}
		total += took
		done += batch
		spent = time.Since(start)
	}
	return float64(total.Nanoseconds()) / float64(done), nil
}

// primitives measures the cryptography itself.
func (l *lab) primitives() (*section, error) {
	duration := 300 * time.Millisecond
	if l.short {
		duration = 50 * time.Millisecond
	}
	s := &section{
		name:    "primitives",
		note:    "Nanoseconds for one operation, compared with libsodium, which libzmq uses. curve.Sealer and curve.Opener handle whole MESSAGE commands.",
		columns: []column{{name: "ns", spread: true, ratio: true}},
	}
	add := func(name string, batch int, operations ...operation) {
		r := row{name: name, variants: []variant{{"libsodium", func(ctx context.Context) (sample, error) {
			ns, err := l.libsodium(ctx, name, duration)
			return sample{ns}, err
		}}}}
		for _, op := range operations {
			r.variants = append(r.variants, variant{op.name, func(context.Context) (sample, error) {
				ns, err := timed(duration, batch, op)
				return sample{ns}, err
			}})
		}
		s.rows = append(s.rows, r)
	}
	for _, size := range []size{sizes[0], sizes[2], sizes[4], sizes[5]} {
		batch := max(1, batchBytes/size.length)
		session, err := newSessionBench(size.length, batch)
		if err != nil {
			return nil, err
		}
		nacl := newBoxBench(size.length)
		add("seal "+size.name, batch,
			operation{name: "curve.Sealer", once: session.seal}, operation{name: "nacl/box", once: nacl.seal})
		add("open "+size.name, batch,
			operation{name: "curve.Opener", prepare: session.sealAll, once: session.open}, operation{name: "nacl/box", once: nacl.open})
	}

	in, out := make([]byte, 64<<10), make([]byte, 64<<10)
	var key [32]byte
	var nonce, tag [16]byte
	rand.Read(key[:])
	add("salsa20 64 KiB", 1, operation{name: "x/crypto", once: func(int) error {
		salsa.XORKeyStream(out, in, &nonce, &key)
		return nil
	}})
	add("poly1305 64 KiB", 1, operation{name: "x/crypto", once: func(int) error {
		poly1305.Sum(&tag, in, &key)
		return nil
	}})

	var public, secret, shared x25519.Key
	copy(secret[:], key[:])
	x25519.KeyGen(&public, &secret)
	standard := ecdh.X25519()
	standardSecret, err1 := standard.NewPrivateKey(key[:])
	standardPublic, err2 := standard.NewPublicKey(public[:])
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	add("x25519 shared secret", 16,
		operation{name: "circl", once: func(int) error {
			x25519.Shared(&shared, &secret, &public)
			return nil
		}},
		operation{name: "crypto/ecdh", once: func(int) error {
			_, err := standardSecret.ECDH(standardPublic)
			return err
		}})
	add("x25519 public key", 16,
		operation{name: "circl", once: func(int) error {
			x25519.KeyGen(&public, &secret)
			return nil
		}},
		operation{name: "crypto/ecdh", once: func(int) error {
			secret, err := standard.NewPrivateKey(key[:])
			if err != nil {
				return err
			}
			secret.PublicKey()
			return nil
		}})
	return s, nil
}

// boxBench seals and opens with nacl/box.
type boxBench struct {
	payload, sealed, buf []byte
	nonce                [24]byte
	key                  [32]byte
}

func newBoxBench(length int) *boxBench {
	b := &boxBench{payload: make([]byte, length), buf: make([]byte, 0, length+box.Overhead)}
	b.sealed = box.SealAfterPrecomputation(nil, b.payload, &b.nonce, &b.key)
	return b
}

func (b *boxBench) seal(int) error {
	box.SealAfterPrecomputation(b.buf, b.payload, &b.nonce, &b.key)
	return nil
}

func (b *boxBench) open(int) error {
	if _, ok := box.OpenAfterPrecomputation(b.buf, b.sealed, &b.nonce, &b.key); !ok {
		return errors.New("bench: nacl/box: the box doesn't open")
	}
	return nil
}
