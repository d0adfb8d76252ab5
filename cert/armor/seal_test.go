package armor

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/nacl/box"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
)

// sealedHeaders are those of what alice seals to bob, in the one form that a
// digest is over. Without a sender, no one known seals.
func sealedHeaders(t testing.TB, by string) string {
	if by != "" {
		by = "Content-signed-by: " + by + "\n"
	}
	return "Version: 1.0\nMechanism: CURVE\nContent-security: sealed\n" + by +
		"Content-signed-to: " + encodedKeyText(bob(t).Public()) + "\nComment: for Bob\nx-ticket: 42\n"
}

// sealBoth seals an envelope from alice, and from no one known, to bob.
func sealBoth(t testing.TB, e *Block) map[string]*Block {
	t.Helper()
	keys := alice(t).Secret
	named, err := e.Seal(bob(t).Public(), keys)
	if err != nil {
		t.Fatal(err)
	}
	anonymous, err := e.Seal(bob(t).Public(), curve.SecretKey{})
	if err != nil {
		t.Fatal(err)
	}
	if named.SealedBy != keys.Public() || anonymous.SealedBy != (curve.PublicKey{}) {
		t.Fatalf("by %v and %v", named.SealedBy, anonymous.SealedBy)
	}
	return map[string]*Block{"named": named, "anonymous": anonymous}
}

// reread is an envelope as the recipient gets it.
func reread(t testing.TB, e *Block) *Block {
	t.Helper()
	back, err := Parse([]byte(armoredText(t, e)))
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func TestSealRoundTrip(t *testing.T) {
	t.Parallel()
	plain, err := NewLogin(credentials())
	if err != nil {
		t.Fatal(err)
	}
	locked := lockedAlice(t)
	lockedEnvelope, err := NewSecret(locked)
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*Block{
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
				if diff := cmp.Diff(sealed, back, compareBlocks); diff != "" {
					t.Errorf("sealed (-want +got):\n%s", diff)
				}
				if _, err := back.Certificate(); !errors.Is(err, errSealed) {
					t.Errorf("got %v, want %v", err, errSealed)
				}
				if _, err := back.Login(); !errors.Is(err, errSealed) {
					t.Errorf("got %v, want %v", err, errSealed)
				}
				opened, err := back.Open(bob(t))
				if err != nil {
					t.Fatal(err)
				}
				if opened.SealedBy != sealed.SealedBy {
					t.Errorf("by %v, want %v", opened.SealedBy, sealed.SealedBy)
				}
				opened.SealedBy = curve.PublicKey{}
				if diff := cmp.Diff(e, opened, compareBlocks); diff != "" {
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
			plain, ok = box.Open(nil, sealed.box[24:], (*[24]byte)(sealed.box), (*[32]byte)(&a.Public), secretBytes(b))
		} else {
			plain, ok = box.OpenAnonymous(nil, sealed.box, (*[32]byte)(boxKey(b)), secretBytes(b))
		}
		digest := sha256.Sum256([]byte(sealedHeaders(t, by)))
		if want := append(digest[:], e.content.Reveal()...); !ok || !bytes.Equal(plain, want) {
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
		return string(box.Seal(nonce[:], []byte(plain), &nonce, (*[32]byte)(boxKey(b)), secretBytes(a.Secret)))
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
		{"named with headers of another", forge(byAlice, named(with(byNobody, secretText("")))), errHeaders},
		{"anonymous with headers of another", forge(byNobody, anonymous(with(byAlice, secretText("")))), errHeaders},
		{"named as anonymous", forge(byNobody, named(with(byAlice, secretText("")))), errSeal},
		{"anonymous as named", forge(byAlice, anonymous(with(byNobody, secretText("")))), errSeal},
		{"nothing in it", forge(byAlice, named("")), errHeaders},
		{"nothing in it, anonymous", forge(byNobody, anonymous("")), errHeaders},
		{"half a digest", forge(byAlice, named(with(byAlice, "")[:31])), errHeaders},
		{"no content", forge(byAlice, named(with(byAlice, ""))), cert.ErrKind},
		{"another mechanism", forge(byAlice, named(with(byAlice, "plain\n    username = \"\"\n    password = \"\"\n"))), cert.ErrKind},
		{"a content that isn't one", forge(byAlice, named(with(byAlice, "curve\n    public-key = x\n"))), said("not a key")},
		{"too short for an anonymous one", forge(byNobody, strings.Repeat("x", 47)), errSeal},
		{"no box", forge(byNobody, strings.Repeat("x", 200)), errSeal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			opened, err := e.Open(bob(t))
			if !is(err, tt.want) || (opened == nil) != (tt.want != nil) {
				t.Errorf("got %v, %v, want %v", opened, err, tt.want)
			}
			if err != nil {
				checkNoKey(t, err)
			}
		})
	}
}

// TestForgedHeaders changes each byte of the headers and makes the checksum
// good again, as somebody on the way can. Open says it.
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
					e, err := Parse([]byte(forge(string(headers), string(sealed.box))))
					if err != nil {
						continue // no headers of a sealed one at all
					}
					read++
					_, err = e.Open(bob(t))
					if !errors.Is(err, errHeaders) && !errors.Is(err, errSeal) && !errors.Is(err, errNotRecipient) {
						t.Errorf("byte %d, %q instead of %q: got %v", i, other, c, err)
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

// TestForgedHeaderLines changes whole headers, and says which error it is.
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
			{"mechanism", "CURVE", "PLAIN", errHeaders},
			{"comment", "for Bob", "for Eve", errHeaders},
			{"comment away", "Comment: for Bob\n", "", errHeaders},
			{"extension", "42", "43", errHeaders},
			{"extension away", "x-ticket: 42\n", "", errHeaders},
			{"another extension", "x-ticket: 42\n", "x-ticket: 42\nx-more: 1\n", errHeaders},
			{"recipient", encodedKeyText(bob(t).Public()), encodedKeyText(keys.Public()), errNotRecipient},
		}
		for _, tt := range tests {
			e, err := Parse([]byte(forge(strings.Replace(headers, tt.old, tt.new, 1), string(sealed.box))))
			if err != nil {
				t.Errorf("%s, %s: %v", name, tt.name, err)
				continue
			}
			if _, err := e.Open(bob(t)); !errors.Is(err, tt.want) {
				t.Errorf("%s, %s: got %v, want %v", name, tt.name, err, tt.want)
			}
		}
	}
}

