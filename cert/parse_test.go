package cert

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/regular"
	"github.com/zcurve/zcurve/internal/z85"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/internal/ztest"
)

// Two key pairs that the manual pages of libzmq use.
const (
	alicePublic = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
	aliceSecret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
	bobPublic   = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
	bobSecret   = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
)

// publicText and secretText are alice's certificates with this metadata, lines
// that are indented.
func publicText(metadata string) string {
	return "metadata\n" + metadata + "curve\n    public-key = \"" + alicePublic + "\"\n"
}

func secretText(metadata string) string {
	return publicText(metadata) + "    secret-key = \"" + aliceSecret + "\"\n"
}

// compare compares certificates but for their unknown sections.
var compare = cmp.Options{
	cmp.Comparer(func(a, b curve.SecretKey) bool { return string(a.AppendZ85(nil)) == string(b.AppendZ85(nil)) }),
	cmpopts.IgnoreUnexported(Certificate{}),
	cmp.AllowUnexported(lockedKey{}),
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreFields(Certificate{}, "Warnings"),
	cmpopts.IgnoreFields(Authority{}, "Warnings"),
}

// item is one name and value of metadata.
type item = struct{ Name, Value string }

func alice(t testing.TB, metadata ...item) *Certificate {
	t.Helper()
	public, err := curve.ParsePublicKey(alicePublic)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := curve.ParseSecretKey(aliceSecret)
	if err != nil {
		t.Fatal(err)
	}
	return &Certificate{Public: public, Secret: secret, Metadata: metadata}
}

