package cert

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/internal/ztest"
)

// TestText holds the format, which every later version must keep.
func TestText(t *testing.T) {
	t.Parallel()
	c := alice(t, item{"name", "alice"}, item{"note", `say "hi"`})
	const public = `# ZeroMQ CURVE Public Certificate
# Give this file to anyone who needs this key.
certificate
    version = "1"
metadata
    name = "alice"
    note = 'say "hi"'
curve
    public-key = "` + alicePublic + `"
`
	const secret = `# ZeroMQ CURVE **Secret** Certificate
# Keep this file private.
certificate
    version = "1"
metadata
    name = "alice"
    note = 'say "hi"'
curve
    public-key = "` + alicePublic + `"
    secret-key = "` + aliceSecret + `"
`
	got, err := c.AppendPublic([]byte("before\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("before\n"+public, string(got)); diff != "" {
		t.Errorf("public (-want +got):\n%s", diff)
	}
	got, err = c.AppendSecret(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(secret, string(got)); diff != "" {
		t.Errorf("secret (-want +got):\n%s", diff)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		metadata Metadata
	}{
		{"nothing", nil},
		{"name", Metadata{{"name", "alice"}}},
		{"signs", Metadata{{"a", "# = #"}, {"b", "#"}, {"c", "="}, {"d", "a=b # c"}, {"$-_@.&/+", "100%s %d \\n"}}},
		{"quotes", Metadata{{"a", `say "hi"`}, {"b", "it's"}, {"c", `"`}, {"d", "'"}, {"e", `"quoted"`}, {"f", "'quoted'"}}},
		{"blanks", Metadata{{"a", " "}, {"b", "  a  b  "}, {"c", ""}}},
		{"UTF-8", Metadata{{"a", "Zoë ✓ 私"}, {"b", "\u00a0\u2028\ufeff"}}},
		{"order", Metadata{{"z", "1"}, {"a", "2"}, {"m", "3"}}},
		{"line that czmq just reads", Metadata{{"a", strings.Repeat("x", form.MaxLine-len(`    a = ""`))}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := Generate("")
			c.Metadata = tt.metadata
			text, err := c.AppendSecret(nil)
			if err != nil {
				t.Fatal(err)
			}
			back, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c, back, compare); diff != "" {
				t.Errorf("secret (-want +got):\n%s", diff)
			}
			text, err = c.AppendPublic(nil)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), string(c.Secret.AppendZ85(nil))) {
				t.Error("the public certificate has the secret key")
			}
			back, err = Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&Certificate{Public: c.Public, Metadata: c.Metadata}, back, compare); diff != "" {
				t.Errorf("public (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnknownSectionsSurvive(t *testing.T) {
	t.Parallel()
	const others = `purpose
    until = "2030-01-01"
bare
owner = "x # y"
    key = 'say "hi"'
    deeper
        and = "deeper"
twice = "1"
twice = "2"
`
	// Beside a secret key they could be secret, unless an authority made them public.
	c, err := Parse([]byte("# comment\n" + others + secretText("    name = \"alice\"\n")))
	if err != nil || len(c.Warnings) != 5 || !strings.Contains(c.Warnings[0].Text, "stays out of the public certificate") {
		t.Fatal(c, err)
	}
	public, err := Parse([]byte(others + publicText("    name = \"alice\"\n")))
	ztest.Must(t, err)
	signed := *public
	ztest.Must(t, authority(t, "acme").Sign(&signed))
	signed.Secret = c.Secret
	text, err := signed.AppendSecret(nil)
	ztest.Must(t, err)
	signedSecret, err := Parse(text)
	ztest.Must(t, err)
	tampered := *signedSecret
	tampered.Serial++
	locked := *c
	secret := alice(t).Secret
	locked.Secret = secret
	ztest.Must(t, locked.lock([]byte("passphrase"), quick))
	text, err = locked.AppendSecret(nil)
	ztest.Must(t, err)
	lockedRead, err := Parse(text)
	ztest.Must(t, err)
	withoutSecret := *c
	withoutSecret.Secret = curve.SecretKey{}
	for name, tt := range map[string]struct {
		write   func([]byte) ([]byte, error)
		without bool
	}{
		"secret":                    {c.AppendSecret, false},
		"public of secret":          {c.AppendPublic, true},
		"public of one made public": {withoutSecret.AppendPublic, true},
		"public of locked":          {lockedRead.AppendPublic, true},
		"locked":                    {lockedRead.AppendSecret, false},
		"public":                    {public.AppendPublic, false},
		"signed secret":             {signedSecret.AppendSecret, false},
		"public of signed secret":   {signedSecret.AppendPublic, false},
	} {
		text, err := tt.write(nil)
		if err != nil {
			t.Fatal(name, err)
		}
		if strings.HasSuffix(string(text), "\"\n"+others) == tt.without || strings.Contains(string(text), "deeper") == tt.without {
			t.Errorf("%s: got\n%s\nwithout %v\n%s", name, text, tt.without, others)
		}
	}
	if extra := tampered.WithoutSecret().extra; extra != nil {
		t.Errorf("signed and tampered with: made public %v", extra)
	}
	if err := authority(t, "acme").Sign(c); !errors.Is(err, form.ErrProperty) || !strings.Contains(err.Error(), "sign the public certificate") {
		t.Errorf("signed with what may be secret: %v", err)
	}
	if err := authority(t, "acme").Sign(signedSecret); err != nil {
		t.Errorf("signed again: %v", err)
	}
}

// TestUnknownKeyPropertyStaysSecret holds that a property next to a secret key
// doesn't get into a public certificate.
func TestUnknownKeyPropertyStaysSecret(t *testing.T) {
	t.Parallel()
	c, err := Parse([]byte(secretText("") + "    passphrase = \"hunter2\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.AppendPublic(nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") {
		t.Errorf("got\n%s", text)
	}
}

func TestUnwritable(t *testing.T) {
	t.Parallel()
	bob, err := curve.ParsePublicKey(bobPublic)
	if err != nil {
		t.Fatal(err)
	}
	wrongPair := alice(t)
	wrongPair.Public = bob
	var many Metadata
	for i := range 100 {
		many = append(many, item{"a" + strings.Repeat("b", i), strings.Repeat("x", 700)})
	}
	tests := []struct {
		name string
		cert *Certificate
		want error
	}{
		{"empty name", alice(t, item{"", "x"}), zpl.ErrName},
		{"name with a blank", alice(t, item{"a b", "x"}), zpl.ErrName},
		{"name with a line end", alice(t, item{"a\ncurve", "x"}), zpl.ErrName},
		{"name that isn't ASCII", alice(t, item{"é", "x"}), zpl.ErrName},
		{"name that begins with a slash", alice(t, item{"/a", "x"}), form.ErrMetadata},
		{"name that ends with a slash", alice(t, item{"a/", "x"}), form.ErrMetadata},
		{"name of a key", alice(t, item{"public-key", "x"}), form.ErrAmbiguous},
		{"name that begins like a key", alice(t, item{"Secret-Key-2", "x"}), form.ErrAmbiguous},
		{"line end", alice(t, item{"a", "x\ny"}), zpl.ErrControl},
		{"carriage return", alice(t, item{"a", "x\ry"}), zpl.ErrControl},
		{"tab", alice(t, item{"a", "x\ty"}), zpl.ErrControl},
		{"zero byte", alice(t, item{"a", "x\x00"}), zpl.ErrControl},
		{"both kinds of quotes", alice(t, item{"a", `"'`}), zpl.ErrValue},
		{"not UTF-8", alice(t, item{"a", "\xff"}), zpl.ErrUTF8},
		{"twice", alice(t, item{"a", "x"}, item{"A", "y"}), form.ErrMetadata},
		{"line that breaks czmq", alice(t, item{"a", strings.Repeat("x", form.MaxLine+1-len(`    a = ""`))}), form.ErrLine},
		{"more than is read", alice(t, many...), form.ErrTooLarge},
		{"no key", new(Certificate), curve.ErrPublicKey},
		{"keys of two pairs", wrongPair, errKeyPair},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, write := range []func([]byte) ([]byte, error){tt.cert.AppendPublic, tt.cert.AppendSecret} {
				dst, err := write([]byte("before"))
				if string(dst) != "before" {
					t.Errorf("dst is %q", dst)
				}
				if tt.name == "no key" && errors.Is(err, errNoSecretKey) {
					continue // AppendSecret misses that first
				}
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if !strings.HasPrefix(err.Error(), "cert: ") {
					t.Errorf("%q doesn't say where it comes from", err)
				}
				checkNoKey(t, "", err)
			}
			path := t.TempDir() + "/x.key"
			if err := tt.cert.Save(path, Replace); err == nil {
				t.Error("saved")
			}
			checkFiles(t, path, nil)
		})
	}
	t.Run("no secret", func(t *testing.T) {
		t.Parallel()
		c := &Certificate{Public: bob}
		if _, err := c.AppendSecret(nil); !errors.Is(err, errNoSecretKey) {
			t.Errorf("got %v", err)
		}
		path := t.TempDir() + "/x.key"
		if err := c.Save(path); !errors.Is(err, errNoSecretKey) {
			t.Errorf("got %v", err)
		}
		checkFiles(t, path, nil)
	})
}

// TestChangedIsNotWritten: what was changed after it was signed is not written, as it
// could not be read again.
func TestChangedIsNotWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.key")
	c := signed(t)
	ztest.Must(t, c.Save(path))
	want := texts(t, c)
	c.Metadata.Set("group", "admins")
	if err := c.Save(path, Replace); !errors.Is(err, errSignature) {
		t.Errorf("certificate: %v", err)
	}
	checkFiles(t, path, want)

	l := revocations(t, authority(t, "acme"))
	if _, err := l.Revoke(Revocation{Serial: 8, Time: day(5, 5)}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(nil); !errors.Is(err, errUnsigned) {
		t.Errorf("list: %v", err)
	}

	a := authority(t, "acme")
	a.Key = authority(t, "other").Key
	if _, err := a.AppendSecret(nil); !errors.Is(err, errSeed) {
		t.Errorf("authority: %v", err)
	}
	if err := a.Sign(Generate("bob")); !errors.Is(err, errSeed) {
		t.Errorf("signing with another key: %v", err)
	}
}

// TestWithoutSecretIsACopy: a change of the copy does not change the certificate.
func TestWithoutSecretIsACopy(t *testing.T) {
	t.Parallel()
	c := signed(t)
	c.WithoutSecret().Metadata.Set("name", "mallory")
	if c.Name() != "alice" {
		t.Errorf("the certificate's name is %q now", c.Name())
	}
}
