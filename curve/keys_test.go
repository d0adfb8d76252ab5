package curve

import (
	"bytes"
	"crypto/ecdh"
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/curve25519"

	"github.com/zcurve/zcurve/internal/z85"
)

// lowOrderEncodings returns all encodings of points of low order: the 12 known
// ones, from their numbers (https://cr.yp.to/ecdh.html#validate), and the 7
// others that come of X25519 ignoring the top bit.
func lowOrderEncodings(t testing.TB) []PublicKey {
	t.Helper()
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	number := func(s string) *big.Int {
		n, ok := new(big.Int).SetString(s, 10)
		if !ok {
			t.Fatal(s)
		}
		return n
	}
	var keys []PublicKey
	for _, n := range []*big.Int{
		big.NewInt(0),
		big.NewInt(1),
		number("325606250916557431795983626356110631294008115727848805560023387167927233504"),
		number("39382357235489614581723060781553021112529911719440698176882885853963445705823"),
		new(big.Int).Sub(p, big.NewInt(1)),
	} {
		for ; n.BitLen() <= 256; n = new(big.Int).Add(n, p) {
			var key PublicKey
			n.FillBytes(key[:])
			for i := range 16 {
				key[i], key[31-i] = key[31-i], key[i] // little-endian
			}
			keys = append(keys, key)
		}
	}
	if len(keys) != 12 {
		t.Fatalf("%d encodings", len(keys))
	}
	for _, key := range keys {
		if key[31]&0x80 == 0 {
			key[31] |= 0x80
			keys = append(keys, key)
		}
	}
	if len(keys) != 19 {
		t.Fatalf("%d encodings", len(keys))
	}
	return keys
}

func TestPublicKeyCheck(t *testing.T) {
	t.Parallel()
	secret, err := ecdh.X25519().GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	zeroShared := 0
	for _, key := range lowOrderEncodings(t) {
		public, err := ecdh.X25519().NewPublicKey(key[:])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := secret.ECDH(public); err != nil {
			zeroShared++
		}
		if err := key.Check(); !errors.Is(err, ErrPublicKey) {
			t.Errorf("%x: got %v, want %v", key[:], err, ErrPublicKey)
		}
	}
	// The standard library, which ignores the top bit, agrees about those that
	// don't need it to be what they are.
	if zeroShared != 14 {
		t.Errorf("%d keys of low order, want 14", zeroShared)
	}
	top := PublicKey(randomOctets(KeySize))
	for i := range top {
		top[i] = 0xff
	}
	top[31] = 0x7f
	for low := range 256 {
		key := top
		key[0] = byte(low)
		// 2^255-19 ends in 0xed; the one below is of low order.
		if err := key.Check(); (err == nil) != (low < 0xec) {
			t.Errorf("%x: got %v", key[:], err)
		}
	}
	for range 100 {
		key := GenerateKey().Public()
		if err := key.Check(); err != nil {
			t.Errorf("%x: %v", key[:], err)
		}
		key[31] |= 0x80
		if err := key.Check(); !errors.Is(err, ErrPublicKey) {
			t.Errorf("%x: got %v, want %v", key[:], err, ErrPublicKey)
		}
	}
}