func TestParse(t *testing.T) {
	t.Parallel()
	keys := "curve\n    public-key = \"" + alicePublic + "\"\n"
	long := strings.Repeat("x", 512-len("note"))
	tests := []struct {
		name, text string
		want       Metadata
		warnings   []Warning
	}{
		{"metadata", publicText("    name = \"alice\"\n    group = traders\n"), Metadata{{"name", "alice"}, {"group", "traders"}}, nil},
		{"empty metadata", publicText(""), nil, nil},
		{"no metadata", keys, nil, nil},
		{"metadata behind the keys", keys + "metadata\n    name = alice\n", Metadata{{"name", "alice"}}, nil},
		{"number sign and equals sign", publicText("    note = \"# = #\"\n    plain = a=b # comment\n"), Metadata{{"note", "# = #"}, {"plain", "a=b"}}, nil},
		{"quotes", publicText("    one = 'say \"hi\"'\n    two = \"it's\"\n    three = it's\n"), Metadata{{"one", `say "hi"`}, {"two", "it's"}, {"three", "it's"}}, nil},
		{"blanks", publicText("    note = \"  a  b  \"\n    plain =   a  b  \n"), Metadata{{"note", "  a  b  "}, {"plain", "a  b"}}, nil},
		{"UTF-8", publicText("    name = \"Zoë ✓ 私\"\n"), Metadata{{"name", "Zoë ✓ 私"}}, nil},
		{"no value", publicText("    a\n    b =\n    c = \"\"\n"), Metadata{{"a", ""}, {"b", ""}, {"c", ""}}, nil},
		{"value that begins with public-key", publicText("    note = \"public-key = x\"\n"), Metadata{{"note", "public-key = x"}}, nil},
		{"comment with a key", "# public-key = \"x\"\n" + publicText(""), nil, nil},
		{"key without quotes", "curve\n    public-key = " + strings.ReplaceAll(alicePublic, "#", "") + "\n", nil, nil},
		{"both kinds of quotes", publicText("    a = it's \"hi\"\n"), Metadata{{"a", `it's "hi"`}},
			[]Warning{{Line: 2, Text: "invalid metadata: value of a: value contains both ' and \": use one kind of quotes only"}}},
		{"both kinds of quotes in an unknown section", "a\n    b = 1\n        c = it's \"hi\"\n" + publicText(""), nil,
			[]Warning{{Line: 3, Text: "c: value contains both ' and \": use one kind of quotes only"}}},
		{"slashes", publicText("    a/b = 1\n    /c = 2\n"), Metadata{{"a/b", "1"}, {"/c", "2"}},
			[]Warning{{Line: 3, Text: `invalid metadata: name "/c": czmq cannot read a name that begins or ends with /`}}},
		{"CR LF", strings.ReplaceAll(publicText("    name = alice\n"), "\n", "\r\n"), Metadata{{"name", "alice"}}, []Warning{{Line: 1, Text: "line ends are CR LF"}}},
		{"tabs", strings.ReplaceAll(publicText("    name = alice\n"), "    ", "\t"), Metadata{{"name", "alice"}}, []Warning{{Line: 2, Text: "indented with a tab; use 4 spaces"}}},
		{"two blanks", strings.ReplaceAll(publicText("    name = alice\n"), "    ", "  "), Metadata{{"name", "alice"}}, []Warning{{Line: 2, Text: "indented with 2 spaces; expected 4"}}},
		{"metadata that czmq survives", publicText("    note = " + long + "\n"), Metadata{{"note", long}}, nil},
		{"metadata that czmq doesn't survive", "# comment\n" + publicText("    note = "+long+"x\n"), Metadata{{"note", long + "x"}},
			[]Warning{{Line: 2, Text: "513 bytes of metadata: czmq's zauth cannot handle more than 512"}}},
		{"unknown property of the keys", keys + "    until = 2030\n", nil,
			[]Warning{{Line: 3, Text: "unknown property until: it is dropped when the file is rewritten"}}},
		{"value of a section", "metadata = \"admins\"\n" + strings.Replace(keys, "curve", "curve = NULL", 1), nil,
			[]Warning{{Line: 1, Text: "unknown value of metadata: it is dropped when the file is rewritten"},
				{Line: 2, Text: "unknown value of curve: it is dropped when the file is rewritten"}}},
		{"empty value of a section", "metadata =\n" + keys, nil, nil},
		{"within the public key", keys + "        for = everybody\n", nil,
			[]Warning{{Line: 3, Text: "unknown property for: it is dropped when the file is rewritten"}}},
		{"empty validity", keys + "validity\n", nil,
			[]Warning{{Line: 3, Text: "unknown property validity: it is dropped when the file is rewritten"}}},
		{"longest line", keys + "# " + strings.Repeat("x", form.MaxLine-2) + "\n", nil, nil},
		{"long line", keys + "# " + strings.Repeat("x", form.MaxLine-1) + "\n# " + strings.Repeat("x", form.MaxLine), nil,
			[]Warning{{Line: 3, Text: "line of 1025 bytes: czmq cannot read more than 1024"}}},
		{"control character in a comment", keys + "# \x1b[2J\n", nil, []Warning{{Line: 3, Text: "column 3: control character in a comment"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			want := &Certificate{Public: alice(t).Public, Metadata: tt.want}
			if diff := cmp.Diff(want, c, compare); diff != "" {
				t.Errorf("certificate (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.warnings, c.Warnings, compare); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseSecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		secretText("    name = \"alice\"\n"),
		"metadata\n    name = \"alice\"\ncurve\n    secret-key = '" + aliceSecret + "'\n    public-key = '" + alicePublic + "'\n",
	} {
		c, err := Parse([]byte(text))
		if err != nil || len(c.Warnings) > 0 {
			t.Fatal(c, err)
		}
		if diff := cmp.Diff(alice(t, item{"name", "alice"}), c, compare); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if c.Secret.Public() != c.Public {
			t.Error("the keys do not match")
		}
		if got := fmt.Sprintf("%v %+v %#v", *c, *c, *c); strings.Contains(got, aliceSecret) {
			t.Error("the secret is printed")
		}
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	key := func(name, value string) string { return "curve\n    " + name + " = \"" + value + "\"\n" }
	const base64Key = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="
	tests := []struct {
		name, text   string
		want         error
		line, column int
		says         string // "" if the error has no more to say
	}{
		{"empty", "", errNoPublicKey, 1, 1, ""},
		{"only comments", "# a\n# b\n", errNoPublicKey, 1, 1, ""},
		{"no section curve", "metadata\n    name = alice\n", errNoPublicKey, 1, 1, ""},
		{"section curve empty", "metadata\ncurve\n", errNoPublicKey, 2, 1, ""},
		{"other case", "Curve\n    x = 1\n", errNoPublicKey, 1, 1, ""},
		{"secret key only", "metadata\n" + key("secret-key", aliceSecret), errNoPublicKey, 2, 1, ""},

		{"empty key", key("public-key", ""), errKey, 2, 19, "empty; expected 40 characters of Z85"},
		{"key without value", "curve\n    public-key\n", errKey, 2, 5, "empty; expected 40 characters of Z85"},
		{"key without quotes and value", "curve\n    public-key =\n", errKey, 2, 17, "empty; expected 40 characters of Z85"},
		{"base64", key("public-key", base64Key), errKey, 2, 19, "44 characters, looks like base64; expected 40 characters of Z85"},
		{"base64 without padding", key("public-key", base64Key[:43]), errKey, 2, 19, "43 characters, looks like base64; expected 40 characters of Z85"},
		{"base64 secret", publicText("") + "    secret-key = \"" + base64Key + "\"\n", errKey, 4, 19, "44 characters, looks like base64; expected 40 characters of Z85"},
		{"hexadecimal", key("public-key", strings.Repeat("0123456789abcdef", 4)), errKey, 2, 19, "64 characters, looks like hexadecimal; expected 40 characters of Z85"},
		{"short", key("public-key", alicePublic[:39]), errKey, 2, 19, "39 characters, 1 short of Z85; expected 40 characters of Z85"},
		{"long", key("public-key", alicePublic+"0"), errKey, 2, 19, "41 characters, 1 too many for Z85; expected 40 characters of Z85"},
		{"not Z85", key("public-key", "~"+alicePublic[1:]), z85.ErrCharacter, 2, 19, errKey.Error()},
		{"overflow", key("public-key", "#####"+alicePublic[5:]), z85.ErrOverflow, 2, 19, errKey.Error()},
		{"all zero", key("public-key", strings.Repeat("0", 40)), curve.ErrPublicKey, 2, 19, "low-order point"},
		{"not canonical", key("public-key", strings.Repeat("%nSc0", 8)), curve.ErrPublicKey, 2, 19, "canonical"},
		{"short secret", publicText("") + "    secret-key = '" + aliceSecret[:39] + "'\n", errKey, 4, 19, "39 characters, 1 short of Z85; expected"},
		{"secret that isn't Z85", publicText("") + "    secret-key = '" + aliceSecret[:39] + "~'\n", z85.ErrCharacter, 4, 19, "offset 39"},
		{"empty secret", publicText("") + "    secret-key\n", errKey, 4, 5, "empty"},
		{"bob's secret", publicText("") + "    secret-key = \"" + bobSecret + "\"\n", errKeyPair, 4, 19, ""},
		{"secret of zeros", publicText("") + "    secret-key = \"" + strings.Repeat("0", 40) + "\"\n", errKey, 4, 19, "all zero"},

		{"public key in metadata", publicText("    public-key = \"" + bobPublic + "\"\n"), form.ErrAmbiguous, 2, 5, ""},
		{"public key in metadata, other case", publicText("    Public-Key = \"" + bobPublic + "\"\n"), form.ErrAmbiguous, 2, 5, ""},
		{"longer name in metadata", publicText("    public-key-id = 1\n"), form.ErrAmbiguous, 2, 5, ""},
		{"secret key in metadata", publicText("    secret-key = \"" + bobSecret + "\"\n"), form.ErrAmbiguous, 2, 5, ""},
		{"public key within metadata", publicText("    a\n        public-key = \"" + bobPublic + "\"\n"), form.ErrMetadata, 3, 9, ""},
		{"public key on top", "public-key = \"" + bobPublic + "\"\n" + publicText(""), form.ErrAmbiguous, 1, 1, ""},
		{"public key in unknown section", publicText("") + "other\n    a\n        public-key = \"" + bobPublic + "\"\n", form.ErrAmbiguous, 6, 9, ""},
		{"public key not indented", "curve\npublic-key = \"" + bobPublic + "\"\n", form.ErrProperty, 2, 1, "below a line \"curve\", indented with 4 spaces"},
		{"public key without a section", "public-key = \"" + bobPublic + "\"\n", form.ErrProperty, 1, 1, "below a line \"curve\""},
		{"public key with a number sign, without quotes", "curve\n    public-key = Jo6eHUw9#xyH$*?]*RCx2X-0qF-mw?Gu6@9SKp<[\n", errKey, 2, 18, "8 characters before a #, which begins a comment: put the key in double quotes"},
		{"secret key with a number sign, without quotes", publicText("") + "    secret-key = " + aliceSecret[:20] + "#" + aliceSecret[21:] + "\n", errKey, 4, 18, "put the key in double quotes"},
		{"everything indented", "    # comment\n    curve\n        public-key = \"" + bobPublic + "\"\n", zpl.ErrIndent, 2, 5, "remove the same number of spaces from each line"},
		{"UTF-16", "\xff\xfec\x00u\x00", zpl.ErrUTF16, 1, 1, "save it as UTF-8"},
		{"credentials of PLAIN", publicText("") + "plain\n    username = a\n    password = b\n", form.ErrProperty, 4, 1, "section plain is not allowed in a certificate"},
		{"a list's section", publicText("") + "revocations\n", form.ErrProperty, 4, 1, "section revocations is not allowed in a certificate"},
		{"a keystore's section", publicText("") + "revoked\n", form.ErrProperty, 4, 1, "section revoked is not allowed in a certificate"},

		{"public key twice", publicText("") + "    public-key = \"" + bobPublic + "\"\n", form.ErrAmbiguous, 4, 5, ""},
		{"same public key twice", publicText("") + "    public-key = \"" + alicePublic + "\"\n", form.ErrAmbiguous, 4, 5, ""},
		{"secret key twice", secretText("") + "    secret-key = \"" + aliceSecret + "\"\n", form.ErrAmbiguous, 5, 5, ""},
		{"public key below the public key", publicText("") + "        public-key = \"" + bobPublic + "\"\n", form.ErrAmbiguous, 4, 9, ""},
		{"public key below the secret key", secretText("") + "        x\n            public-key = \"" + bobPublic + "\"\n", form.ErrAmbiguous, 6, 13, ""},
		{"public key below an unknown property", publicText("") + "    x\n        public-key = \"" + bobPublic + "\"\n", form.ErrAmbiguous, 5, 9, ""},
		{"behind a comment that ends in CR", publicText("") + "    # \r    public-key = \"" + bobPublic + "\"\n", form.ErrAmbiguous, 5, 5, ""},

		{"curve twice", publicText("") + key("public-key", bobPublic), form.ErrSection, 4, 1, ""},
		{"metadata twice", publicText("") + "metadata\n", form.ErrSection, 4, 1, ""},
		{"property twice", publicText("    name = a\n    name = b\n"), form.ErrMetadata, 3, 5, "duplicate name"},
		{"property twice, other case", publicText("    name = a\n    NAME = b\n"), form.ErrMetadata, 3, 5, "duplicate NAME"},
		{"properties within a property", publicText("    a = 1\n        b = 2\n"), form.ErrMetadata, 3, 9, "properties within a"},

		{"not UTF-8", publicText("    a = \xff\n"), zpl.ErrUTF8, 2, 1, ""},
		{"control character", publicText("    a = \x1b[2J\n"), zpl.ErrControl, 2, 9, ""},
		{"strange name", publicText("    a?b = 1\n"), zpl.ErrName, 2, 6, ""},
		{"colon for the equals sign", "curve\n    secret-key: " + aliceSecret + "\n", zpl.ErrName, 2, 15, ""},
		{"no equals sign", "curve\n    secret-key " + aliceSecret + "\n", zpl.ErrSyntax, 2, 16, ""},
		{"key without name", "curve\n    " + aliceSecret + "\n", zpl.ErrName, 2, 6, ""},
		{"indentation", "metadata\n    a = 1\n  b = 2\n", zpl.ErrIndent, 3, 3, ""},
		{"long line", publicText("    a = " + strings.Repeat("x", zpl.MaxLine) + "\n"), zpl.ErrLine, 2, 1, ""},
		{"large", strings.Repeat("#\n", form.MaxFile/2+1), regular.ErrTooLarge, 1, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := Parse([]byte(tt.text))
			var place *SyntaxError
			if c != nil || !errors.Is(err, tt.want) || !errors.As(err, &place) {
				t.Fatalf("got %v, %v, want %v", c, err, tt.want)
			}
			if place.Line != tt.line || place.Column != tt.column {
				t.Errorf("at %d:%d, want %d:%d", place.Line, place.Column, tt.line, tt.column)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q doesn't say %q", err, tt.says)
			}
			checkNoKey(t, tt.text, err)
		})
	}
}

var keyValue = regexp.MustCompile(`(?i)(?:public|secret)-key[: =]+["']?([^"'\n]+)`)

// checkNoKey fails if err quotes eight characters of a key in text.
func checkNoKey(t *testing.T, text string, err error) {
	t.Helper()
	keys := []string{aliceSecret, bobSecret}
	for line := range strings.Lines(text) {
		if strings.Contains(strings.ToLower(line), "-key") { // the expression alone takes its time
			for _, m := range keyValue.FindAllStringSubmatch(line, -1) {
				keys = append(keys, m[1])
			}
		}
	}
	for _, key := range keys {
		for i := 0; i+8 <= len(key); i++ {
			if strings.Contains(err.Error(), key[i:i+8]) {
				t.Errorf("%q has part of a key", err)
				return
			}
		}
	}
}

func TestSyntaxErrorText(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte("curve\n    public-key = x\n"))
	if got, want := fmt.Sprint(err), "cert: line 2, column 18: not a key: 1 characters, 39 short of Z85; expected 40 characters of Z85"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	m := Metadata{{"Name", "alice"}, {"group", "traders"}}
	for name, want := range map[string]string{"Name": "alice", "name": "alice", "GROUP": "traders"} {
		if got := m.Get(name); got != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := m.Get("nam"); got != "" {
		t.Errorf("got %q for a name that isn't there", got)
	}
	if got := (&Certificate{Metadata: m}).Name(); got != "alice" {
		t.Errorf("name %q", got)
	}
	if got := new(Certificate).Name(); got != "" {
		t.Errorf("name %q of nobody", got)
	}
}

// TestParseLargeUnraced holds that the time to read grows as the text does: this one
// takes less than a second. By the square, it would take a quarter of an hour.
func TestParseLargeUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	var metadata strings.Builder
	for i := 0; metadata.Len() < 4<<20; i++ {
		fmt.Fprintf(&metadata, "    %x\n", i)
	}
	done := make(chan error, 1)
	go func() {
		c, _, err := parseText([]byte(publicText(metadata.String())), zpl.MaxSize, parse)
		if err == nil {
			_, err = c.AppendPublic(nil)
		}
		done <- err
	}()
	if err := ztest.Receive(t, "reading it takes too long", done); !errors.Is(err, form.ErrTooLarge) {
		t.Errorf("got %v, want %v", err, form.ErrTooLarge)
	}
}
