package armor

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/internal/ztest"
)

// forge makes a block with a good checksum. The headers are lines in the order
// in which they are written, with extensions in lower case.
func forge(headers, content string) string {
	sum := sha256.Sum256([]byte(headers + content))
	return fmt.Sprintf("%s\n%sChecksum: %s\n%s\n%s\n", beginMarker, headers,
		base64.RawStdEncoding.EncodeToString(sum[:]), base64.RawStdEncoding.EncodeToString([]byte(content)), endMarker)
}

const clearHeaders = "Version: 1.0\nMechanism: CURVE\nContent-security: clear\n"

// encodedKeyText returns a public key as headers have it.
func encodedKeyText(k curve.PublicKey) string { return base64.RawStdEncoding.EncodeToString(k[:]) }

func TestForge(t *testing.T) {
	t.Parallel()
	if _, err := Parse([]byte(forge(clearHeaders, publicText("")))); err != nil {
		t.Error(err)
	}
}

// TestForms holds what a block may go through without a change of its meaning.
func TestForms(t *testing.T) {
	t.Parallel()
	want := armored(t, true)
	text := armoredText(t, want)
	each := func(prefix string) string {
		return prefix + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+prefix) + "\n"
	}
	swapped := strings.Replace(text, "Version: 1.0\nMechanism: CURVE\n", "Mechanism: CURVE\nVersion: 1.0\n", 1)
	moved := strings.Replace(strings.Replace(text, "X-Ticket: 42\n", "", 1), "Version", "X-Ticket: 42\nVersion", 1)
	lines := strings.Split(text, "\n")
	longLine := strings.Join(lines[:7], "\n") + "\n" + strings.Join(lines[7:len(lines)-2], "") + "\n" + endMarker
	tests := []struct{ name, text string }{
		{"CR LF", strings.ReplaceAll(text, "\n", "\r\n")},
		{"CR", strings.ReplaceAll(text, "\n", "\r")},
		{"no end of the last line", strings.TrimSuffix(text, "\n")},
		{"trailing blanks", strings.ReplaceAll(text, "\n", " \t \n")},
		{"blank lines", strings.ReplaceAll(text, "\n", "\n\n \n")},
		{"blanks in front", each("    ")},
		{"tabs in front", each("\t")},
		{"quoted", each("> ")},
		{"quoted without blanks", each(">")},
		{"quoted often", each("> >> \t> ")},
		{"quoted with bars", each(" | ")},
		{"quoted with both", each("|> ")},
		{"quoted, and some lines not", strings.Replace(each("> "), "\n> Mechanism", "\nMechanism", 1)},
		{"dash escapes", strings.ReplaceAll("\n"+text, "\n-", "\n- -")},
		{"dash escapes twice", strings.ReplaceAll("\n"+text, "\n-", "\n- - -")},
		{"quoted dash escapes", strings.ReplaceAll(each("> "), "> -", "> - -")},
		{"byte order mark", "\uFEFF" + text},
		{"text around", "Dear Bob:\n\n" + text + "\nYours,\nA: lice\n"},
		{"names in other case", strings.NewReplacer("Version", "VERSION", "Comment", "comment", "X-Ticket", "x-tiCKET", "Checksum", "CHECKSUM").Replace(text)},
		{"headers in another order", swapped},
		{"extension in front", moved},
		{"header that is overridden", strings.Replace(text, "Version: 1.0", "Version: 3\nComment: old\nX-ticket: 41\nVersion: 1.0", 1)},
		{"lines broken elsewhere", strings.Replace(text, "Comment: for Bob", "Comment: f\\\n   or \\\nBob", 1)},
		{"blanks around a value", strings.Replace(text, "Comment: ", "Comment:  \t ", 1)},
		{"one long line", longLine},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatalf("%v in\n%s", err, tt.text)
			}
			if diff := cmp.Diff(want, got, compareBlocks); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMalformedBlock(t *testing.T) {
	t.Parallel()
	good := armoredText(t, armored(t, false))
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	public := publicText("")
	alicesKey, bobsKey := encodedKeyText(alice(t).Public), encodedKeyText(bob(t).Public())
	sealedHeaders := "Version: 1.0\nMechanism: CURVE\nContent-security: sealed\n"
	to := "Content-signed-to: " + bobsKey + "\n"
	box := strings.Repeat("x", 200)
	locked := lockedAlice(t)
	lockedSecret, err := locked.AppendSecret(nil)
	if err != nil {
		t.Fatal(err)
	}
	passwordHeaders := "Version: 1.0\nMechanism: CURVE\nContent-security: password\n"
	ofX := func(n int) (s string) {
		for i := range n {
			s += fmt.Sprintf("x-%d: x\n", i)
		}
		return s
	}

	tests := []struct {
		name, text string
		want       error
		line       int
	}{
		{"nothing", "", errBlocks, 1},
		{"no block", "Dear Bob,\nI'll send it tomorrow.\n", errBlocks, 1},
		{"UTF-16", "\xff\xfeD\x00", zpl.ErrUTF16, 1},
		{"two blocks", good + good, errBlocks, 14},
		{"no END", change(endMarker, ""), errDamaged, 1},
		{"no BEGIN", change(beginMarker, "x"), errDamaged, 13},
		{"BEGIN behind something", change(beginMarker, "x "+beginMarker), errDamaged, 13},
		{"empty block", beginMarker + "\n" + endMarker, errDamaged, 1},
		{"only headers", beginMarker + "\n" + clearHeaders + endMarker, errDamaged, 1},

		{"no checksum", change("Checksum", "X-Checksum"), errDamaged, 1},
		{"wrong checksum", change("Checksum: hK", "Checksum: VP"), errDamaged, 7},
		{"checksum with stray bits", change("HvEf8\n", "HvEf9\n"), errDamaged, 7},
		{"checksum with padding", change("HvEf8\n", "HvEf8=\n"), errDamaged, 7},
		{"version changed", change("Version: 1.0", "Version: 1.1"), errDamaged, 7},
		{"header name changed", change("Comment", "Commend"), errDamaged, 7},
		{"header lost", change("Comment: for Bob\n", ""), errDamaged, 6},
		{"value of a header lost", change(": for Bob\n", ":\n"), errDamaged, 12},
		{"content line lost", change("bGUgdG8gYW55b25lIHdobyBuZWVkcyB0aGlzIGtleS4KY2VydGlmaWNhdGUKICAg\n", ""), errDamaged, 7},
		{"content lost", good[:strings.Index(good, "IyBa")] + endMarker, errDamaged, 7},
		{"line cut", change("bGUgdG8gYW55b25lIHdobyBuZWVkcyB0aGlzIGtleS4KY2VydGlm", "bGUgdG8"), errDamaged, 12},
		{"character that isn't base64", change("YW55b25l", "YW55b!5l"), errDamaged, 12},
		{"URL base64", change("YW55b25l", "YW55b_5l"), errDamaged, 12},
		{"blank within", change("YW55b25l", "YW55 b25l"), errDamaged, 12},
		{"padded", change("oSUQiCg\n", "oSUQiCg==\n"), errDamaged, 12},
		{"stray bits", strings.Replace(forge(clearHeaders, public+"\n"), "\n-----END", "B\n-----END", 1), errDamaged, 6},
		{"a header behind the content", change(endMarker, "X-Late: x\n"+endMarker), errDamaged, 13},
		{"continued by nothing", change(good[strings.Index(good, "X-Ticket"):strings.Index(good, endMarker)], "X-Ticket: 42\\\n"), errDamaged, 6},
		{"deeper quoting within", change("Mechanism", "> Mechanism"), errDamaged, 7},
		{"signed mail with its escapes lost within", strings.Replace(change(endMarker, "- "+endMarker), "Version", "- Version", 1), errDamaged, 7},

		{"other version", forge("Version: 2.0\nMechanism: CURVE\nContent-security: clear\n", public), errVersion, 2},
		{"other version with headers of its own", forge("Version: 2.0\nMechanism: CURVE\nContent-security: clear\nfuture: x\n", public), errVersion, 2},
		{"no version", forge("Mechanism: CURVE\nContent-security: clear\n", public), errHeader, 1},
		{"no mechanism", forge("Version: 1.0\nContent-security: clear\n", public), errHeader, 1},
		{"other mechanism", forge("Version: 1.0\nMechanism: GSSAPI\nContent-security: clear\n", public), errMechanism, 3},
		{"mechanism in lower case", forge("Version: 1.0\nMechanism: curve\nContent-security: clear\n", public), errMechanism, 3},
		{"no security", forge("Version: 1.0\nMechanism: CURVE\n", public), errHeader, 1},
		{"other security", forge("Version: 1.0\nMechanism: CURVE\nContent-security: none\n", public), errHeader, 4},
		{"security of the draft", forge("Version: 1.0\nMechanism: CURVE\nContent-security: signed\n", public), errHeader, 4},
		{"unknown header", forge(clearHeaders+"subject: x\n", public), errHeader, 5},
		{"unknown header that looks known", forge(clearHeaders+"ver\u017fion: 1.0\n", public), errHeader, 5},
		{"header without a name", forge(clearHeaders+": x\n", public), errHeader, 5},
		{"extension without a name", forge(clearHeaders+"x-: x\n", public), errHeader, 5},
		{"extension with a blank", forge(clearHeaders+"x-a b: x\n", public), errHeader, 5},
		{"extension with a long name", forge(clearHeaders+"x-"+strings.Repeat("n", maxHeaderName-1)+": x\n", public), errHeader, 5},
		{"long value", forge(clearHeaders+"Comment: "+strings.Repeat("x", maxHeaderValue+1)+"\n", public), errHeader, 5},
		{"value that isn't ASCII", forge(clearHeaders+"Comment: Zoë\n", public), errHeader, 5},
		{"value with a control character", forge(clearHeaders+"Comment: \x1b[2J\n", public), errHeader, 5},
		{"value with two blanks", forge(clearHeaders+"Comment: a  b\n", public), errHeader, 5},
		{"value with an END", forge(clearHeaders+"Comment: see "+endMarker+"\n", public), errHeader, 5},
		{"as many headers as may be", forge(clearHeaders+ofX(maxHeaders-4), public), nil, 0},
		{"too many headers", forge(clearHeaders+ofX(maxHeaders-3), public), errLimit, 66},
		{"too many of one header", strings.Replace(good, "Version", strings.Repeat("Version: 1.0\n", maxHeaders)+"Version", 1), errLimit, 66},
		{"endless header", change("for Bob", strings.Repeat("x\\\n", maxHeaderLine)), errLimit, 5},
		{"as much content as may be", forge(clearHeaders, public+strings.Repeat("\n", maxContent-len(public))), nil, 0},
		{"too much content", forge(clearHeaders, public+strings.Repeat("\n", maxContent+1-len(public))), errLimit, 6},
		{"too much content, in lines", strings.Replace(good, "IyBa", strings.Repeat("IyBa\n", maxContent/3), 1), errLimit, 8 + maxContent/3},

		{"no content", forge(clearHeaders, ""), cert.ErrKind, 6},
		{"content of another mechanism", forge("Version: 1.0\nMechanism: PLAIN\nContent-security: clear\n", public), cert.ErrKind, 6},
		{"PLAIN under CURVE", forge(clearHeaders, "plain\n    username = \"\"\n    password = \"\"\n"), cert.ErrKind, 6},
		{"bad key", forge(clearHeaders, "curve\n    public-key = \"x\"\n"), said("not a key"), 6},
		{"keys of two pairs", forge(clearHeaders, strings.Replace(secretText(""), alicePublic, bobPublic, 1)), said("do not match"), 6},
		{"locked and called clear", forge(clearHeaders, string(lockedSecret)), errHeader, 4},
		{"clear and called locked", forge(passwordHeaders+"Content-password: argon2id m=32 t=2 p=4\n", public), errHeader, 4},
		{"locked without its scheme", forge(passwordHeaders, string(lockedSecret)), errHeader, 1},
		{"locked by another scheme", forge(passwordHeaders+"Content-password: argon2id m=8 t=2 p=1\n", string(lockedSecret)), errHeader, 5},
		{"locked", forge(passwordHeaders+"Content-password: argon2id m=32 t=2 p=4\n", string(lockedSecret)), nil, 0},
		{"clear with a scheme", forge(clearHeaders+"Content-password: argon2id m=32 t=2 p=4\n", public), errHeader, 5},
		{"clear with a recipient", forge(clearHeaders+to, public), errHeader, 5},
		{"clear with a sender", forge(clearHeaders+"Content-signed-by: "+alicesKey+"\n", public), errHeader, 5},

		{"sealed", forge(sealedHeaders+to, box), nil, 0},
		{"sealed to nobody", forge(sealedHeaders, box), errHeader, 1},
		{"sealed under a passphrase", forge(sealedHeaders+"Content-password: argon2id m=32 t=2 p=4\n"+to, box), errHeader, 5},
		{"sealed with too little", forge(sealedHeaders+to, box[:39]), errSeal, 4},
		{"sealed with nothing", forge(sealedHeaders+to, ""), errSeal, 4},
		{"recipient in Z85", forge(sealedHeaders+"Content-signed-to: "+bobPublic+"\n", box), errHeader, 5},
		{"recipient with padding", forge(sealedHeaders+"Content-signed-to: "+bobsKey+"=\n", box), errHeader, 5},
		{"recipient with too few bytes", forge(sealedHeaders+"Content-signed-to: "+bobsKey[:40]+"\n", box), errHeader, 5},
		{"recipient of zeros", forge(sealedHeaders+"Content-signed-to: "+encodedKeyText(curve.PublicKey{})+"\n", box), curve.ErrPublicKey, 5},
		{"recipient of low order", forge(sealedHeaders+"Content-signed-to: "+encodedKeyText(curve.PublicKey{1})+"\n", box), curve.ErrPublicKey, 5},
		{"sender of low order", forge(sealedHeaders+"Content-signed-by: "+encodedKeyText(curve.PublicKey{1})+"\n"+to, box), curve.ErrPublicKey, 5},
		{"sender of zeros", forge(sealedHeaders+"Content-signed-by: "+encodedKeyText(curve.PublicKey{})+"\n"+to, box), curve.ErrPublicKey, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := Parse([]byte(tt.text))
			if tt.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var place *cert.SyntaxError
			if !is(err, tt.want) || !errors.As(err, &place) || e != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if place.Line != tt.line {
				t.Errorf("line %d, want %d: %v", place.Line, tt.line, err)
			}
			if len(err.Error()) > 300 || strings.Contains(err.Error(), aliceSecret) {
				t.Errorf("an error of %q", err)
			}
		})
	}
}

