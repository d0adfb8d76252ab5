package cert

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/ztest"
)

// restructure takes bytes and lines out of a text, repeats them, swaps lines and
// cuts the text off.
func restructure(text string, check func(changed string)) {
	for i := range len(text) {
		check(text[:i])
		check(text[:i] + text[i+1:])
		check(text[:i] + text[i:i+1] + text[i:])
	}
	lines := strings.SplitAfter(text, "\n")
	for i := range lines {
		check(strings.Join(lines[:i], "") + strings.Join(lines[i+1:], ""))
		check(strings.Join(lines[:i+1], "") + strings.Join(lines[i:], ""))
		for j := range i {
			lines[i], lines[j] = lines[j], lines[i]
			check(strings.Join(lines, ""))
			lines[i], lines[j] = lines[j], lines[i]
		}
	}
}

// TestRestructureSigned: what is left of a signed certificate is refused, or says
// the same.
func TestRestructureSigned(t *testing.T) {
	t.Parallel()
	c := signed(t)
	want := canonical(t, c)
	verified := 0
	restructure(public(t, c), func(changed string) {
		got, err := Parse([]byte(changed))
		if err == nil {
			err = got.verifySignature()
		}
		if err != nil {
			checkKnown(t, 0, err, errSignature, errUnsigned, form.ErrMetadata)
			return
		}
		verified++
		if text := canonical(t, got); text != want {
			t.Errorf("another certificate is taken for signed:\n%s", text)
		}
	})
	if verified == 0 {
		t.Error("comments can't be changed")
	}
}

// TestRestructureLocked: of what is left of a locked secret nothing is unlocked,
// or the same is.
func TestRestructureLocked(t *testing.T) {
	t.Parallel()
	c, text := locked(t, "passphrase")
	want := canonical(t, c)
	unlocked := 0
	restructure(text, func(changed string) {
		got, err := Parse([]byte(changed))
		if err == nil {
			err = got.Unlock([]byte("passphrase"))
		}
		if err != nil {
			checkKnown(t, 0, err, errLockedChanged, form.ErrMetadata)
			return
		}
		if got.Secret.IsZero() {
			return // without its section
		}
		unlocked++
		if canonical(t, got) != want || got.signature != c.signature || string(got.Secret.AppendZ85(nil)) != aliceSecret {
			t.Errorf("another certificate was unlocked:\n%s", changed)
		}
	})
	if unlocked == 0 {
		t.Error("comments can't be changed")
	}
}

// lockedAuthority is an authority and the text of its secret file, locked.
func lockedAuthority(t testing.TB, passphrase string) (a *Authority, text string) {
	t.Helper()
	a = authority(t, "acme")
	a.Metadata.Set("note", "it's # = x")
	if err := a.lock([]byte(passphrase), quick); err != nil {
		t.Fatal(err)
	}
	out, err := a.AppendSecret(nil)
	if err != nil {
		t.Fatal(err)
	}
	return a, string(out)
}

// TestTamperLockedAuthorityUnraced: an authority's locked file that was changed anywhere
// isn't unlocked, or is the same, with its metadata.
func TestTamperLockedAuthorityUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	a, text := lockedAuthority(t, "passphrase")
	want, err := a.publicText()
	if err != nil {
		t.Fatal(err)
	}
	seed := authority(t, "acme").seed.Reveal()
	unlocked := 0
	check := func(place int, changed string) {
		got, err := ParseAuthority([]byte(changed))
		if err == nil {
			err = got.Unlock([]byte("passphrase"))
		}
		if err != nil {
			checkKnown(t, place, err, errLockedChanged, form.ErrMetadata)
			return
		}
		if !got.HasSecret() {
			return // without its section
		}
		unlocked++
		public, err := got.publicText()
		if err != nil || !bytes.Equal(public, want) || !bytes.Equal(got.seed.Reveal(), seed) {
			t.Errorf("byte %d: another authority was unlocked: %v\n%s", place, err, changed)
		}
	}
	tamper(text, check)
	restructure(text, func(changed string) { check(0, changed) })
	if unlocked == 0 {
		t.Error("comments can't be changed")
	}
}

