package curve

import (
	"fmt"
	"testing"

	"golang.org/x/crypto/nacl/box"
)

var benchmarkSizes = []int{64, 1 << 10, 64 << 10, 128 << 10, 256 << 10, 1 << 20}

// BenchmarkSeal measures Seal beside nacl/box, which derives the subkey for every
// message.
func BenchmarkSeal(b *testing.B) {
	for _, n := range benchmarkSizes {
		b.Run(fmt.Sprintf("session/%d", n), func(b *testing.B) {
			client, _ := newSessions(b)
			payload, buf := randomOctets(n), make([]byte, 0, n+MessageOverhead)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.Seal(buf, FlagMore, payload); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("nacl-box/%d", n), func(b *testing.B) {
			shared := [KeySize]byte(randomOctets(KeySize))
			payload, buf := randomOctets(n+1), make([]byte, 0, n+MessageOverhead)
			var counter uint64
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				counter++
				nonce := shortNonce(clientMessagePrefix, counter)
				box.SealAfterPrecomputation(buf, payload, &nonce, &shared)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range benchmarkSizes {
		b.Run(fmt.Sprintf("session/%d", n), func(b *testing.B) {
			client, server := newSessions(b)
			message, err := client.Seal(nil, FlagMore, randomOctets(n))
			if err != nil {
				b.Fatal(err)
			}
			last, buf := server.receive.last, make([]byte, 0, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				server.receive.last = last
				if _, _, err := server.Open(buf, message); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("nacl-box/%d", n), func(b *testing.B) {
			shared := [KeySize]byte(randomOctets(KeySize))
			nonce := shortNonce(clientMessagePrefix, 3)
			sealed, buf := box.SealAfterPrecomputation(nil, randomOctets(n+1), &nonce, &shared), make([]byte, 0, n+1)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := box.OpenAfterPrecomputation(buf, sealed, &nonce, &shared); !ok {
					b.Fatal("does not open")
				}
			}
		})
	}
}

// BenchmarkHello measures what a HELLO costs the server.
func BenchmarkHello(b *testing.B) {
	p := newPair(b)
	hello, err := p.client.Hello(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.server.Handshake().HandleHello(nil, hello); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInitiate measures what an INITIATE and its READY cost the server.
func BenchmarkInitiate(b *testing.B) {
	p := newPair(b)
	hello, err := p.client.Hello(nil)
	if err != nil {
		b.Fatal(err)
	}
	begun := p.server.Handshake()
	welcome, err := begun.HandleHello(nil, hello)
	if err != nil {
		b.Fatal(err)
	}
	initiate, err := p.client.HandleWelcome(nil, welcome, []byte("client metadata"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		clear(p.server.cookies.current.used)
		h := &Handshake{server: p.server, due: dueInitiate, counter: begun.counter, sent: begun.sent}
		if _, _, err := h.HandleInitiate(initiate); err != nil {
			b.Fatal(err)
		}
		if _, _, _, err := h.Ready(nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClient measures what a handshake costs the client, without READY.
func BenchmarkClient(b *testing.B) {
	p := newPair(b)
	welcome, _ := p.toWelcome(b)
	b.ReportAllocs()
	for b.Loop() {
		client, err := NewClient(p.client.key, p.client.server)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := client.Hello(nil); err != nil {
			b.Fatal(err)
		}
		if _, err := p.client.clone().HandleWelcome(nil, welcome, nil); err != nil {
			b.Fatal(err)
		}
	}
}
