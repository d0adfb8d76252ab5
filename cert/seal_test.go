package cert

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/nacl/box"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
)

// sealedHeaders are those of what alice seals to bob, in the one form that a
// digest is over. Without a sender, nobody known seals.
func sealedHeaders(t testing.TB, by string) string {
	if by != "" {
		by = "Content-signed-by: " + by + "\n"
	}
	return "Version: 1.0\nMechanism: CURVE\nContent-security: sealed\n" + by +
		"Content-signed-to: " + encodedKeyText(bob(t).Public()) + "\nComment: for Bob\nx-ticket: 42\n"
}

// sealBoth seals an envelope from alice, and from nobody known, to bob.
func sealBoth(t testing.TB, e *Envelope) map[string]*Envelope {
	t.Helper()
	keys := alice(t).Secret
	named, err := e.Seal(bob(t).Public(), &keys)
	if err != nil {
		t.Fatal(err)
	}
	anonymous, err := e.Seal(bob(t).Public(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if named.SealedBy != keys.Public() || anonymous.SealedBy != (curve.PublicKey{}) {
		t.Fatalf("by %v and %v", named.SealedBy, anonymous.SealedBy)
	}
	return map[string]*Envelope{"named": named, "anonymous": anonymous}
}

// reread is an envelope as the recipient gets it.
func reread(t testing.TB, e *Envelope) *Envelope {
	t.Helper()
	back, err := ParseEnvelope([]byte(armoredText(t, e)))
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func TestSealRoundTrip(t *testing.T) {
	t.Parallel()
	plain, err := ArmorPlain(credentials())
	if err != nil {
		t.Fatal(err)
	}
	locked := alice(t)
	if err := locked.lock([]byte("passphrase"), argonParameters{memory: 8, passes: 1, lanes: 1}); err != nil {
		t.Fatal(err)
	}
	lockedEnvelope, err := Armor(locked, true)
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*Envelope{
		"public": armored(t, false), "secret": armored(t, true), "locked": lockedEnvelope, "PLAIN": plain,
	} {
		for by, sealed := range sealBoth(t, e) {
			t.Run(name+", "+by, func(t *testing.T) {
				t.Parallel()
				if !sealed.IsSealed() || e.IsSealed() || sealed.SealedTo != bob(t).Public() {
					t.Errorf("got %+v of %+v", sealed, e)
				}
				text := armoredText(t, sealed)
				if strings.Contains(text, "Content-password") || !strings.Contains(text, "\nContent-security: sealed\n") {
					t.Errorf("got\n%s", text)
				}
				back := reread(t, sealed)
				if diff := cmp.Diff(sealed, back, compareEnvelopes); diff != "" {
					t.Errorf("sealed (-want +got):\n%s", diff)
				}
				if _, err := back.Certificate(); !errors.Is(err, ErrSealed) {
					t.Errorf("got %v, want %v", err, ErrSealed)
				}
				if _, err := back.Plain(); !errors.Is(err, ErrSealed) {
					t.Errorf("got %v, want %v", err, ErrSealed)
				}
				opened, sender, err := back.Open(bob(t))
				if err != nil {
					t.Fatal(err)
				}
				if sender != sealed.SealedBy {
					t.Errorf("by %v, want %v", sender, sealed.SealedBy)
				}
				if diff := cmp.Diff(e, opened, compareEnvelopes); diff != "" {
					t.Errorf("opened (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestSealIsBox opens with NaCl's box what Seal makes.
func TestSealIsBox(t *testing.T) {
	t.Parallel()
	e := armored(t, true)
	a, b := alice(t), bob(t)
	for name, sealed := range sealBoth(t, e) {
		by := ""
		var plain []byte
		var ok bool
		if name == "named" {
			by = encodedKeyText(a.Public)
			plain, ok = box.Open(nil, sealed.box[24:], (*[24]byte)(sealed.box), (*[32]byte)(&a.Public), secretOctets(b))
		} else {
			plain, ok = box.OpenAnonymous(nil, sealed.box, (*[32]byte)(boxKey(b)), secretOctets(b))
		}
		digest := sha256.Sum256([]byte(sealedHeaders(t, by)))
		if want := append(digest[:], e.content.reveal()...); !ok || !bytes.Equal(plain, want) {
			t.Errorf("%s: got %v, %q, want %q", name, ok, plain, want)
		}
	}
}

// TestOpenBox opens with Open what NaCl's box makes, and refuses what it should
// not have made.
func TestOpenBox(t *testing.T) {
	t.Parallel()
	a, b := alice(t), bob(t)
	byAlice := sealedHeaders(t, encodedKeyText(a.Public))
	byNobody := sealedHeaders(t, "")
	with := func(headers, content string) string {
		digest := sha256.Sum256([]byte(headers))
		return string(digest[:]) + content
	}
	nonce := [24]byte{9}
	named := func(plain string) string {
		return string(box.Seal(nonce[:], []byte(plain), &nonce, (*[32]byte)(boxKey(b)), secretOctets(a.Secret)))
	}
	anonymous := func(plain string) string {
		sealed, err := box.SealAnonymous(nil, []byte(plain), (*[32]byte)(boxKey(b)), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return string(sealed)
	}
	tests := []struct {
		name, text string
		want       error
	}{
		{"named", forge(byAlice, named(with(byAlice, secretText("")))), nil},
		{"anonymous", forge(byNobody, anonymous(with(byNobody, secretText("")))), nil},
		{"named with headers of another", forge(byAlice, named(with(byNobody, secretText("")))), ErrEnvelope},
		{"anonymous with headers of another", forge(byNobody, anonymous(with(byAlice, secretText("")))), ErrEnvelope},
		{"named as anonymous", forge(byNobody, named(with(byAlice, secretText("")))), ErrSeal},
		{"anonymous as named", forge(byAlice, anonymous(with(byNobody, secretText("")))), ErrSeal},
		{"nothing in it", forge(byAlice, named("")), ErrEnvelope},
		{"nothing in it, anonymous", forge(byNobody, anonymous("")), ErrEnvelope},
		{"half a digest", forge(byAlice, named(with(byAlice, "")[:31])), ErrEnvelope},
		{"no content", forge(byAlice, named(with(byAlice, ""))), ErrMechanism},
		{"another mechanism", forge(byAlice, named(with(byAlice, "plain\n    username = \"\"\n    password = \"\"\n"))), ErrMechanism},
		{"a content that isn't one", forge(byAlice, named(with(byAlice, "curve\n    public-key = x\n"))), ErrKey},
		{"too short for an anonymous one", forge(byNobody, strings.Repeat("x", 47)), ErrSeal},
		{"no box", forge(byNobody, strings.Repeat("x", 200)), ErrSeal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := ParseEnvelope([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			opened, _, err := e.Open(bob(t))
			if !errors.Is(err, tt.want) || (opened == nil) != (tt.want != nil) {
				t.Errorf("got %v, %v, want %v", opened, err, tt.want)
			}
			if err != nil {
				checkNoKey(t, "", err)
			}
		})
	}
}

// TestForgedHeaders changes each octet of the headers and makes the checksum
// good again, as somebody on the way can. Open tells it.
func TestForgedHeaders(t *testing.T) {
	t.Parallel()
	for name, sealed := range sealBoth(t, armored(t, true)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			by := ""
			if name == "named" {
				by = encodedKeyText(sealed.SealedBy)
			}
			headers := []byte(sealedHeaders(t, by))
			read := 0
			for i, c := range headers {
				for _, other := range []byte{c ^ 1, c ^ 2, c ^ 0x20, c + 1, '0', 'x'} {
					if other == c {
						continue
					}
					headers[i] = other
					e, err := ParseEnvelope([]byte(forge(string(headers), string(sealed.box))))
					if err != nil {
						continue // no headers of a sealed one at all
					}
					read++
					_, _, err = e.Open(bob(t))
					if !errors.Is(err, ErrEnvelope) && !errors.Is(err, ErrSeal) && !errors.Is(err, ErrNotRecipient) {
						t.Errorf("octet %d, %q instead of %q: got %v", i, other, c, err)
					}
				}
				headers[i] = c
			}
			if read == 0 {
				t.Error("no changed headers could be read")
			}
		})
	}
}

// TestForgedHeaderLines changes whole headers, and tells which error it is.
func TestForgedHeaderLines(t *testing.T) {
	t.Parallel()
	keys := alice(t).Secret
	for name, sealed := range sealBoth(t, armored(t, true)) {
		by := ""
		if name == "named" {
			by = encodedKeyText(sealed.SealedBy)
		}
		headers := sealedHeaders(t, by)
		tests := []struct {
			name, old, new string
			want           error
		}{
			{"nothing", "", "", nil},
			{"mechanism", "CURVE", "PLAIN", ErrEnvelope},
			{"comment", "for Bob", "for Eve", ErrEnvelope},
			{"comment away", "Comment: for Bob\n", "", ErrEnvelope},
			{"extension", "42", "43", ErrEnvelope},
			{"extension away", "x-ticket: 42\n", "", ErrEnvelope},
			{"another extension", "x-ticket: 42\n", "x-ticket: 42\nx-more: 1\n", ErrEnvelope},
			{"recipient", encodedKeyText(bob(t).Public()), encodedKeyText(keys.Public()), ErrNotRecipient},
		}
		for _, tt := range tests {
			e, err := ParseEnvelope([]byte(forge(strings.Replace(headers, tt.old, tt.new, 1), string(sealed.box))))
			if err != nil {
				t.Errorf("%s, %s: %v", name, tt.name, err)
				continue
			}
			if _, _, err := e.Open(bob(t)); !errors.Is(err, tt.want) {
				t.Errorf("%s, %s: got %v, want %v", name, tt.name, err, tt.want)
			}
		}
	}
}

// TestForgedBoxUnraced changes each octet of the box and makes the checksum good again.
func TestForgedBoxUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	for name, sealed := range sealBoth(t, armored(t, false)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := *sealed
			for i := range sealed.box {
				for _, bit := range []byte{1, 0x80} {
					changed.box = bytes.Clone(sealed.box)
					changed.box[i] ^= bit
					if _, _, err := reread(t, &changed).Open(bob(t)); !errors.Is(err, ErrSeal) {
						t.Errorf("octet %d: got %v, want %v", i, err, ErrSeal)
					}
				}
			}
			for i := nonceSize + box.Overhead; i < len(sealed.box); i++ {
				changed.box = sealed.box[:i]
				if _, _, err := reread(t, &changed).Open(bob(t)); !errors.Is(err, ErrSeal) {
					t.Errorf("cut at %d: got %v, want %v", i, err, ErrSeal)
				}
			}
		})
	}
}

func TestSealErrors(t *testing.T) {
	t.Parallel()
	a := alice(t)
	e := armored(t, true)
	sealed := sealBoth(t, e)["named"]
	nobody := new(curve.SecretKey)
	seal := func(spare int) (*Envelope, error) {
		text := publicText("")
		e, err := newEnvelope(MechanismCurve, []byte(text+strings.Repeat("\n", MaxFile-spare-len(text))))
		if err != nil {
			t.Fatal(err)
		}
		return e.Seal(bob(t).Public(), nil)
	}
	largest, err := seal(sealOverhead)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := reread(t, largest).Open(bob(t)); err != nil {
		t.Error(err)
	}
	tests := []struct {
		name string
		do   func() (*Envelope, error)
		want error
	}{
		{"twice", func() (*Envelope, error) { return sealed.Seal(bob(t).Public(), nil) }, ErrSealed},
		{"to zeros", func() (*Envelope, error) { return e.Seal(curve.PublicKey{}, nil) }, curve.ErrPublicKey},
		{"to a key of low order", func() (*Envelope, error) { return e.Seal(curve.PublicKey{1}, nil) }, curve.ErrPublicKey},
		{"without a secret key", func() (*Envelope, error) { return e.Seal(bob(t).Public(), nobody) }, errNoSecretKey},
		{"too large", func() (*Envelope, error) { return seal(sealOverhead - 1) }, ErrArmorLimit},
		{"open what is clear", func() (*Envelope, error) { e, _, err := e.Open(bob(t)); return e, err }, ErrNotSealed},
		{"open without a secret key", func() (*Envelope, error) { e, _, err := sealed.Open(*nobody); return e, err }, errNoSecretKey},
		{"open with another's keys", func() (*Envelope, error) { e, _, err := sealed.Open(a.Secret); return e, err }, ErrNotRecipient},
		{"open from a key of low order", func() (*Envelope, error) {
			changed := *sealed
			changed.SealedBy = curve.PublicKey{1}
			e, _, err := changed.Open(bob(t))
			return e, err
		}, curve.ErrPublicKey},
	}
	for _, tt := range tests {
		got, err := tt.do()
		if !errors.Is(err, tt.want) || got != nil {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
			continue
		}
		checkNoKey(t, "", err)
		if tt.want == ErrNotRecipient && (!strings.Contains(err.Error(), alicePublic) || !strings.Contains(err.Error(), bobPublic)) {
			t.Errorf("%v doesn't name both keys", err)
		}
	}
}

// TestSealLeavesItsEnvelope holds that what is sealed or opened shares nothing
// with what it is made of.
func TestSealLeavesItsEnvelope(t *testing.T) {
	t.Parallel()
	e := armored(t, true)
	for _, sealed := range sealBoth(t, e) {
		opened, _, err := sealed.Open(bob(t))
		if err != nil {
			t.Fatal(err)
		}
		opened.Extensions[0].Value = "changed"
		opened.content.reveal()[0] = 'x'
		if diff := cmp.Diff(armored(t, true), e, compareEnvelopes); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if _, _, err := sealed.Open(bob(t)); err != nil {
			t.Error(err)
		}
	}
}
