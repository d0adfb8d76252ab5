package armor

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
)

// TestFind takes the certificates out of an exchange of mails.
func TestFind(t *testing.T) {
	t.Parallel()
	first, secret := armored(t, false), armored(t, true)
	plain, err := NewLogin(credentials())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := secret.Seal(bob(t).Public(), curve.SecretKey{})
	if err != nil {
		t.Fatal(err)
	}
	prefix := func(prefix string, e *Block) string {
		return prefix + strings.ReplaceAll(strings.TrimSuffix(armoredText(t, e), "\n"), "\n", "\n"+prefix) + "\n"
	}
	var text strings.Builder
	line := 1
	var want []extracted
	add := func(s string) { text.WriteString(s); line += strings.Count(s, "\n") }
	block := func(s string, e *Block, err error) {
		end := line + strings.Count(s, "\n") - 1
		want = append(want, extracted{line, end, e, err})
		add(s)
	}
	add("Subject: our keys\r\n\r\nDear Bob,\r\nhere is mine:\r\n")
	block(strings.ReplaceAll(prefix("  \t", first), "\n", "\r\n"), first, nil)
	add("> You wrote:\n> > Who are you?\n")
	block(prefix("> > ", plain), plain, nil)
	add(endMarker + " is how it ends\n")
	damaged := strings.Replace(prefix("> ", secret), "Version", "Vermin", 1)
	block(damaged, nil, errDamaged)
	block(strings.TrimSuffix(prefix("|", secret), "|"+endMarker+"\n"), nil, errDamaged)
	block(strings.ReplaceAll(prefix("", sealed), "-----\n", "----- \n"), sealed, nil)
	block(">"+endMarker+"\n", nil, errDamaged)
	add("-----BEGIN PGP SIGNATURE-----\nabc\n-----END PGP SIGNATURE-----\n")
	block(strings.ReplaceAll(prefix("> ", first), "> -", "> - -"), first, nil)
	block(strings.Replace(prefix("", first), "Comment", "Comment: y\nSubject", 1), nil, errDamaged)
	block(beginMarker+"\nVersion: 1.0\n", nil, errDamaged)

	got := extract([]byte(text.String()))
	if len(got) != len(want) {
		t.Fatalf("%d certificates, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Line != w.Line || g.EndLine != w.EndLine {
			t.Errorf("%d: lines %d to %d, want %d to %d", i, g.Line, g.EndLine, w.Line, w.EndLine)
		}
		if diff := cmp.Diff(w.Block, g.Block, compareBlocks); diff != "" {
			t.Errorf("%d (-want +got):\n%s", i, diff)
		}
		if !errors.Is(g.Err, w.Err) {
			t.Errorf("%d: got %v, want %v", i, g.Err, w.Err)
		}
		var place *cert.SyntaxError
		if errors.As(g.Err, &place) && (place.Line < g.Line || place.Line > g.EndLine) {
			t.Errorf("%d: line %d isn't one of %d to %d", i, place.Line, g.Line, g.EndLine)
		}
	}
}

// extracted holds what Find yields.
type extracted struct {
	Line, EndLine int
	Block         *Block
	Err           error
}

// extract collects what Find yields.
func extract(text []byte) (all []extracted) {
	for b, err := range Find(text) {
		all = append(all, extracted{b.Line, b.EndLine, b, err})
		if err != nil {
			all[len(all)-1].Block = nil
		}
	}
	return all
}

func TestFindNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "Dear Bob,\n", "-----BEGIN PGP MESSAGE-----\n", strings.ToLower(beginMarker), "x" + beginMarker, beginMarker + "x"} {
		if got := extract([]byte(text)); got != nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

// TestFindNested holds that it takes no square time to skip many BEGIN
// lines, and that each is an error of its own.
func TestFindNested(t *testing.T) {
	t.Parallel()
	const n = 20000
	got := extract([]byte(strings.Repeat(beginMarker+"\n", n) + armoredText(t, armored(t, false))))
	if len(got) != n+1 {
		t.Fatalf("got %d", len(got))
	}
	for i, x := range got[:n] {
		if !errors.Is(x.Err, errDamaged) || x.Line != i+1 || x.EndLine != i+1 {
			t.Fatalf("got %+v", x)
		}
	}
	if got[n].Err != nil {
		t.Error(got[n].Err)
	}
}

// FuzzFind holds that the certificates in a text are in order and apart,
// and that each is what its lines alone say.
func FuzzFind(f *testing.F) {
	text := armoredText(f, armored(f, false))
	f.Add([]byte("Dear Bob,\r\n> " + strings.ReplaceAll(text, "\n", "\r\n> ") + "\r\n" + text))
	f.Add([]byte(strings.ReplaceAll(text, "\n-", "\n- -") + endMarker + "\r" + beginMarker + "\n" + text))
	f.Add([]byte("\uFEFF\t|> - " + beginMarker + "\n- - " + endMarker))
	f.Add([]byte(draftClear + draftClear))
	f.Fuzz(func(t *testing.T, text []byte) {
		all := splitLines(text)
		last := 0
		for _, x := range extract(text) {
			if x.Line <= last || x.EndLine < x.Line || x.EndLine > len(all) {
				t.Fatalf("lines %d to %d behind %d of %d", x.Line, x.EndLine, last, len(all))
			}
			last = x.EndLine
			if (x.Block == nil) == (x.Err == nil) {
				t.Fatalf("got %v, %v", x.Block, x.Err)
			}
			var place *cert.SyntaxError
			if x.Err != nil && (!errors.As(x.Err, &place) || place.Line < x.Line || place.Line > x.EndLine) {
				t.Fatalf("lines %d to %d: %v", x.Line, x.EndLine, x.Err)
			}
			alone, err := Parse([]byte(strings.Join(all[x.Line-1:x.EndLine], "\n")))
			if diff := cmp.Diff(x.Block, alone, compareBlocks); diff != "" {
				t.Errorf("(-in the text +alone):\n%s", diff)
			}
			if x.Err == nil != (err == nil) || errors.Is(x.Err, errDamaged) != errors.Is(err, errDamaged) {
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

// FuzzBlock holds that what is read can be written, and reads back as the
// same.
func FuzzBlock(f *testing.F) {
	locked := lockedAlice(f)
	lockedEnvelope, err := NewSecret(locked)
	if err != nil {
		f.Fatal(err)
	}
	plain, err := NewLogin(credentials())
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := armored(f, true).Seal(bob(f).Public(), curve.SecretKey{})
	if err != nil {
		f.Fatal(err)
	}
	// Changed headers and content get a valid checksum, as otherwise little would be
	// reached.
	for _, e := range []*Block{armored(f, false), armored(f, true), lockedEnvelope, plain, sealed} {
		text := armoredText(f, e)
		head, _, _ := strings.Cut(strings.TrimPrefix(text, beginMarker+"\n"), "Checksum")
		content := e.box
		if !e.IsSealed() {
			content = e.content.Reveal()
		}
		f.Add(head, content)
	}
	for _, draft := range []string{
		draftClear,
		draftHead(mechanismPlain, "Content-security: clear\ngroup=traders\nalice\nopen sesame\n") + endMarker + "\n",
		draftHead(mechanismCurve, draftKeys) + draftSeal(f, "-\n"+alicePublic+"\n") + endMarker + "\n",
	} {
		f.Add(strings.TrimPrefix(strings.TrimSuffix(draft, endMarker+"\n"), beginMarker+"\n"), []byte(nil))
	}
	f.Add("Version: 1.0\nMechanism: CURVE\nContent-security: clear\nComment: a\\\n b\nx-a: 1\nX-A: 2\n", []byte(publicText("")))
	f.Fuzz(func(t *testing.T, head string, content []byte) {
		text := fmt.Sprintf("%s\n%s%s\n%s\n", beginMarker, head, form.Encoding.EncodeToString(content), endMarker)
		d := parser{lines: lineReader{text: []byte(head)}}
		if d.readHeaders() == nil {
			sum := d.headers.checksum(content)
			text = fmt.Sprintf("%s\n%sChecksum: %s\n%s\n%s\n", beginMarker, head, sum, form.Encoding.EncodeToString(content), endMarker)
		}
		for _, text := range []string{text, beginMarker + "\n" + head + endMarker + "\n"} {
			checkEnvelope(t, text)
		}
	})
}

// checkEnvelope holds what FuzzBlock does of one text.
func checkEnvelope(t *testing.T, text string) {
	t.Helper()
	e, err := Parse([]byte(text))
	if err != nil {
		var place *cert.SyntaxError
		if !errors.As(err, &place) || place.Line < 1 || e != nil {
			t.Fatalf("got %v, %v", e, err)
		}
		return
	}
	if !e.IsSealed() {
		var err error
		if e.mechanism == mechanismCurve {
			_, err = e.Certificate()
		} else {
			_, err = e.Login()
		}
		if err != nil {
			t.Errorf("the content isn't read: %v", err)
		}
	}
	written, err := e.Append(nil)
	if errors.Is(err, errVersion) && e.version == draftVersion && e.IsSealed() {
		return
	}
	if err != nil {
		t.Fatalf("%v of\n%s", err, text)
	}
	back, err := Parse(written)
	if err != nil {
		t.Fatalf("%v in\n%s", err, written)
	}
	e.version = currentVersion
	if diff := cmp.Diff(e, back, compareBlocks); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for line := range strings.Lines(string(written)) {
		if len(line) > maxLine+len("\n") {
			t.Errorf("a line of %d characters", len(line)-1)
		}
	}
}
