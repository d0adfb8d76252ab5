package armor

import (
	"crypto/md5"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/nacl/box"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/z85"
)

const draftClear = beginMarker + `
Version: 0.1
Mechanism: CURVE
Content-security: clear
Comment: for Bob
X-Ticket: 42
name=alice;email=alice@example.com
` + alicePublic + "\n" + aliceSecret + "\n" + endMarker + "\n"

// draftHead are the headers of a block of version 0.1.
func draftHead(mechanism, more string) string {
	return beginMarker + "\nVersion: 0.1\nMechanism: " + mechanism + "\n" + more
}

// draftSeal makes the content that version 0.1 calls signed, from alice to bob.
func draftSeal(t testing.TB, text string) string {
	t.Helper()
	a, b := alice(t), bob(t)
	nonce := [24]byte{1, 2, 3}
	sealed := box.Seal(nonce[:], []byte(text), &nonce, (*[32]byte)(boxKey(b)), secretBytes(a.Secret))
	return draftEncode(t, sealed)
}

// draftEncode writes bytes with their lengths and digest.
func draftEncode(t testing.TB, bytes []byte) string {
	t.Helper()
	exact := len(bytes)
	digest := strings.ReplaceAll(fmt.Sprintf("% x", md5.Sum(bytes)), " ", ":")
	for len(bytes)%4 != 0 {
		bytes = append(bytes, 0)
	}
	text, err := z85.Append(nil, bytes)
	if err != nil {
		t.Fatal(err)
	}
	s := fmt.Sprintf("%d %d %s\n", exact, len(bytes), digest)
	for len(text) > 71 {
		s += string(text[:71]) + "\\\n"
		text = text[71:]
	}
	return s + string(text) + "\n"
}

const draftKeys = "Content-signed-by: " + alicePublic + "\nContent-signed-to: " + bobPublic + "\n"

