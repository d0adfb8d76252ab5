package keystore

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
)

// goodExport returns an export with an identity and a revocation, and their keys.
func goodExport(t testing.TB) (text string, alice, bob curve.PublicKey) {
	t.Helper()
	c := cert.Generate("alice")
	bob = curve.GenerateKey().Public()
	var out strings.Builder
	ztest.Must(t, Export(&out, []*Identity{{Name: "alice", Certificate: c, Groups: []string{"fx"}}},
		map[curve.PublicKey]*RevokedKey{bob: {Time: recordTime, Reason: "stolen", Name: "bob", Groups: []string{"fx"}, Certificate: "any text"}}))
	return out.String(), c.Public, bob
}

// TestMalformedExport: an export with one fault is refused completely, and the error has
// the line.
func TestMalformedExport(t *testing.T) {
	t.Parallel()
	good, _, _ := goodExport(t)
	lines := strings.SplitAfter(strings.TrimSuffix(good, "\n"), "\n")
	head, revoked, identity := lines[0], lines[1], lines[2]+"\n"
	_, other, _ := goodExport(t)
	in := func(text, old, new string) string {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("no %q in %s", old, text)
		}
		return strings.Replace(text, old, new, 1)
	}
	key := fmt.Sprint(other)
	for name, tt := range map[string]struct {
		text string
		line int
	}{
		"empty":                      {"", 0},
		"no head":                    {identity, 1},
		"a later version":            {in(head, ":1", ":2") + identity, 1},
		"unknown field in the head":  {in(head, "}", `,"x":1}`), 1},
		"two heads":                  {head + head, 2},
		"cut":                        {head + identity[:len(identity)/2], 2},
		"an empty line":              {head + "\n" + identity, 2},
		"an unknown field":           {head + in(identity, `"name"`, `"nome"`), 2},
		"two values":                 {head + strings.TrimSuffix(identity, "\n") + " {}", 2},
		"another key":                {head + in(identity, `"key":"`, `"key":"x`), 2},
		"the same key twice":         {head + identity + identity, 3},
		"no name":                    {head + in(identity, `"name":"alice",`, ""), 2},
		"a name like a key":          {head + in(identity, `"name":"alice"`, `"name":`+quoted(key)), 2},
		"a group":                    {head + in(identity, `["fx"]`, `["../fx"]`), 2},
		"no certificate":             {head + in(identity, "curve", "kurve"), 2},
		"revoked twice":              {head + revoked + revoked, 3},
		"revoked with a name":        {head + in(revoked, `"revoked":`, `"name":"x","revoked":`), 2},
		"a revocation without a key": {head + `{"revoked":{}}`, 2},
		"in a revocation":            {head + in(revoked, `"reason"`, `"raison"`), 2},
		"a reason":                   {head + in(revoked, `stolen`, `it's \"both\"`), 2},
		"a time":                     {head + in(revoked, `59:59Z`, `59:59.5Z`), 2},
		"long":                       {head + in(identity, `"name"`, strings.Repeat(" ", maxExportLine)+`"name"`), 2},
	} {
		_, _, err := Import([]byte(tt.text))
		if !errors.Is(err, errExport) || tt.line > 0 && !strings.Contains(err.Error(), fmt.Sprintf("line %d:", tt.line)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// TestExportCanBeImported: exporting an identity that couldn't be imported again is an error.
func TestExportCanBeImported(t *testing.T) {
	t.Parallel()
	c := cert.Generate("")
	for _, id := range []*Identity{{Name: "Zoë", Certificate: c}, {Name: c.Public.String(), Certificate: c}, {Name: "x", Groups: []string{"a:b"}, Certificate: c}} {
		var out strings.Builder
		if err := Export(&out, []*Identity{id}, nil); !errors.Is(err, errName) && !errors.Is(err, errGroup) {
			t.Errorf("%s: %v", id.Name, err)
		}
	}
}

// FuzzImport: every text is an export or an error. Exporting an imported text again gives
// the same text.
func FuzzImport(f *testing.F) {
	text, _, _ := goodExport(f)
	f.Add([]byte(text))
	f.Add([]byte(`{"zcurve_keystore":1}` + "\n"))
	f.Add([]byte(`{"zcurve_keystore":1}` + "\n" + `{"key":"","revoked":{"time":"2026-01-31T23:59:59Z","lifted":"2026-01-31T23:59:59Z"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		ids, revoked, err := Import(text)
		if err != nil {
			if !errors.Is(err, errExport) {
				t.Fatal(err)
			}
			return
		}
		var out strings.Builder
		ztest.Must(t, Export(&out, ids, revoked))
		idsAgain, revokedAgain, err := Import([]byte(out.String()))
		if err != nil || !reflect.DeepEqual(revokedAgain, revoked) || len(idsAgain) != len(ids) {
			t.Fatalf("%v\n%+v\n%+v", err, ids, idsAgain)
		}
	})
}
