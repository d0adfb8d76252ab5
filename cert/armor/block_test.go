package armor

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/hidden"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// compareBlocks compares all of them, but the case of extensions' names.
var compareBlocks = cmp.Options{
	cmp.AllowUnexported(Block{}),
	cmpopts.IgnoreFields(Block{}, "Line", "EndLine"),
	cmp.Comparer(func(a, b *hidden.Bytes) bool { return string(a.Reveal()) == string(b.Reveal()) }),
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

// ofCertificate returns a block with the public or the secret certificate.
func ofCertificate(c *cert.Certificate, secret bool) (*Block, error) {
	if secret {
		return NewSecret(c)
	}
	return New(c)
}

// armored makes an envelope of alice's certificate.
func armored(t testing.TB, secret bool) *Block {
	t.Helper()
	e, err := ofCertificate(alice(t, item{"name", "alice"}), secret)
	if err != nil {
		t.Fatal(err)
	}
	e.Comment = "for Bob"
	e.Extensions = []item{{"X-Ticket", "42"}}
	return e
}

// credentials are those of PLAIN.
func credentials() *Login {
	return &Login{Username: "alice", Password: zap.NewPassword("open sesame"), Metadata: cert.Metadata{{"group", "traders"}}}
}

// armoredText returns what Append writes.
func armoredText(t testing.TB, e *Block) string {
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
Checksum: hKNAiK6G9JjH+rxQ/l1y8ZmLLMTM735T+H8bYYHvEf8
IyBaZXJvTVEgQ1VSVkUgUHVibGljIENlcnRpZmljYXRlCiMgR2l2ZSB0aGlzIGZp
bGUgdG8gYW55b25lIHdobyBuZWVkcyB0aGlzIGtleS4KY2VydGlmaWNhdGUKICAg
IHZlcnNpb24gPSAiMSIKbWV0YWRhdGEKICAgIG5hbWUgPSAiYWxpY2UiCmN1cnZl
CiAgICBwdWJsaWMta2V5ID0gIlluZUAkdy12bzxmVnZpXWE8Tlk2VDFlZDpNJGZD
RypbSWFMVntoSUQiCg
-----END ZEROMQ CERTIFICATE-----
`
	dst, err := armored(t, false).Append([]byte("before\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("before\n"+want, string(dst)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Parse([]byte(want)); err != nil {
		t.Error(err)
	}
}

func TestArmorRoundTrip(t *testing.T) {
	t.Parallel()
	locked := lockedAlice(t)
	long := alice(t)
	for i := range 100 {
		long.Metadata = append(long.Metadata, item{fmt.Sprintf("name-%d", i), strings.Repeat("x", 500)})
	}
	tests := []struct {
		name     string
		c        *cert.Certificate
		secret   bool
		security string
	}{
		{"public", alice(t, item{"name", "Zoë"}), false, "clear"},
		{"secret", alice(t, item{"name", "alice"}), true, "clear"},
		{"locked", locked, true, "password\nContent-password: argon2id m=32 t=2 p=4"},
		{"public half of a locked one", locked, false, "clear"},
		{"long", long, true, "clear"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := ofCertificate(tt.c, tt.secret)
			if err != nil {
				t.Fatal(err)
			}
			text := armoredText(t, e)
			if !strings.Contains(text, "Content-security: "+tt.security+"\n") {
				t.Errorf("want %s in\n%s", tt.security, text)
			}
			back, err := Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e, back, compareBlocks); diff != "" {
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
			wantBack, err := cert.Parse(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wantBack, got, compare); diff != "" {
				t.Errorf("certificate (-want +got):\n%s", diff)
			}
			if _, err := back.Login(); !errors.Is(err, cert.ErrKind) {
				t.Errorf("as PLAIN: got %v, want %v", err, cert.ErrKind)
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
				if len(line) > maxLine+len("\n") {
					t.Errorf("a line of %d characters: %s", len(line)-1, line)
				}
			}
			for _, quoted := range []string{text, "> > " + strings.ReplaceAll(text, "\n", "\n> > "), strings.ReplaceAll("\n"+text, "\n-", "\n- -")} {
				back, err := Parse([]byte(quoted))
				if err != nil {
					t.Fatalf("%v in\n%s", err, quoted)
				}
				if diff := cmp.Diff(e, back, compareBlocks); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		}
	}
}

func TestUnwritableBlock(t *testing.T) {
	t.Parallel()
	comment := func(s string) func(*Block) { return func(e *Block) { e.Comment = s } }
	extension := func(p ...item) func(*Block) { return func(e *Block) { e.Extensions = p } }
	tests := []struct {
		name   string
		change func(*Block)
		want   error
	}{
		{"line end", comment("a\nb"), errHeader},
		{"tab", comment("a\tb"), errHeader},
		{"not ASCII", comment("Zoë"), errHeader},
		{"too long", comment(strings.Repeat("x", maxHeaderValue+1)), errHeader},
		{"blank in front", comment(" a"), errHeader},
		{"blank behind", comment("a "), errHeader},
		{"two blanks", comment("a  b"), errHeader},
		{"backslash", comment(`a\`), errHeader},
		{"END", comment("see " + endMarker), errHeader},
		{"BEGIN", comment(beginMarker), errHeader},
		{"extension without X-", extension(item{"Comment", "x"}), errHeader},
		{"extension without a name", extension(item{"X-", "x"}), errHeader},
		{"extension with a blank in its name", extension(item{"X-a b", "x"}), errHeader},
		{"extension that isn't ASCII", extension(item{"X-é", "x"}), errHeader},
		{"extension with a long name", extension(item{"X-" + strings.Repeat("n", maxHeaderName-1), "x"}), errHeader},
		{"empty extension", extension(item{"X-a", ""}), errHeader},
		{"extension twice", extension(item{"X-a", "1"}, item{"x-A", "2"}), errHeader},
		{"too many", func(e *Block) {
			for i := range maxHeaders {
				e.Extensions = append(e.Extensions, item{fmt.Sprintf("X-%d", i), "x"})
			}
		}, errLimit},
		{"nothing", func(e *Block) { *e = Block{mechanism: mechanismCurve} }, errContent},
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
			if sealed, err := e.Seal(bob(t).Public(), curve.SecretKey{}); !errors.Is(err, tt.want) {
				t.Errorf("sealed: got %v, %v, want %v", sealed, err, tt.want)
			}
		})
	}
	t.Run("no secret", func(t *testing.T) {
		t.Parallel()
		c := alice(t)
		c.Secret = curve.SecretKey{}
		if _, err := NewSecret(c); !is(err, said("no secret key")) {
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
		sealed, err := e.Seal(bob(t).Public(), curve.SecretKey{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range []*Block{e, sealed} {
			if _, err := Parse([]byte(armoredText(t, e))); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestBlockPrintsNoSecret holds that a log with an envelope in it gives
// nothing away.
func TestBlockPrintsNoSecret(t *testing.T) {
	t.Parallel()
	plain, err := NewLogin(credentials())
	if err != nil {
		t.Fatal(err)
	}
	secret := armored(t, true)
	type inside struct {
		e  *Block
		v  Block
		bs []*Block
	}
	for _, e := range []*Block{plain, secret} {
		content := string(e.content.Reveal())
		for _, v := range []any{e, *e, []*Block{e}, inside{e, *e, []*Block{e}}, map[string]any{"b": e}} {
			ztest.CheckHidden(t, v, content, fmt.Sprint([]byte(content[:8]))[1:], aliceSecret, "sesame")
		}
	}
}

// TestRefusedContentIsCleared: of a content that a block does not keep, no secret stays in
// memory.
func TestRefusedContentIsCleared(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{mechanismCurve, mechanismPlain, "GSSAPI"} {
		content := []byte(secretText("") + "secret-key\n")
		b := &Block{mechanism: mechanism}
		if err := b.setContent(content); err == nil || b.content != nil {
			t.Fatalf("%s: accepted, or kept: %v", mechanism, err)
		}
		if len(bytes.Trim(content, "\x00")) > 0 {
			t.Errorf("%s: it still holds %q", mechanism, content)
		}
	}
}