func TestDraftClear(t *testing.T) {
	t.Parallel()
	metadata := cert.Metadata{{"name", "alice"}, {"email", "alice@example.com"}}
	secret := alice(t, metadata...)
	public := alice(t, metadata...)
	public.Secret = curve.SecretKey{}
	nothing := alice(t)
	nothing.Secret = curve.SecretKey{}
	tests := []struct {
		name, text string
		want       *cert.Certificate
	}{
		{"secret", draftClear, secret},
		{"public", strings.Replace(draftClear, aliceSecret, "-", 1), public},
		{"without the line of the secret", strings.Replace(draftClear, aliceSecret+"\n", "", 1), public},
		{"without metadata", strings.NewReplacer("name=alice;email=alice@example.com", "-", aliceSecret, "-").Replace(draftClear), nothing},
		{"quoted", "> " + strings.ReplaceAll(draftClear, "\n", "\r\n> "), secret},
		{"escaped", strings.NewReplacer("\n-", "\n- -", aliceSecret, "- -").Replace("\n" + draftClear), public},
		{"continued", strings.NewReplacer("email", "\\\nemail", "-vo<f", "-\\\nvo<f").Replace(draftClear), secret},
	}
	for _, tt := range tests {
		e, err := Parse([]byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if e.version != "0.1" || e.Comment != "for Bob" || e.Extensions[0] != (item{"X-Ticket", "42"}) {
			t.Errorf("%s: got %+v", tt.name, e)
		}
		c, err := e.Certificate()
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, c, compare); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		back, err := Parse([]byte(armoredText(t, e)))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		e.version = currentVersion
		if diff := cmp.Diff(e, back, compareBlocks); diff != "" {
			t.Errorf("%s, written again (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestDraftMarkInFront holds that a key that begins with a mark of quoting is
// left whole where nothing is quoted, and where all is.
func TestDraftMarkInFront(t *testing.T) {
	t.Parallel()
	keys := curve.GenerateKey()
	for !strings.HasPrefix(keys.Public().String(), ">") {
		keys = curve.GenerateKey()
	}
	text := draftHead(mechanismCurve, "Content-security: clear\n-\n") + keys.Public().String() + "\n" + endMarker + "\n"
	for _, text := range []string{text, "> " + strings.ReplaceAll(text, "\n", "\n> ")} {
		e, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := e.Certificate(); err != nil || c.Public != keys.Public() {
			t.Errorf("got %v, %v", c, err)
		}
	}
}

func TestDraftPlain(t *testing.T) {
	t.Parallel()
	text := draftHead(mechanismPlain, "Content-security: clear\ngroup=traders\nalice\nopen sesame\n") + endMarker
	e, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.Login()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(credentials(), p, comparePlain); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDraftSigned(t *testing.T) {
	t.Parallel()
	for _, metadata := range []string{"-", "name=alice", "name=alice;a=bc", "name=alice;a=bcd", "name=alice;a=bcde"} {
		content := metadata + "\n" + alicePublic + "\n-\n"
		want := alice(t)
		want.Secret = curve.SecretKey{}
		if metadata != "-" {
			for pair := range strings.SplitSeq(metadata, ";") {
				name, value, _ := strings.Cut(pair, "=")
				want.Metadata = append(want.Metadata, item{name, value})
			}
		}
		for _, security := range []string{"", "Content-security: signed\n"} {
			text := draftHead(mechanismCurve, security+draftKeys) + draftSeal(t, content) + endMarker
			for _, text := range []string{text, "| " + strings.ReplaceAll(text, "\n", "\r| ")} {
				e, err := Parse([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := e.Append(nil); !e.IsSealed() || !errors.Is(err, errVersion) {
					t.Errorf("got %v, want %v", err, errVersion)
				}
				if _, err := e.Certificate(); !errors.Is(err, errSealed) {
					t.Errorf("got %v, want %v", err, errSealed)
				}
				opened, err := e.Open(bob(t))
				if err != nil {
					t.Fatal(err)
				}
				c, err := opened.Certificate()
				if err != nil || opened.SealedBy != want.Public || opened.IsSealed() {
					t.Errorf("by %v, %v", opened.SealedBy, err)
				}
				if diff := cmp.Diff(want, c, compare); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if _, err := Parse([]byte(armoredText(t, opened))); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func TestMalformedDraft(t *testing.T) {
	t.Parallel()
	clearHead := func(mechanism string) string { return draftHead(mechanism, "Content-security: clear\n") }
	signed := draftSeal(t, "-\n"+alicePublic+"\n")
	head, z85, _ := strings.Cut(signed, "\n")
	fields := strings.Fields(head)
	signedWith := func(first string) string {
		return draftHead(mechanismCurve, draftKeys) + first + "\n" + z85 + endMarker
	}
	tests := []struct {
		name, text string
		want       error
		line       int
	}{
		{"no mechanism", beginMarker + "\nVersion: 0.1\nContent-security: clear\n-\n" + alicePublic + "\n" + endMarker, errHeader, 1},
		{"other mechanism", clearHead("NULL") + "-\n" + alicePublic + "\n" + endMarker, errMechanism, 3},
		{"no security", draftHead(mechanismCurve, "-\n") + alicePublic + "\n" + endMarker, errHeader, 1},
		{"under a passphrase", draftHead(mechanismCurve, "Content-security: password\n-\n") + alicePublic + "\n" + endMarker, errVersion, 4},
		{"security of today", draftHead(mechanismCurve, "Content-security: sealed\n"+draftKeys) + signed + endMarker, errHeader, 4},
		{"checksum", strings.Replace(draftClear, "X-Ticket", "Checksum", 1), errHeader, 6},
		{"scheme", strings.Replace(draftClear, "X-Ticket", "Content-password", 1), errHeader, 6},
		{"unknown header", strings.Replace(draftClear, "X-Ticket", "Ticket", 1), errHeader, 6},
		{"clear with keys", draftHead(mechanismCurve, "Content-security: clear\n"+draftKeys) + signed + endMarker, errHeader, 4},
		{"signed without keys", draftHead(mechanismCurve, "Content-security: signed\n") + signed + endMarker, errHeader, 4},
		{"signed by nobody", draftHead(mechanismCurve, "Content-security: signed\nContent-signed-to: "+bobPublic+"\n") + signed + endMarker, errHeader, 4},
		{"signed to a key in base64", draftHead(mechanismCurve, strings.Replace(draftKeys, bobPublic, encodedKeyText(bob(t).Public()), 1)) + signed + endMarker, errKeySize, 5},

		{"no END", strings.TrimSuffix(draftClear, endMarker+"\n"), errDamaged, 1},
		{"no content", clearHead(mechanismCurve) + endMarker, errContent, 4},
		{"one line", clearHead(mechanismCurve) + alicePublic + "\n" + endMarker, errContent, 5},
		{"four lines", clearHead(mechanismCurve) + "-\n" + alicePublic + "\n-\n-\n" + endMarker, errContent, 8},
		{"last line continued", clearHead(mechanismCurve) + "-\n" + alicePublic + "\\\n" + endMarker, errDamaged, 6},
		{"metadata without a value", clearHead(mechanismCurve) + "name\n" + alicePublic + "\n" + endMarker, form.ErrMetadata, 6},
		{"metadata twice", clearHead(mechanismCurve) + "a=1;A=2\n" + alicePublic + "\n" + endMarker, form.ErrMetadata, 6},
		{"metadata with both kinds of quotes", clearHead(mechanismCurve) + "a=\"'\n" + alicePublic + "\n" + endMarker, form.ErrMetadata, 6},
		{"metadata of a key", clearHead(mechanismCurve) + "public-key=1\n" + alicePublic + "\n" + endMarker, form.ErrAmbiguous, 6},
		{"metadata in too long a line", clearHead(mechanismCurve) + "a=" + strings.Repeat("x", form.MaxLine) + "\n" + alicePublic + "\n" + endMarker, form.ErrLine, 6},
		{"more than is read", clearHead(mechanismCurve) + "a=" + strings.Repeat("x", maxContent) + "\n" + alicePublic + "\n" + endMarker, errLimit, 5},
		{"no key", clearHead(mechanismCurve) + "-\n-\n" + endMarker, errKey, 6},
		{"wrong key", clearHead(mechanismCurve) + "-\n" + alicePublic[1:] + "\n" + endMarker, errKey, 6},
		{"key of low order", clearHead(mechanismCurve) + "-\n" + curve.PublicKey{}.String() + "\n" + endMarker, curve.ErrPublicKey, 6},
		{"wrong secret key", clearHead(mechanismCurve) + "-\n" + alicePublic + "\n" + aliceSecret[1:] + "\n" + endMarker, errKey, 7},
		{"keys of two pairs", clearHead(mechanismCurve) + "-\n" + bobPublic + "\n" + aliceSecret + "\n" + endMarker, said("do not match"), 7},
		{"PLAIN without a password", clearHead(mechanismPlain) + "-\nalice\n" + endMarker, errContent, 6},
		{"PLAIN with a long password", clearHead(mechanismPlain) + "-\nalice\n" + strings.Repeat("x", maxLogin+1) + "\n" + endMarker, form.ErrProperty, 7},

		{"signed without a content", draftHead(mechanismCurve, draftKeys) + endMarker, errContent, 5},
		{"signed without a digest", draftHead(mechanismCurve, draftKeys) + z85 + endMarker, errContent, 6},
		{"two fields", signedWith(fields[0] + " " + fields[1]), errContent, 7},
		{"four fields", signedWith(head + " 1"), errContent, 7},
		{"negative length", signedWith("-" + head), errContent, 7},
		{"hexadecimal length", signedWith("0x" + head), errContent, 7},
		{"length of more than is read", signedWith("65540 65540 " + fields[2]), errContent, 7},
		{"padded by 4", signedWith(fields[0] + " 120 " + fields[2]), errContent, 7},
		{"another length", signedWith("124 124 " + fields[2]), errDamaged, 7},
		{"digest without colons", signedWith(strings.ReplaceAll(head, ":", "")), errContent, 7},
		{"short digest", signedWith(head[:len(head)-3]), errContent, 7},
		{"another digest", signedWith(fields[0] + " " + fields[1] + strings.Repeat(":00", 16)[1:]), errContent, 7},
		{"zero digest", signedWith(fields[0] + " " + fields[1] + " 00" + strings.Repeat(":00", 15)), errDamaged, 7},
		{"not Z85", signedWith(head)[:len(signedWith(head))-len(endMarker)-2] + "~\n" + endMarker, errDamaged, 7},
		{"Z85 cut", signedWith(head)[:len(signedWith(head))-len(endMarker)-2] + "\n" + endMarker, errDamaged, 7},
		{"too short for a seal", draftHead(mechanismCurve, draftKeys) + draftEncode(t, make([]byte, 39)) + endMarker, errSeal, 1},
		{"padding that isn't zero", draftHead(mechanismCurve, draftKeys) +
			strings.Replace(draftEncode(t, append(make([]byte, 99), 1)), "100 100", "99 100", 1) + endMarker, errDamaged, 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := Parse([]byte(tt.text))
			var place *cert.SyntaxError
			if !is(err, tt.want) || !errors.As(err, &place) || e != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if place.Line != tt.line {
				t.Errorf("line %d, want %d: %v", place.Line, tt.line, err)
			}
			checkNoKey(t, err)
		})
	}
}

func TestMalformedSignedDraft(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       error
	}{
		{"carriage return", "-\r\n" + alicePublic + "\n", errContent},
		{"nothing", "", errContent},
		{"one line", "-\n", errContent},
		{"wrong key", "-\nx\n", errKey},
		{"continued by nothing", "-\n" + alicePublic + "\\\n", errDamaged},
	}
	for _, tt := range tests {
		e, err := Parse([]byte(draftHead(mechanismCurve, draftKeys) + draftSeal(t, tt.text) + endMarker))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if opened, err := e.Open(bob(t)); !is(err, tt.want) || opened != nil {
			t.Errorf("%s: got %v, %v, want %v", tt.name, opened, err, tt.want)
		}
	}
	e, err := Parse([]byte(draftHead(mechanismCurve, draftKeys) + draftEncode(t, make([]byte, 100)) + endMarker))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Open(bob(t)); !errors.Is(err, errSeal) {
		t.Errorf("got %v, want %v", err, errSeal)
	}
	a := alice(t)
	if _, err := e.Open(a.Secret); !errors.Is(err, errNotRecipient) {
		t.Errorf("got %v, want %v", err, errNotRecipient)
	}
}

// errKeySize is package curve's error for a text of the wrong length.
var errKeySize = func() error {
	_, err := curve.ParsePublicKey("")
	return errors.Unwrap(errors.Unwrap(err))
}()
