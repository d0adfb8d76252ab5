package cert

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/argon"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/hidden"
	"github.com/zcurve/zcurve/internal/ztest"
)

// day is midnight of a day in 2026, in UTC.
func day(month time.Month, day int) time.Time {
	return time.Date(2026, month, day, 0, 0, 0, 0, time.UTC)
}

// authority is one whose key is always the same.
func authority(t testing.TB, name string) *Authority {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	a := &Authority{Metadata: Metadata{{"name", name}}, seed: hidden.New(seed[:])}
	a.Key = a.public()
	return a
}

// signed is alice's certificate, signed for the year 2026.
func signed(t testing.TB, metadata ...item) *Certificate {
	t.Helper()
	c := alice(t, append([]item{{"name", "alice"}}, metadata...)...)
	c.Serial = 42
	c.Validity = Validity{NotBefore: day(1, 1), NotAfter: day(12, 31)}
	if err := authority(t, "acme").Sign(c); err != nil {
		t.Fatal(err)
	}
	return c
}

// canonical is the one form of what is public.
func canonical(t testing.TB, c *Certificate) string {
	t.Helper()
	text, err := c.AppendCanonical(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func public(t testing.TB, c *Certificate) string {
	t.Helper()
	text, err := c.AppendPublic(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSignedText holds what is signed, byte for byte.
func TestSignedText(t *testing.T) {
	t.Parallel()
	c := signed(t, item{"Zeta", `say "hi"`}, item{"beta", "# ="})
	const want = `certificate
    version = "1"
    serial = "42"
metadata
    beta = "# ="
    name = "alice"
    zeta = 'say "hi"'
curve
    public-key = "` + alicePublic + `"
validity
    not-before = "2026-01-01T00:00:00Z"
    not-after = "2026-12-31T00:00:00Z"
authority
    key = "ed25519:`
	got := canonical(t, c)
	if !strings.HasPrefix(got, want) || len(got) != len(want)+len("\"\n")+43 {
		t.Errorf("got\n%s\nwant\n%s…", got, want)
	}
	// With nothing of ours.
	key := c.Authority
	if !ed25519.Verify(key[:], []byte("zeromq-certificate-1\n"+got), c.signature[:]) {
		t.Error("it isn't what is signed")
	}
}

// TestCanonical: whatever the order and spacing, it is the same certificate with
// the same bytes, and its signature is right.
func TestCanonical(t *testing.T) {
	t.Parallel()
	c := signed(t, item{"note", "a b"}, item{"Group", "traders"})
	want := canonical(t, c)
	text := public(t, c)
	sections := strings.SplitAfter(text, "\n")
	head, metadata, keys, rest := sections[2:5], sections[5:9], sections[9:11], sections[11:]
	join := func(parts ...[]string) string {
		var all string
		for _, p := range parts {
			all += strings.Join(p, "")
		}
		return all
	}
	for name, other := range map[string]string{
		"as written":            text,
		"sections reversed":     join(rest, keys, metadata, head),
		"metadata reversed":     join(head, []string{metadata[0], metadata[3], metadata[2], metadata[1]}, keys, rest),
		"CR LF":                 strings.ReplaceAll(text, "\n", "\r\n"),
		"tabs":                  strings.ReplaceAll(text, "    ", "\t"),
		"two blanks":            strings.ReplaceAll(text, "    ", "  "),
		"without quotes":        strings.Replace(text, `"traders"`, "traders", 1),
		"with single quotes":    strings.Replace(text, `"traders"`, "'traders'", 1),
		"with comments":         strings.ReplaceAll(text, "\n", "   # comment\n"),
		"with empty lines":      strings.ReplaceAll(text, "\n", "\n\n   \n"),
		"names in another case": strings.Replace(text, "Group", "gROUP", 1),
		"much space":            strings.ReplaceAll(text, " = ", "  =   "),
	} {
		got, err := Parse([]byte(other))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, canonical(t, got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if err := got.verifySignature(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCanonicalDiffers: two certificates that aren't the same have other bytes.
func TestCanonicalDiffers(t *testing.T) {
	t.Parallel()
	with := func(change func(*Certificate)) *Certificate {
		c := signed(t)
		change(c)
		return c
	}
	parsed := func(more string) *Certificate {
		c, err := parseUnsigned(public(t, signed(t)) + more)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	all := []*Certificate{
		signed(t),
		with(func(c *Certificate) { c.Public = signed(t).Public; c.Public[0] ^= 1; c.Secret = curve.SecretKey{} }),
		with(func(c *Certificate) { c.Serial = 0 }),
		with(func(c *Certificate) { c.Serial = 43 }),
		with(func(c *Certificate) { c.Validity.NotBefore = time.Time{} }),
		with(func(c *Certificate) { c.Validity.NotAfter = time.Time{} }),
		with(func(c *Certificate) { c.Validity = Validity{} }),
		with(func(c *Certificate) { c.Authority = AuthorityKey{} }),
		with(func(c *Certificate) { c.Authority[5] ^= 1 }),
		with(func(c *Certificate) { c.Metadata = nil }),
		with(func(c *Certificate) { c.Metadata.Set("name", "Alice") }),
		with(func(c *Certificate) { c.Metadata.Set("name", `alice" x`) }),
		with(func(c *Certificate) { c.Metadata.Set("name", `alice' x`) }),
		with(func(c *Certificate) { c.Metadata.Set("x", "") }),
		with(func(c *Certificate) { c.Metadata.Set("x", "#") }),
		parsed("purpose\n"),
		parsed("purpose =\n"),
		parsed("purpose = x\n"),
		parsed("purpose\n    x\n"),
		parsed("purpose\n    x =\n"),
		parsed("purpose\n    x\n    y\n"),
		parsed("purpose\n    y\n    x\n"),
		parsed("purpose\n    x\n        y\n"),
		parsed("purpose\npurpose\n"),
		parsed("Purpose\n"),
	}
	seen := map[string]int{}
	for i, c := range all {
		text := canonical(t, c)
		if j, ok := seen[text]; ok {
			t.Errorf("%d and %d have the same bytes:\n%s", i, j, text)
		}
		seen[text] = i
		if err := c.verifySignature(); (err == nil) != (i == 0) {
			t.Errorf("%d: signature: %v\n%s", i, err, text)
		}
	}
}

// flips are other bytes that may replace one.
func flips(c byte) []byte {
	return []byte{c ^ 1, c ^ 0x20, ' ', '"', '#', '\n', 'A', '=', 0xff}
}

// tamper changes every byte of a text to some others, one after the other.
func tamper(text string, check func(place int, changed string)) {
	for i := range len(text) {
		for _, c := range flips(text[i]) {
			if c != text[i] {
				check(i, text[:i]+string([]byte{c})+text[i+1:])
			}
		}
	}
}

// known are the errors that a changed text may give.
func checkKnown(t *testing.T, place int, err error, known ...error) {
	t.Helper()
	for _, k := range known {
		if errors.Is(err, k) {
			return
		}
	}
	var syntax *SyntaxError
	if !errors.As(err, &syntax) {
		t.Errorf("byte %d: %v", place, err)
	}
}

// TestTamperSignedUnraced: a signed certificate that was changed anywhere is refused, or
// says the same.
func TestTamperSignedUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	c := signed(t, item{"note", "it's # = x"})
	want := canonical(t, c)
	unsigned := 0
	tamper(public(t, c), func(place int, changed string) {
		got, err := Parse([]byte(changed))
		if err != nil {
			checkKnown(t, place, err)
			return
		}
		switch err := got.verifySignature(); {
		case err == nil:
			if text := canonical(t, got); text != want {
				t.Errorf("byte %d: another certificate is taken for signed:\n%s", place, text)
			}
		case errors.Is(err, errUnsigned):
			unsigned++ // the section authority is called something else now
		default:
			checkKnown(t, place, err, errSignature, form.ErrMetadata)
		}
	})
	if unsigned == 0 {
		t.Error("the name of the section was not changed")
	}
}

// quick is Argon2id that takes no time.
var quick = argon.Parameters{Memory: 8, Passes: 1, Lanes: 1}

// locked is a text of alice's secret certificate, locked.
func locked(t testing.TB, passphrase string) (c *Certificate, text string) {
	t.Helper()
	c = signed(t, item{"note", "it's # = x"})
	if err := c.lock([]byte(passphrase), quick); err != nil {
		t.Fatal(err)
	}
	out, err := c.AppendSecret(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, string(out)
}

// TestTamperLockedUnraced: a locked secret that was changed anywhere isn't unlocked, or
// is the same. What is damaged isn't called a wrong passphrase.
func TestTamperLockedUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	c, text := locked(t, "passphrase")
	want := canonical(t, c)
	from := strings.Index(text, "locked\n")
	to := strings.Index(text, "validity\n")
	tamper(text, func(place int, changed string) {
		got, err := Parse([]byte(changed))
		if err != nil {
			checkKnown(t, place, err)
			return
		}
		switch err := got.Unlock([]byte("passphrase")); {
		case err != nil:
			checkKnown(t, place, err, errLockedChanged, form.ErrMetadata)
		case got.Secret.IsZero():
			if place < from-1 || place > to {
				t.Errorf("byte %d: no secret key any more", place)
			}
		case canonical(t, got) != want || got.signature != c.signature || string(got.Secret.AppendZ85(nil)) != aliceSecret:
			t.Errorf("byte %d: another certificate was unlocked:\n%s", place, changed)
		}
	})
	damaged := 0
	bytes := strings.Index(text, "box = ")
	for i := bytes + len(`box = "`); text[i] != '"'; i++ {
		other := byte('A')
		if text[i] == 'A' {
			other = 'B'
		}
		_, err := Parse([]byte(text[:i] + string([]byte{other}) + text[i+1:]))
		if errors.Is(err, errDamaged) {
			damaged++
		} else if !errors.Is(err, form.ErrProperty) { // bits behind the last byte
			t.Errorf("byte %d: %v", i, err)
		}
	}
	if damaged < 110 {
		t.Errorf("damage was reported %d times", damaged)
	}
}

// TestTamperAuthorityUnraced: an authority's secret file that was changed anywhere isn't
// read, or is the same but for its metadata, which nothing protects.
func TestTamperAuthorityUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	a := authority(t, "acme")
	text, err := a.AppendSecret(nil)
	if err != nil {
		t.Fatal(err)
	}
	tamper(string(text), func(place int, changed string) {
		got, err := ParseAuthority([]byte(changed))
		if err != nil {
			checkKnown(t, place, err)
		} else if got.Key != a.Key || got.seed != nil && !bytes.Equal(got.seed.Reveal(), a.seed.Reveal()) {
			t.Errorf("byte %d: another authority:\n%s", place, changed)
		}
	})
}

// TestTamperRevocationsUnraced: a revocation list that was changed anywhere is refused,
// or revokes the same.
func TestTamperRevocationsUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	a := authority(t, "acme")
	l := revocations(t, a)
	text, err := l.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := l.signedText()
	if err != nil {
		t.Fatal(err)
	}
	tamper(string(text), func(place int, changed string) {
		got, err := ParseRevocations([]byte(changed))
		if err != nil {
			checkKnown(t, place, err, errSignature)
			return
		}
		if text, err := got.signedText(); err != nil || string(text) != string(want) {
			t.Errorf("byte %d: another list: %v\n%s", place, err, text)
		}
	})
}

// revocations is a list of an authority with alice's key and a serial number.
func revocations(t testing.TB, a *Authority) *RevocationList {
	t.Helper()
	l := new(RevocationList)
	for _, r := range []Revocation{
		{Key: alice(t).Public, Time: day(2, 1), Reason: "laptop stolen"},
		{Serial: 7, Time: day(2, 2)},
	} {
		if added, err := l.Revoke(r); !added || err != nil {
			t.Fatal(added, err)
		}
	}
	if err := a.SignRevocations(l, day(3, 1), day(4, 1)); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestSign: what can't be signed isn't.
func TestSign(t *testing.T) {
	t.Parallel()
	a := authority(t, "acme")
	text, err := a.AppendPublic(nil)
	if err != nil {
		t.Fatal(err)
	}
	publicOnly, err := ParseAuthority(text)
	if err != nil {
		t.Fatal(err)
	}
	lockedAuthority := authority(t, "vault")
	if err := lockedAuthority.lock([]byte("x"), quick); err != nil {
		t.Fatal(err)
	}
	lockedCertificate, _ := locked(t, "x")
	for name, tt := range map[string]struct {
		by   *Authority
		c    *Certificate
		want error
	}{
		"public authority":   {publicOnly, alice(t), errNoSeed},
		"locked authority":   {lockedAuthority, alice(t), errLocked},
		"locked certificate": {a, lockedCertificate, errLocked},
		"metadata":           {a, alice(t, item{"a", "\n"}), form.ErrMetadata},
		"validity":           {a, &Certificate{Public: alice(t).Public, Validity: Validity{day(2, 1), day(1, 1)}}, form.ErrProperty},
		"fraction":           {a, &Certificate{Public: alice(t).Public, Validity: Validity{NotAfter: day(1, 1).Add(1)}}, form.ErrProperty},
		"no key":             {a, new(Certificate), curve.ErrPublicKey},
	} {
		before := tt.c.signature
		if err := tt.by.Sign(tt.c); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		if tt.c.signature != before {
			t.Errorf("%s: the certificate has changed", name)
		}
	}
	c := alice(t)
	if err := c.verifySignature(); !errors.Is(err, errUnsigned) {
		t.Errorf("unsigned: %v", err)
	}
}

// TestAuthorityRoundTrip: files of an authority are read as they were written.
func TestAuthorityRoundTrip(t *testing.T) {
	t.Parallel()
	a := authority(t, "acme")
	a.Metadata.Set("note", `say "hi"`)
	for _, lock := range []bool{false, true} {
		if lock {
			if err := a.lock([]byte("passphrase"), quick); err != nil {
				t.Fatal(err)
			}
			if a.HasSecret() {
				t.Error("locked, and still there")
			}
		}
		for secret, write := range map[bool]func([]byte) ([]byte, error){false: a.AppendPublic, true: a.AppendSecret} {
			text, err := write(nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseAuthority(text)
			if err != nil || len(got.Warnings) > 0 {
				t.Fatal(got, err)
			}
			if got.Key != a.Key || cmp.Diff(a.Metadata, got.Metadata) != "" || got.HasSecret() != (secret && !lock) || (got.locked != nil) != (secret && lock) {
				t.Errorf("secret %v, locked %v: %+v", secret, lock, got)
			}
			if secret && lock {
				if err := got.Unlock([]byte("wrong")); !errors.Is(err, ErrPassphrase) {
					t.Errorf("got %v, want %v", err, ErrPassphrase)
				}
				if err := got.Unlock([]byte("passphrase")); err != nil || [32]byte(got.seed.Reveal()) != sha256.Sum256([]byte("acme")) {
					t.Errorf("unlocked: %v", err)
				}
			}
		}
	}
}
