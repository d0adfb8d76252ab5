package armor

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

var comparePlain = cmp.Options{cmp.Comparer(func(p, q zap.Password) bool { return p.Reveal() == q.Reveal() }), compare}

// TestLoginText holds the format, which every later version must keep.
func TestLoginText(t *testing.T) {
	t.Parallel()
	text, err := credentials().text()
	if err != nil {
		t.Fatal(err)
	}
	const want = `# ZeroMQ PLAIN **Secret** Credentials
# Keep this file private.
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

func TestLoginRoundTrip(t *testing.T) {
	t.Parallel()
	tests := []*Login{
		credentials(),
		{},
		{Username: strings.Repeat("u", maxLogin), Password: zap.NewPassword(strings.Repeat("p", maxLogin))},
		{Username: "  Zoë # = ", Password: zap.NewPassword(`"quoted" `), Metadata: cert.Metadata{{"a", "it's"}}},
	}
	for _, p := range tests {
		e, err := NewLogin(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse([]byte(armoredText(t, e)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := back.Login()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, got, comparePlain); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if _, err := back.Certificate(); !errors.Is(err, cert.ErrKind) {
			t.Errorf("as CURVE: got %v, want %v", err, cert.ErrKind)
		}
	}
}

func TestUnwritablePlain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		p    *Login
		want error
	}{
		{"long name", &Login{Username: strings.Repeat("u", maxLogin+1)}, form.ErrProperty},
		{"long password", &Login{Password: zap.NewPassword(strings.Repeat("hunter2", 37))}, form.ErrProperty},
		{"line end", &Login{Username: "a\nb"}, zpl.ErrControl},
		{"password with both kinds of quotes", &Login{Password: zap.NewPassword(`hunter2"'`)}, zpl.ErrValue},
		{"password that isn't UTF-8", &Login{Password: zap.NewPassword("hunter2\xff")}, zpl.ErrUTF8},
		{"metadata", &Login{Metadata: cert.Metadata{{"a b", "x"}}}, form.ErrMetadata},
	}
	for _, tt := range tests {
		e, err := NewLogin(tt.p)
		if !errors.Is(err, tt.want) || e != nil {
			t.Errorf("%s: got %v, %v, want %v", tt.name, e, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestMalformedLogin(t *testing.T) {
	t.Parallel()
	const good = "plain\n    username = \"alice\"\n    password = \"hunter2\"\n"
	if _, err := ParseLogin([]byte(good)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, text   string
		want         error
		line, column int
	}{
		{"nothing", "", cert.ErrKind, 1, 1},
		{"a certificate", publicText(""), cert.ErrKind, 1, 1},
		{"both", good + publicText(""), form.ErrProperty, 5, 1},
		{"twice", good + good, form.ErrSection, 4, 1},
		{"metadata twice", "metadata\nmetadata\n" + good, form.ErrSection, 2, 1},
		{"no user name", "plain\n    password = \"hunter2\"\n", form.ErrProperty, 1, 1},
		{"no password", "plain\n    username = \"alice\"\n", form.ErrProperty, 1, 1},
		{"password twice", good + "    password = \"hunter2\"\n", form.ErrProperty, 4, 5},
		{"more than is known", good + "    expires = \"never\"\n", form.ErrProperty, 4, 5},
		{"long password", "plain\n    username = \"\"\n    password = \"" + strings.Repeat("hunter2", 37) + "\"\n", form.ErrProperty, 1, 1},
		{"password with both kinds of quotes", "plain\n    username = \"\"\n    password = hunter2\"'\n", zpl.ErrValue, 1, 1},
		{"metadata twice the same", good + "metadata\n    a = 1\n    A = 2\n", form.ErrMetadata, 6, 5},
		{"no ZPL", good + "!\n", zpl.ErrName, 4, 1},
	}
	for _, tt := range tests {
		p, err := ParseLogin([]byte(tt.text))
		var place *cert.SyntaxError
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

// TestLoginPrintsNoPassword: neither do credentials show their password, nor does what
// holds them.
func TestLoginPrintsNoPassword(t *testing.T) {
	t.Parallel()
	p := credentials()
	type inside struct {
		plain *Login
		all   Login
	}
	for _, v := range []any{p, *p, []Login{*p}, inside{p, *p}} {
		ztest.CheckHidden(t, v, "sesame", fmt.Sprint([]byte("sesame"))[1:12])
	}
}
