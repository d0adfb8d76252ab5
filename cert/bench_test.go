package cert

import (
	"testing"
	"time"
)

// benchText is a signed public certificate.
func benchText(b *testing.B) []byte {
	b.Helper()
	c := signed(b, item{"email", "alice@example.org"}, item{"group", "traders"})
	return []byte(public(b, c))
}

// BenchmarkParse reads a signed public certificate.
func BenchmarkParse(b *testing.B) {
	text := benchText(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify reads a signed public certificate and checks all of it.
func BenchmarkVerify(b *testing.B) {
	text := benchText(b)
	fresh := Generate("")
	c, err := Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	c.Public = fresh.Public // alice's is published
	acme := authority(b, "acme")
	if err := acme.Sign(c); err != nil {
		b.Fatal(err)
	}
	text = []byte(public(b, c))
	checker := Checker{Authorities: []AuthorityKey{acme.Key}, Clock: func() time.Time { return day(3, 1) }}
	b.ReportAllocs()
	for b.Loop() {
		c, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		if err := checker.Check(c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGenerate makes an identity and both its texts.
func BenchmarkGenerate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		c := Generate("alice")
		if _, err := c.AppendPublic(nil); err != nil {
			b.Fatal(err)
		}
		if _, err := c.AppendSecret(nil); err != nil {
			b.Fatal(err)
		}
	}
}