// TestGenerateKey checks that the public key is the one that the standard library
// computes, and that no key comes twice.
func TestGenerateKey(t *testing.T) {
	t.Parallel()
	seen := map[PublicKey]bool{}
	for range 50 {
		keys := GenerateKey()
		if err := keys.Public().Check(); err != nil {
			t.Fatal(err)
		}
		secret, err := ecdh.X25519().NewPrivateKey(keys.key.octets[:])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(secret.PublicKey().Bytes(), public(keys)[:]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if seen[keys.Public()] {
			t.Error("the same key twice")
		}
		seen[keys.Public()] = true
	}
}

func TestPublicKeyText(t *testing.T) {
	t.Parallel()
	key := GenerateKey().Public()
	text := key.String()
	if len(text) != 40 {
		t.Errorf("%q has %d characters", text, len(text))
	}
	if got, err := ParsePublicKey(text); got != key || err != nil {
		t.Errorf("%q came back as %v, %v", text, got, err)
	}
	encoded, err := json.Marshal(map[PublicKey]PublicKey{key: key})
	if err != nil {
		t.Fatal(err)
	}
	var decoded map[PublicKey]PublicKey
	if err := json.Unmarshal(encoded, &decoded); err != nil || decoded[key] != key {
		t.Errorf("%s came back as %v, %v", encoded, decoded, err)
	}
	// A text that doesn't parse leaves the key as it was.
	got := key
	if err := got.UnmarshalText([]byte("short")); !errors.Is(err, errKeySize) || got != key {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	good := GenerateKey().Public().String()
	for _, tt := range []struct {
		text   string
		public error
		secret error
	}{
		{good, nil, nil},
		{"", errKeySize, errKeySize},
		{good[:39], errKeySize, errKeySize},
		{good + "0", errKeySize, errKeySize},
		{good + "00000", errKeySize, errKeySize},
		{"~" + good[1:], z85.ErrCharacter, z85.ErrCharacter},
		{good[:39] + "\"", z85.ErrCharacter, z85.ErrCharacter},
		{"#####" + good[5:], z85.ErrOverflow, z85.ErrOverflow},
		{strings.Repeat("0", 40), ErrPublicKey, errSecretKey},
	} {
		if _, err := ParsePublicKey(tt.text); !errors.Is(err, tt.public) {
			t.Errorf("public %q: got %v, want %v", tt.text, err, tt.public)
		}
		s, err := ParseSecretKey([]byte(tt.text))
		if !errors.Is(err, tt.secret) {
			t.Errorf("secret %q: got %v, want %v", tt.text, err, tt.secret)
		}
		if err == nil && textOf(s) != tt.text {
			t.Errorf("secret %q came back as %q", tt.text, textOf(s))
		}
		if err != nil && !s.IsZero() {
			t.Errorf("secret %q: a key and an error", tt.text)
		}
	}
}

func TestSecretKey(t *testing.T) {
	t.Parallel()
	var none SecretKey
	if !none.IsZero() || textOf(none) != "" || none.Public() != (PublicKey{}) || textOf(none) != textOf(SecretKey{}) {
		t.Error("the zero value is a key")
	}
	none.Wipe()
	raw := randomOctets(KeySize)
	a, err := NewSecretKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := NewSecretKey(raw)
	other := GenerateKey()
	if textOf(a) != textOf(b) || textOf(a) == textOf(other) || textOf(a) == textOf(none) || textOf(none) == textOf(a) {
		t.Error("keys and their texts are not the same")
	}
	clear(raw)
	if textOf(a) != textOf(b) || isZero(a.key.octets[:]) {
		t.Error("the key is not a copy")
	}
	if got := a.AppendBytes([]byte("before")); string(got[:6]) != "before" || !bytes.Equal(got[6:], b.key.octets[:]) {
		t.Errorf("AppendBytes gives %x", got)
	}
	copied := a
	a.Wipe()
	if !isZero(a.key.octets[:]) || !isZero(copied.key.octets[:]) || isZero(b.key.octets[:]) {
		t.Error("Wipe wiped the wrong keys")
	}
	for name, s := range map[string]SecretKey{"a wiped key": a, "its copy": copied} {
		if !s.IsZero() || textOf(s) != "" || len(s.AppendBytes(nil)) != 0 || s.Public() != (PublicKey{}) || textOf(s) != textOf(none) {
			t.Errorf("%s is still one", name)
		}
		if _, err := NewServer(s); !errors.Is(err, errNoSecretKey) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if reflect.TypeFor[SecretKey]().Comparable() {
		t.Error("keys can be compared with ==")
	}
	if _, err := NewSecretKey(make([]byte, KeySize)); !errors.Is(err, errSecretKey) {
		t.Errorf("zeros: got %v", err)
	}
	for _, n := range []int{0, 31, 33} {
		if _, err := NewSecretKey(make([]byte, n)); !errors.Is(err, errKeySize) {
			t.Errorf("%d bytes: got %v", n, err)
		}
	}
}

// TestPublicOfSecret compares public keys with those of x/crypto's X25519, also when
// they are asked for again.
func TestPublicOfSecret(t *testing.T) {
	t.Parallel()
	secrets := [][]byte{bytes.Repeat([]byte{0xff}, KeySize), append([]byte{7}, make([]byte, KeySize-1)...)}
	for range 500 {
		secrets = append(secrets, randomOctets(KeySize))
	}
	for _, octets := range secrets {
		want, err := curve25519.X25519(octets, curve25519.Basepoint)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := NewSecretKey(octets)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := secret.Public(); !bytes.Equal(got[:], want) {
				t.Errorf("secret %x: got %x, want %x", octets, got, want)
			}
		}
	}
	secret, _ := NewSecretKey(secrets[0])
	before := secret.Public()
	secret.Wipe()
	if secret.Public() == before {
		t.Error("a wiped key still has its public key")
	}
}
