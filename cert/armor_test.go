package cert

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// compareEnvelopes compares all of them, but the case of extensions' names.
var compareEnvelopes = cmp.Options{
	cmp.AllowUnexported(Envelope{}),
	cmp.Comparer(func(a, b *hidden) bool { return string(a.reveal()) == string(b.reveal()) }),
	cmp.Comparer(func(a, b item) bool { return lowerName(a.Name) == lowerName(b.Name) && a.Value == b.Value }),
	cmpopts.EquateEmpty(),
}

// bob returns the secret key of the other owner.
func bob(t testing.TB) curve.SecretKey {
	t.Helper()
	secret, err := curve.ParseSecretKey(bobSecret)
	if err != nil {
		t.Fatal(err)
	}
	if secret.Public().String() != bobPublic {
		t.Fatal("bob's keys do not match")
	}
	return secret
}

// boxKey returns the public key of s, as package box takes it.
func boxKey(s curve.SecretKey) *[curve.KeySize]byte {
	key := [curve.KeySize]byte(s.Public())
	return &key
}

// armored makes an envelope of alice's certificate.
func armored(t testing.TB, secret bool) *Envelope {
	t.Helper()
	e, err := Armor(alice(t, item{"name", "alice"}), secret)
	if err != nil {
		t.Fatal(err)
	}
	e.Comment = "for Bob"
	e.Extensions = []item{{"X-Ticket", "42"}}
	return e
}

// credentials are those of PLAIN.
func credentials() *Plain {
	return &Plain{Username: "alice", Password: zap.NewPassword("open sesame"), Metadata: Metadata{{"group", "traders"}}}
}

