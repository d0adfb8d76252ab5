package main

import (
	"context"
	"time"

	//lint:ignore SA1019 NaCl's box uses it
	"golang.org/x/crypto/poly1305"
	//lint:ignore SA1019 NaCl's box uses it
	"golang.org/x/crypto/salsa20/salsa"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// limit compares the throughput with what the primitives of x/crypto allow.
func (l *lab) limit() *section {
	s := &section{
		name: "limit",
		note: "Each end applies Salsa20 and Poly1305 to each message, on its own core. " +
			"The time that x/crypto takes for this is the least possible time of a message with zcurve at both ends.",
		columns: []column{
			{name: "Salsa20 + Poly1305 ns", spread: true},
			{name: "message ns", spread: true},
			{name: "share", spread: true},
		},
	}
	duration := 200 * time.Millisecond
	if l.short {
		duration = 50 * time.Millisecond
	}
	for _, size := range sizes {
		text := size.length + 1 // with the flags
		buf := make([]byte, 32+text)
		var key [32]byte
		var nonce, tag [16]byte
		both := operation{once: func(int) error {
			// 32 bytes of the stream are Poly1305's key.
			salsa.XORKeyStream(buf, buf, &nonce, &key)
			poly1305.Sum(&tag, buf[32:], &key)
			return nil
		}}
		s.rows = append(s.rows, row{name: size.name, variants: []variant{{"zcurve → zcurve", func(ctx context.Context) (sample, error) {
			primitives, err := timed(duration, max(1, batchBytes/(size.length+curve.MessageOverhead)), both)
			if err != nil {
				return nil, err
			}
			rate, err := l.rate(ctx, zcurve, zcurve, zap.Curve, size)
			return sample{primitives, 1e9 / rate, primitives * rate / 1e9}, err
		}}}})
	}
	return s
}