// TestEveryOctetOfBlockUnraced changes each byte of blocks to others. No change goes
// unnoticed, and all are reported as damage.
func TestEveryOctetOfBlockUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	sealed, err := armored(t, true).Seal(bob(t).Public(), alice(t).Secret)
	if err != nil {
		t.Fatal(err)
	}
	anonymous, err := armored(t, true).Seal(bob(t).Public(), curve.SecretKey{})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := NewLogin(credentials())
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*Block{
		"public": armored(t, false), "secret": armored(t, true), "PLAIN": plain, "sealed": sealed, "anonymous": anonymous,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := []byte(armoredText(t, e))
			same := 0
			for i, c := range text {
				for _, other := range []byte{c ^ 1, c ^ 0x20, c ^ 0x80, c + 1, ' ', '\n', '\r', '\\', '>', '-', ':', '=', 'A', 0} {
					if other == c {
						continue
					}
					text[i] = other
					got, err := Parse(text)
					if err == nil {
						same++
						if diff := cmp.Diff(e, got, compareBlocks); diff != "" {
							t.Errorf("byte %d, %q instead of %q (-want +got):\n%s", i, other, c, diff)
						}
						if !isFreedom(c, other) && i < len(text)-1 {
							t.Errorf("byte %d, %q instead of %q: got no error", i, other, c)
						}
					} else if !errors.Is(err, errDamaged) {
						t.Errorf("byte %d, %q instead of %q: got %v, want %v", i, other, c, err, errDamaged)
					}
				}
				text[i] = c
			}
			if same == 0 {
				t.Error("not even a line end could be changed")
			}
		})
	}
}

// isFreedom reports whether the format lets one byte be another somewhere: the
// case of a header's name, or a line end.
func isFreedom(a, b byte) bool {
	letter := 'a' <= a|0x20 && a|0x20 <= 'z'
	return letter && a^b == 0x20 || a == '\n' && b == '\r'
}

// TestEveryCut cuts a block short at every byte.
func TestEveryCut(t *testing.T) {
	t.Parallel()
	text := armoredText(t, armored(t, true))
	end := strings.Index(text, endMarker)
	for i := 1; i < len(text)-1; i++ {
		want := errDamaged
		if i < len(beginMarker) {
			want = errBlocks
		}
		if e, err := Parse([]byte(text[:i])); !errors.Is(err, want) {
			t.Errorf("cut at %d: got %v, %v, want %v", i, e, err, want)
		}
		want = errDamaged
		if i > end {
			want = errBlocks
		}
		if e, err := Parse([]byte(text[i:])); !errors.Is(err, want) {
			t.Errorf("the first %d bytes cut: got %v, %v, want %v", i, e, err, want)
		}
	}
}