// TestTamperedValueUnraced: a value that was replaced by another of its kind is noticed by
// the one error that it should be.
func TestTamperedValueUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	c := signed(t)
	c.Metadata.Set("note", "Some words")
	if err := authority(t, "acme").Sign(c); err != nil {
		t.Fatal(err)
	}
	inClear := public(t, c)
	if err := c.lock([]byte("passphrase"), quick); err != nil {
		t.Fatal(err)
	}
	secret, err := c.AppendSecret(nil)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(text string) error {
		c, err := Parse([]byte(text))
		if err == nil {
			err = c.verifySignature()
		}
		return err
	}
	unlock := func(text string) error {
		c, err := parseUnsigned(text)
		if err == nil {
			err = c.Unlock([]byte("passphrase"))
		}
		return err
	}
	for _, tt := range []struct {
		text, before string // the text before the value
		read         func(text string) error
		want         error   // must come once at least
		or           []error // may come too
	}{
		{inClear, `name = "`, verify, errSignature, nil},
		{inClear, `note = "`, verify, errSignature, nil},
		{inClear, `serial = "`, verify, errSignature, []error{form.ErrProperty}},
		{inClear, `not-before = "`, verify, errSignature, []error{form.ErrProperty}},
		{inClear, `not-after = "`, verify, errSignature, []error{form.ErrProperty}},
		{inClear, `public-key = "`, verify, errSignature, []error{errKey, curve.ErrPublicKey}},
		{inClear, `version = "`, verify, errVersion, nil},
		{inClear, `"ed25519:`, verify, errSignature, []error{errAuthorityKey}},
		{inClear, `signature = "`, verify, errSignature, []error{form.ErrProperty}},
		{string(secret), `name = "`, unlock, errLockedChanged, nil},
		{string(secret), `note = "`, unlock, errLockedChanged, nil},
		{string(secret), `serial = "`, unlock, errLockedChanged, []error{form.ErrProperty}},
		{string(secret), `not-after = "`, unlock, errLockedChanged, []error{form.ErrProperty}},
		{string(secret), `public-key = "`, unlock, errLockedChanged, []error{errKey, curve.ErrPublicKey}},
		{string(secret), `"ed25519:`, unlock, errLockedChanged, []error{errAuthorityKey}},
		{string(secret), `signature = "`, unlock, errLockedChanged, []error{form.ErrProperty}},
		{string(secret), `scheme = "`, unlock, errScheme, []error{errDamaged}},
		{string(secret), ` m=`, unlock, errDamaged, []error{errScheme}},
		{string(secret), ` t=`, unlock, errDamaged, []error{errScheme}},
		{string(secret), `salt = "`, unlock, errDamaged, []error{form.ErrProperty}},
		{string(secret), `box = "`, unlock, errDamaged, []error{form.ErrProperty}},
	} {
		if err := tt.read(tt.text); err != nil {
			t.Fatal(err)
		}
		told := false
		from := strings.Index(tt.text, tt.before) + len(tt.before)
		for i := from; tt.text[i] != '"' && tt.text[i] != '\n'; i++ {
			for _, other := range "0129ABQaxz" {
				if byte(other) == tt.text[i] {
					continue
				}
				err := tt.read(tt.text[:i] + string(other) + tt.text[i+1:])
				known := errors.Is(err, tt.want)
				told = told || known
				for _, or := range tt.or {
					known = known || errors.Is(err, or)
				}
				if !known {
					t.Errorf("%s byte %d as %c: got %v, want %v", tt.before, i-from, other, err, tt.want)
				}
			}
		}
		if !told {
			t.Errorf("%s never gave %v", tt.before, tt.want)
		}
	}
}

// TestSignatureOfOther: a signature is right for its own certificate and
// authority, and for its own kind of text.
func TestSignatureOfOther(t *testing.T) {
	t.Parallel()
	c, other := signed(t), signed(t, item{"group", "traders"})
	other.signature = c.signature
	if err := other.verifySignature(); !errors.Is(err, errSignature) {
		t.Errorf("of another certificate: %v", err)
	}
	mallory := authority(t, "mallory")
	if err := mallory.Sign(other); err != nil {
		t.Fatal(err)
	}
	other.Authority = c.Authority
	if err := other.verifySignature(); !errors.Is(err, errSignature) {
		t.Errorf("of another authority: %v", err)
	}
	if err := mallory.Sign(other); err != nil {
		t.Fatal(err)
	}
	if err := other.verifySignature(); err != nil || other.Authority != mallory.Key {
		t.Errorf("signed again: %v", err)
	}
	// What an authority signs of a list is no certificate, whatever is in it.
	acme := authority(t, "acme")
	text, err := revocations(t, acme).signedText()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := c.signedText()
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	if second, _, _ := bytes.Cut(signed, []byte("\n")); bytes.Equal(first, second) {
		t.Errorf("lists and certificates both begin with %q", first)
	}
}

// parseUnsigned reads a certificate without verifying its signature, so that a test gets
// to what comes after that.
func parseUnsigned(text string) (*Certificate, error) {
	c, _, err := parseText([]byte(text), form.MaxFile, parse)
	return c, err
}
