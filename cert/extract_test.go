package cert

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExtract takes the certificates out of an exchange of mails.
func TestExtract(t *testing.T) {
	t.Parallel()
	first, secret := armored(t, false), armored(t, true)
	plain, err := ArmorPlain(credentials())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := secret.Seal(bob(t).Public(), nil)
	if err != nil {
		t.Fatal(err)
	}
	prefix := func(prefix string, e *Envelope) string {
		return prefix + strings.ReplaceAll(strings.TrimSuffix(armoredText(t, e), "\n"), "\n", "\n"+prefix) + "\n"
	}
	var text strings.Builder
	line := 1
	var want []Extracted
	add := func(s string) { text.WriteString(s); line += strings.Count(s, "\n") }
	block := func(s string, e *Envelope, err error) {
		end := line + strings.Count(s, "\n") - 1
		want = append(want, Extracted{line, end, e, err})
		add(s)
	}
	add("Subject: our keys\r\n\r\nDear Bob,\r\nhere is mine:\r\n")
	block(strings.ReplaceAll(prefix("  \t", first), "\n", "\r\n"), first, nil)
	add("> You wrote:\n> > Who are you?\n")
	block(prefix("> > ", plain), plain, nil)
	add(endMarker + " is how it ends\n")
	damaged := strings.Replace(prefix("> ", secret), "Version", "Vermin", 1)
	block(damaged, nil, ErrDamaged)
	block(strings.TrimSuffix(prefix("|", secret), "|"+endMarker+"\n"), nil, ErrDamaged)
	block(strings.ReplaceAll(prefix("", sealed), "-----\n", "----- \n"), sealed, nil)
	block(">"+endMarker+"\n", nil, ErrDamaged)
	add("-----BEGIN PGP SIGNATURE-----\nabc\n-----END PGP SIGNATURE-----\n")
	block(strings.ReplaceAll(prefix("> ", first), "> -", "> - -"), first, nil)
	block(strings.Replace(prefix("", first), "Comment", "Comment: y\nSubject", 1), nil, ErrDamaged)
	block(beginMarker+"\nVersion: 1.0\n", nil, ErrDamaged)

	got := Extract([]byte(text.String()))
	if len(got) != len(want) {
		t.Fatalf("%d certificates, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Line != w.Line || g.EndLine != w.EndLine {
			t.Errorf("%d: lines %d to %d, want %d to %d", i, g.Line, g.EndLine, w.Line, w.EndLine)
		}
		if diff := cmp.Diff(w.Envelope, g.Envelope, compareEnvelopes); diff != "" {
			t.Errorf("%d (-want +got):\n%s", i, diff)
		}
		if !errors.Is(g.Err, w.Err) {
			t.Errorf("%d: got %v, want %v", i, g.Err, w.Err)
		}
		var place *ArmorError
		if errors.As(g.Err, &place) && (place.Line < g.Line || place.Line > g.EndLine) {
			t.Errorf("%d: line %d isn't one of %d to %d", i, place.Line, g.Line, g.EndLine)
		}
	}
}

func TestExtractNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "Dear Bob,\n", "-----BEGIN PGP MESSAGE-----\n", strings.ToLower(beginMarker), "x" + beginMarker, beginMarker + "x"} {
		if got := Extract([]byte(text)); got != nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

// TestExtractNested holds that it takes no square time to pass over many BEGIN
// lines, and that each is an error of its own.
func TestExtractNested(t *testing.T) {
	t.Parallel()
	const n = 20000
	got := Extract([]byte(strings.Repeat(beginMarker+"\n", n) + armoredText(t, armored(t, false))))
	if len(got) != n+1 {
		t.Fatalf("got %d", len(got))
	}
	for i, x := range got[:n] {
		if !errors.Is(x.Err, ErrDamaged) || x.Line != i+1 || x.EndLine != i+1 {
			t.Fatalf("got %+v", x)
		}
	}
	if got[n].Err != nil {
		t.Error(got[n].Err)
	}
}

// FuzzExtract holds that the certificates in a text stand in order and apart,
// and that each is what its lines alone say.
func FuzzExtract(f *testing.F) {
	text := armoredText(f, armored(f, false))
	f.Add([]byte("Dear Bob,\r\n> " + strings.ReplaceAll(text, "\n", "\r\n> ") + "\r\n" + text))
	f.Add([]byte(strings.ReplaceAll(text, "\n-", "\n- -") + endMarker + "\r" + beginMarker + "\n" + text))
	f.Add([]byte("\uFEFF\t|> - " + beginMarker + "\n- - " + endMarker))
	f.Add([]byte(draftClear + draftClear))
	f.Fuzz(func(t *testing.T, text []byte) {
		all := splitLines(text)
		last := 0
		for _, x := range Extract(text) {
			if x.Line <= last || x.EndLine < x.Line || x.EndLine > len(all) {
				t.Fatalf("lines %d to %d behind %d of %d", x.Line, x.EndLine, last, len(all))
			}
			last = x.EndLine
			if (x.Envelope == nil) == (x.Err == nil) {
				t.Fatalf("got %v, %v", x.Envelope, x.Err)
			}
			var place *ArmorError
			if x.Err != nil && (!errors.As(x.Err, &place) || place.Line < x.Line || place.Line > x.EndLine) {
				t.Fatalf("lines %d to %d: %v", x.Line, x.EndLine, x.Err)
			}
			alone, err := ParseEnvelope([]byte(strings.Join(all[x.Line-1:x.EndLine], "\n")))
			if diff := cmp.Diff(x.Envelope, alone, compareEnvelopes); diff != "" {
				t.Errorf("(-in the text +alone):\n%s", diff)
			}
			if x.Err == nil != (err == nil) || errors.Is(x.Err, ErrDamaged) != errors.Is(err, ErrDamaged) {
				t.Errorf("in the text %v, alone %v", x.Err, err)
			}
		}
	})
}

// splitLines are the lines of a text that end in LF, CR LF or CR.
func splitLines(text []byte) []string {
	s := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text))
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// FuzzEnvelope holds that what is read can be written, and reads back as the
// same.
func FuzzEnvelope(f *testing.F) {
	locked := alice(f)
	if err := locked.lock([]byte("passphrase"), argonParameters{memory: 8, passes: 1, lanes: 1}); err != nil {
		f.Fatal(err)
	}
	lockedEnvelope, err := Armor(locked, true)
	if err != nil {
		f.Fatal(err)
	}
	plain, err := ArmorPlain(credentials())
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := armored(f, true).Seal(bob(f).Public(), nil)
	if err != nil {
		f.Fatal(err)
	}
	// Changed headers and content get a good checksum: else little would be
	// reached.
	for _, e := range []*Envelope{armored(f, false), armored(f, true), lockedEnvelope, plain, sealed} {
		text := armoredText(f, e)
		head, _, _ := strings.Cut(strings.TrimPrefix(text, beginMarker+"\n"), "Checksum")
		content := e.box
		if !e.IsSealed() {
			content = e.content.reveal()
		}
		f.Add(head, content)
	}
	for _, draft := range []string{
		draftClear,
		draftHead(MechanismPlain, "Content-security: clear\ngroup=traders\nalice\nopen sesame\n") + endMarker + "\n",
		draftHead(MechanismCurve, draftKeys) + draftSeal(f, "-\n"+alicePublic+"\n") + endMarker + "\n",
	} {
		f.Add(strings.TrimPrefix(strings.TrimSuffix(draft, endMarker+"\n"), beginMarker+"\n"), []byte(nil))
	}
	f.Add("Version: 1.0\nMechanism: CURVE\nContent-security: clear\nComment: a\\\n b\nx-a: 1\nX-A: 2\n", []byte(publicText("")))
	f.Fuzz(func(t *testing.T, head string, content []byte) {
		text := fmt.Sprintf("%s\n%s%s\n%s\n", beginMarker, head, encoding.EncodeToString(content), endMarker)
		d := dearmorer{lines: lineReader{text: []byte(head)}}
		if d.readHeaders() == nil {
			sum := d.headers.checksum(content)
			text = fmt.Sprintf("%s\n%sChecksum: %s\n%s\n%s\n", beginMarker, head, sum, encoding.EncodeToString(content), endMarker)
		}
		for _, text := range []string{text, beginMarker + "\n" + head + endMarker + "\n"} {
			checkEnvelope(t, text)
		}
	})
}

// checkEnvelope holds what FuzzEnvelope does of one text.
func checkEnvelope(t *testing.T, text string) {
	t.Helper()
	e, err := ParseEnvelope([]byte(text))
	if err != nil {
		var place *ArmorError
		if !errors.As(err, &place) || place.Line < 1 || e != nil {
			t.Fatalf("got %v, %v", e, err)
		}
		return
	}
	if !e.IsSealed() {
		var err error
		if e.Mechanism == MechanismCurve {
			_, err = e.Certificate()
		} else {
			_, err = e.Plain()
		}
		if err != nil {
			t.Errorf("the content isn't read: %v", err)
		}
	}
	written, err := e.Append(nil)
	if errors.Is(err, ErrVersion) && e.Version == draftVersion && e.IsSealed() {
		return
	}
	if err != nil {
		t.Fatalf("%v of\n%s", err, text)
	}
	back, err := ParseEnvelope(written)
	if err != nil {
		t.Fatalf("%v in\n%s", err, written)
	}
	e.Version = armorVersion
	if diff := cmp.Diff(e, back, compareEnvelopes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for line := range strings.Lines(string(written)) {
		if len(line) > maxArmorLine+len("\n") {
			t.Errorf("a line of %d characters", len(line)-1)
		}
	}
}