// armoredText is what Append writes.
func armoredText(t testing.TB, e *Envelope) string {
	t.Helper()
	text, err := e.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestArmorText holds the format, which every later version must keep.
func TestArmorText(t *testing.T) {
	t.Parallel()
	const want = `-----BEGIN ZEROMQ CERTIFICATE-----
Version: 1.0
Mechanism: CURVE
Content-security: clear
Comment: for Bob
X-Ticket: 42
Checksum: VO09E3Ugqi7fF0tm+SWtGVRSz3vhxMJXyGFRO8yUmdw
IyBaZXJvTVEgQ1VSVkUgUHVibGljIENlcnRpZmljYXRlCiMgR2l2ZSBpdCB0byB3
aG9ldmVyIHNob3VsZCBrbm93IHRoaXMga2V5LgpjZXJ0aWZpY2F0ZQogICAgdmVy
c2lvbiA9ICIxIgptZXRhZGF0YQogICAgbmFtZSA9ICJhbGljZSIKY3VydmUKICAg
IHB1YmxpYy1rZXkgPSAiWW5lQCR3LXZvPGZWdmldYTxOWTZUMWVkOk0kZkNHKltJ
YUxWe2hJRCIK
-----END ZEROMQ CERTIFICATE-----
`
	dst, err := armored(t, false).Append([]byte("before\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("before\n"+want, string(dst)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := ParseEnvelope([]byte(want)); err != nil {
		t.Error(err)
	}
}

func TestArmorRoundTrip(t *testing.T) {
	t.Parallel()
	locked := alice(t)
	if err := locked.lock([]byte("passphrase"), argonParameters{memory: 8, passes: 1, lanes: 1}); err != nil {
		t.Fatal(err)
	}
	long := alice(t)
	for i := range 100 {
		long.Metadata = append(long.Metadata, item{fmt.Sprintf("name-%d", i), strings.Repeat("x", 500)})
	}
	tests := []struct {
		name     string
		c        *Certificate
		secret   bool
		security string
	}{
		{"public", alice(t, item{"name", "Zoë"}), false, "clear"},
		{"secret", alice(t, item{"name", "alice"}), true, "clear"},
		{"locked", locked, true, "password\nContent-password: argon2id m=8 t=1 p=1"},
		{"public half of a locked one", locked, false, "clear"},
		{"long", long, true, "clear"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := Armor(tt.c, tt.secret)
			if err != nil {
				t.Fatal(err)
			}
			text := armoredText(t, e)
			if !strings.Contains(text, "Content-security: "+tt.security+"\n") {
				t.Errorf("want %s in\n%s", tt.security, text)
			}
			back, err := ParseEnvelope([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e, back, compareEnvelopes); diff != "" {
				t.Errorf("envelope (-want +got):\n%s", diff)
			}
			got, err := back.Certificate()
			if err != nil {
				t.Fatal(err)
			}
			write := tt.c.AppendPublic
			if tt.secret {
				write = tt.c.AppendSecret
			}
			want, err := write(nil)
			if err != nil {
				t.Fatal(err)
			}
			wantBack, err := Parse(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wantBack, got, compare, cmp.AllowUnexported(Locked{}, argonParameters{})); diff != "" {
				t.Errorf("certificate (-want +got):\n%s", diff)
			}
			if _, err := back.Plain(); !errors.Is(err, ErrMechanism) {
				t.Errorf("as PLAIN: got %v, want %v", err, ErrMechanism)
			}
		})
	}
}

// TestHeaderRoundTripUnraced holds that what a header can say survives folding.
func TestHeaderRoundTripUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	longName := "X-" + strings.Repeat("n", maxHeaderName-2)
	var values []string
	for i := 55; i < 75; i++ { // around where lines are folded, once and twice
		values = append(values, strings.Repeat("x", i), strings.Repeat("x", i)+" y z", strings.Repeat(`\`, i)+"x",
			strings.Repeat("> ", i)+">", strings.Repeat("- ", i)+"-", strings.Repeat("| ", i)+"|", strings.Repeat(": ", i)+":")
	}
	values = append(values, "a", "#", "-----END", "a: b", strings.Repeat("x", maxHeaderValue), strings.Repeat("a ", maxHeaderValue/2-1)+"ab")
	for _, value := range values {
		for _, name := range []string{"X-A", longName} {
			e := armored(t, false)
			e.Comment = value
			e.Extensions = []item{{name, value}}
			text := armoredText(t, e)
			for line := range strings.Lines(text) {
				if len(line) > maxArmorLine+len("\n") {
					t.Errorf("a line of %d characters: %s", len(line)-1, line)
				}
			}
			for _, quoted := range []string{text, "> > " + strings.ReplaceAll(text, "\n", "\n> > "), strings.ReplaceAll("\n"+text, "\n-", "\n- -")} {
				back, err := ParseEnvelope([]byte(quoted))
				if err != nil {
					t.Fatalf("%v in\n%s", err, quoted)
				}
				if diff := cmp.Diff(e, back, compareEnvelopes); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		}
	}
}

func TestUnwritableEnvelope(t *testing.T) {
	t.Parallel()
	comment := func(s string) func(*Envelope) { return func(e *Envelope) { e.Comment = s } }
	extension := func(p ...item) func(*Envelope) { return func(e *Envelope) { e.Extensions = p } }
	tests := []struct {
		name   string
		change func(*Envelope)
		want   error
	}{
		{"mechanism", func(e *Envelope) { e.Mechanism = "GSSAPI" }, ErrMechanism},
		{"line end", comment("a\nb"), ErrHeader},
		{"tab", comment("a\tb"), ErrHeader},
		{"not ASCII", comment("Zoë"), ErrHeader},
		{"too long", comment(strings.Repeat("x", maxHeaderValue+1)), ErrHeader},
		{"blank in front", comment(" a"), ErrHeader},
		{"blank behind", comment("a "), ErrHeader},
		{"two blanks", comment("a  b"), ErrHeader},
		{"backslash", comment(`a\`), ErrHeader},
		{"END", comment("see " + endMarker), ErrHeader},
		{"BEGIN", comment(beginMarker), ErrHeader},
		{"extension without X-", extension(item{"Comment", "x"}), ErrHeader},
		{"extension without a name", extension(item{"X-", "x"}), ErrHeader},
		{"extension with a blank in its name", extension(item{"X-a b", "x"}), ErrHeader},
		{"extension that isn't ASCII", extension(item{"X-é", "x"}), ErrHeader},
		{"extension with a long name", extension(item{"X-" + strings.Repeat("n", maxHeaderName-1), "x"}), ErrHeader},
		{"empty extension", extension(item{"X-a", ""}), ErrHeader},
		{"extension twice", extension(item{"X-a", "1"}, item{"x-A", "2"}), ErrHeader},
		{"too many", func(e *Envelope) {
			for i := range maxHeaders {
				e.Extensions = append(e.Extensions, item{fmt.Sprintf("X-%d", i), "x"})
			}
		}, ErrArmorLimit},
		{"clear with a recipient", func(e *Envelope) { e.SealedTo = curve.PublicKey{9} }, ErrHeader},
		{"clear with a sender", func(e *Envelope) { e.SealedBy = curve.PublicKey{9} }, ErrHeader},
		{"nothing", func(e *Envelope) { *e = Envelope{Mechanism: MechanismCurve} }, ErrContent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := armored(t, true)
			tt.change(e)
			dst, err := e.Append([]byte("before"))
			if !errors.Is(err, tt.want) || string(dst) != "before" {
				t.Errorf("got %q, %v, want %v", dst, err, tt.want)
			}
			if sealed, err := e.Seal(bob(t).Public(), nil); !errors.Is(err, tt.want) && tt.name != "clear with a recipient" && tt.name != "clear with a sender" {
				t.Errorf("sealed: got %v, %v, want %v", sealed, err, tt.want)
			}
		})
	}
	t.Run("no secret", func(t *testing.T) {
		t.Parallel()
		c := alice(t)
		c.Secret = curve.SecretKey{}
		if _, err := Armor(c, true); !errors.Is(err, errNoSecretKey) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("most extensions", func(t *testing.T) {
		t.Parallel()
		e := armored(t, true)
		e.Extensions = nil
		for i := range maxHeaders - knownHeaders {
			e.Extensions = append(e.Extensions, item{fmt.Sprintf("X-%d", i), "x"})
		}
		sealed, err := e.Seal(bob(t).Public(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range []*Envelope{e, sealed} {
			if _, err := ParseEnvelope([]byte(armoredText(t, e))); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestEnvelopePrintsNoSecret holds that a log with an envelope in it gives
// nothing away.
func TestEnvelopePrintsNoSecret(t *testing.T) {
	t.Parallel()
	plain, err := ArmorPlain(credentials())
	if err != nil {
		t.Fatal(err)
	}
	secret := armored(t, true)
	type inside struct {
		e  *Envelope
		v  Envelope
		ex Extracted
	}
	for _, e := range []*Envelope{plain, secret} {
		content := string(e.content.reveal())
		for _, v := range []any{e, *e, []*Envelope{e}, inside{e, *e, Extracted{Envelope: e}}, Extracted{Envelope: e}} {
			checkHidden(t, v, content, fmt.Sprint([]byte(content[:8]))[1:], aliceSecret, "sesame")
		}
	}
}

// checkHidden fails if v prints as any of the secrets.
func checkHidden(t *testing.T, v any, secrets ...string) {
	t.Helper()
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		printed = append(printed, fmt.Sprintf(verb, v))
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
	printed = append(printed, string(text), log.String())
	for _, p := range printed {
		for _, s := range secrets {
			if strings.Contains(p, s) || strings.Contains(p, fmt.Sprintf("%x", s)) || strings.Contains(p, fmt.Sprintf("%X", s)) {
				t.Errorf("%T prints as %s", v, p)
			}
		}
	}
}
