package curve

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"testing"

	"golang.org/x/crypto/nacl/box"
)

// boxSizes are payload sizes: all small ones, those around Salsa20's and the
// assembly's blocks, and large ones.
func boxSizes() []int {
	var sizes []int
	for n := range 201 {
		sizes = append(sizes, n)
	}
	for _, n := range []int{223, 255, 256, 257, 479, 511, 512, 1023, 4096, share, 2 * share, 2*share + stretch, 1 << 20} {
		sizes = append(sizes, n-1, n, n+1)
	}
	for range 50 {
		sizes = append(sizes, mathrand.IntN(10_000))
	}
	return sizes
}

func randomOctets(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func randomSharedKey() *sharedKey {
	return &sharedKey{secret{(*[KeySize]byte)(randomOctets(KeySize))}}
}

// TestSharedKey compares the key of boxes with that of nacl/box.
func TestSharedKey(t *testing.T) {
	t.Parallel()
	for range 20 {
		a, b := GenerateKey(), GenerateKey()
		var want [32]byte
		box.Precompute(&want, (*[32]byte)(public(b)), a.key.octets)
		if got := *newSharedKey(public(b), a.key.octets).key.octets; got != want {
			t.Errorf("got %x, want %x", got, want)
		}
		if got := *newSharedKey(public(a), b.key.octets).key.octets; got != want {
			t.Errorf("the other side got %x, want %x", got, want)
		}
	}
}

// TestCipherIsBox checks that a MESSAGE has the same bytes as nacl/box makes from
// flags and payload, and that each opens what the other made.
func TestCipherIsBox(t *testing.T) {
	t.Parallel()
	for _, n := range boxSizes() {
		for _, prefix := range []string{clientMessagePrefix, serverMessagePrefix} {
			shared := randomSharedKey()
			c := newMessageCipher(shared, prefix)
			payload := randomOctets(n)
			counter := mathrand.Uint64()
			flags := byte(mathrand.IntN(4))
			nonce := shortNonce(prefix, counter)

			sealed := c.seal(nil, counter, flags, payload)
			want := append([]byte(messageName), nonce[16:]...)
			want = box.SealAfterPrecomputation(want, append([]byte{flags}, payload...), &nonce, shared.key.octets)
			if !bytes.Equal(sealed, want) {
				t.Fatalf("%d bytes: sealed as\n%x, want\n%x", n, sealed, want)
			}
			opened, gotFlags, err := c.open(nil, sealed[16:], counter)
			if err != nil || gotFlags != flags || !bytes.Equal(opened, payload) {
				t.Fatalf("%d bytes: flags %d, error %v, payload %x, want %x", n, gotFlags, err, opened, payload)
			}
		}
	}
}

// TestCipherAppends checks that sealing and opening keep what dst holds, do not depend
// on the content of its spare capacity, and allocate nothing if that is large enough.
func TestCipherAppends(t *testing.T) {
	t.Parallel()
	c := newMessageCipher(randomSharedKey(), clientMessagePrefix)
	for _, n := range []int{0, 1, 30, 31, 32, 33, 300} {
		payload := randomOctets(n)
		want := c.seal(nil, 7, FlagMore, payload)
		for _, room := range []int{0, n, n + MessageOverhead, n + 500} {
			t.Run(fmt.Sprintf("%d bytes, room for %d", n, room), func(t *testing.T) {
				dst := append(make([]byte, 0, 6+room), "before"...)
				copy(dst[6:cap(dst)], randomOctets(room))
				got := c.seal(dst, 7, FlagMore, payload)
				if !bytes.Equal(got, append([]byte("before"), want...)) {
					t.Errorf("sealed as %x", got)
				}
				if room >= n+MessageOverhead && &got[0] != &dst[0] {
					t.Error("seal allocated")
				}
				opened, _, err := c.open(dst, want[16:], 7)
				if err != nil || !bytes.Equal(opened, append([]byte("before"), payload...)) {
					t.Errorf("opened as %x, %v", opened, err)
				}
				if room >= n && &opened[0] != &dst[0] {
					t.Error("open allocated")
				}
			})
		}
	}
	// A message may be opened where it lies.
	for _, n := range boxSizes() {
		payload := randomOctets(n)
		message := c.seal(nil, 8, FlagMore, payload)
		opened, _, err := c.open(message[MessageOverhead:MessageOverhead], message[16:], 8)
		if err != nil || !bytes.Equal(opened, payload) {
			t.Fatalf("%d bytes opened in place as %x, %v", n, opened, err)
		}
		if n > 0 && &opened[0] != &message[MessageOverhead] {
			t.Fatalf("%d bytes: opened elsewhere", n)
		}
	}
}

// TestCipherRefuses checks that a message that does not verify, or has reserved flags,
// leaves no byte of plaintext behind.
func TestCipherRefuses(t *testing.T) {
	t.Parallel()
	c := newMessageCipher(randomSharedKey(), serverMessagePrefix)
	payload := randomOctets(200)
	forged := c.seal(nil, 3, 0, payload)[16:]
	forged[len(forged)-1] ^= 1
	tests := []struct {
		name string
		box  []byte
		want error
	}{
		{"altered", forged, errBox},
		{"other counter", c.seal(nil, 4, 0, payload)[16:], errBox},
	}
	for bit := 2; bit < 8; bit++ {
		flags := byte(1)<<bit | FlagMore
		tests = append(tests, struct {
			name string
			box  []byte
			want error
		}{fmt.Sprintf("flags %#02x", flags), c.seal(nil, 3, flags, payload)[16:], errFlags})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			buf := bytes.Repeat([]byte{0xaa}, 300)
			out, flags, err := c.open(buf[:6], tt.box, 3)
			if !errors.Is(err, tt.want) || flags != 0 || len(out) != 6 {
				t.Errorf("got %d bytes, flags %d, error %v, want %v", len(out), flags, err, tt.want)
			}
			if !bytes.Equal(buf, bytes.Repeat([]byte{0xaa}, 300)) {
				t.Error("wrote into dst")
			}
		})
	}
}