// TestForgedBoxUnraced changes each byte of the box and makes the checksum good again.
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
					if _, err := reread(t, &changed).Open(bob(t)); !errors.Is(err, errSeal) {
						t.Errorf("byte %d: got %v, want %v", i, err, errSeal)
					}
				}
			}
			for i := nonceSize + box.Overhead; i < len(sealed.box); i++ {
				changed.box = sealed.box[:i]
				if _, err := reread(t, &changed).Open(bob(t)); !errors.Is(err, errSeal) {
					t.Errorf("cut at %d: got %v, want %v", i, err, errSeal)
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
	seal := func(spare int) (*Block, error) {
		text := publicText("")
		e, err := newBlock(mechanismCurve, []byte(text+strings.Repeat("\n", maxContent-spare-len(text))))
		if err != nil {
			t.Fatal(err)
		}
		return e.Seal(bob(t).Public(), curve.SecretKey{})
	}
	largest, err := seal(sealOverhead)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reread(t, largest).Open(bob(t)); err != nil {
		t.Error(err)
	}
	tests := []struct {
		name string
		do   func() (*Block, error)
		want error
	}{
		{"twice", func() (*Block, error) { return sealed.Seal(bob(t).Public(), curve.SecretKey{}) }, errSealed},
		{"to zeros", func() (*Block, error) { return e.Seal(curve.PublicKey{}, curve.SecretKey{}) }, curve.ErrPublicKey},
		{"to a key of low order", func() (*Block, error) { return e.Seal(curve.PublicKey{1}, curve.SecretKey{}) }, curve.ErrPublicKey},
		{"too large", func() (*Block, error) { return seal(sealOverhead - 1) }, errLimit},
		{"open what is clear", func() (*Block, error) { e, err := e.Open(bob(t)); return e, err }, errNotSealed},
		{"open without a secret key", func() (*Block, error) { e, err := sealed.Open(curve.SecretKey{}); return e, err }, errNoSecretKey},
		{"open with another's keys", func() (*Block, error) { e, err := sealed.Open(a.Secret); return e, err }, errNotRecipient},
		{"open from a key of low order", func() (*Block, error) {
			changed := *sealed
			changed.SealedBy = curve.PublicKey{1}
			e, err := changed.Open(bob(t))
			return e, err
		}, curve.ErrPublicKey},
	}
	for _, tt := range tests {
		got, err := tt.do()
		if !errors.Is(err, tt.want) || got != nil {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
			continue
		}
		checkNoKey(t, err)
		if tt.want == errNotRecipient && (!strings.Contains(err.Error(), alicePublic) || !strings.Contains(err.Error(), bobPublic)) {
			t.Errorf("%v doesn't name both keys", err)
		}
	}
}

// TestSealLeavesItsBlock holds that what is sealed or opened shares nothing
// with what it is made of.
func TestSealLeavesItsBlock(t *testing.T) {
	t.Parallel()
	e := armored(t, true)
	for _, sealed := range sealBoth(t, e) {
		opened, err := sealed.Open(bob(t))
		if err != nil {
			t.Fatal(err)
		}
		opened.Extensions[0].Value = "changed"
		opened.content.Reveal()[0] = 'x'
		if diff := cmp.Diff(armored(t, true), e, compareBlocks); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if _, err := sealed.Open(bob(t)); err != nil {
			t.Error(err)
		}
	}
}
