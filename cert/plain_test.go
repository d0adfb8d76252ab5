package cert

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/zap"
)

var comparePlain = cmp.Options{cmp.Comparer(func(p, q zap.Password) bool { return p.Reveal() == q.Reveal() }), compare}

// TestPlainText holds the format, which every later version must keep.
func TestPlainText(t *testing.T) {
	t.Parallel()
	text, err := credentials().text()
	if err != nil {
		t.Fatal(err)
	}
	const want = `# ZeroMQ PLAIN **Secret** Credentials
# Keep them where they are used, and show them to nobody.
metadata
    group = "traders"
plain
    username = "alice"
    password = "open sesame"
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPlainRoundTrip(t *testing.T) {
	t.Parallel()
	tests := []*Plain{
		credentials(),
		{},
		{Username: strings.Repeat("u", maxPlain), Password: zap.NewPassword(strings.Repeat("p", maxPlain))},
		{Username: "  Zoë # = ", Password: zap.NewPassword(`"quoted" `), Metadata: Metadata{{"a", "it's"}}},
	}
	for _, p := range tests {
		e, err := ArmorPlain(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseEnvelope([]byte(armoredText(t, e)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := back.Plain()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, got, comparePlain); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if _, err := back.Certificate(); !errors.Is(err, ErrMechanism) {
			t.Errorf("as CURVE: got %v, want %v", err, ErrMechanism)
		}
	}
}

func TestUnwritablePlain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		p    *Plain
		want error
	}{
		{"long name", &Plain{Username: strings.Repeat("u", maxPlain+1)}, ErrProperty},
		{"long password", &Plain{Password: zap.NewPassword(strings.Repeat("hunter2", 37))}, ErrProperty},
		{"line end", &Plain{Username: "a\nb"}, zpl.ErrControl},
		{"password with both kinds of quotes", &Plain{Password: zap.NewPassword(`hunter2"'`)}, zpl.ErrValue},
		{"password that isn't UTF-8", &Plain{Password: zap.NewPassword("hunter2\xff")}, zpl.ErrUTF8},
		{"metadata", &Plain{Metadata: Metadata{{"a b", "x"}}}, ErrMetadata},
	}
	for _, tt := range tests {
		e, err := ArmorPlain(tt.p)
		if !errors.Is(err, tt.want) || e != nil {
			t.Errorf("%s: got %v, %v, want %v", tt.name, e, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestMalformedPlain(t *testing.T) {
	t.Parallel()
	const good = "plain\n    username = \"alice\"\n    password = \"hunter2\"\n"
	if _, err := ParsePlain([]byte(good)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, text   string
		want         error
		line, column int
	}{
		{"nothing", "", ErrMechanism, 1, 1},
		{"a certificate", publicText(""), ErrMechanism, 1, 1},
		{"both", good + publicText(""), ErrProperty, 5, 1},
		{"twice", good + good, ErrSection, 4, 1},
		{"metadata twice", "metadata\nmetadata\n" + good, ErrSection, 2, 1},
		{"no user name", "plain\n    password = \"hunter2\"\n", ErrProperty, 1, 1},
		{"no password", "plain\n    username = \"alice\"\n", ErrProperty, 1, 1},
		{"password twice", good + "    password = \"hunter2\"\n", ErrProperty, 4, 5},
		{"more than is known", good + "    expires = \"never\"\n", ErrProperty, 4, 5},
		{"long password", "plain\n    username = \"\"\n    password = \"" + strings.Repeat("hunter2", 37) + "\"\n", ErrProperty, 1, 1},
		{"password with both kinds of quotes", "plain\n    username = \"\"\n    password = hunter2\"'\n", zpl.ErrValue, 1, 1},
		{"metadata twice the same", good + "metadata\n    a = 1\n    A = 2\n", ErrMetadata, 6, 5},
		{"no ZPL", good + "!\n", zpl.ErrName, 4, 1},
	}
	for _, tt := range tests {
		p, err := ParsePlain([]byte(tt.text))
		var place *SyntaxError
		if !errors.Is(err, tt.want) || !errors.As(err, &place) || p != nil {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
			continue
		}
		if place.Line != tt.line || place.Column != tt.column {
			t.Errorf("%s: at %d:%d, want %d:%d", tt.name, place.Line, place.Column, tt.line, tt.column)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestPlainPrintsNoPassword: neither do credentials show their password, nor does what
// holds them.
func TestPlainPrintsNoPassword(t *testing.T) {
	t.Parallel()
	p := credentials()
	type inside struct {
		plain *Plain
		all   Plain
	}
	for _, v := range []any{p, *p, []Plain{*p}, inside{p, *p}} {
		checkHidden(t, v, "sesame", fmt.Sprint([]byte("sesame"))[1:12])
	}
}
