package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
)

const z85Alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// awkwardKeys are texts of keys in which every character of Z85 comes first, last,
// and doubled within, and some that are random. Z85 of all of one character would
// be too much for 32 bits, so zeros stand around.
func awkwardKeys(t testing.TB) (texts []string) {
	t.Helper()
	for _, c := range z85Alphabet {
		texts = append(texts, "0000"+string(c)+strings.Repeat("00"+string(c)+string(c)+"0", 7))
		// Five characters that begin with the last two are more than 32 bits.
		if c != '$' && c != '#' {
			texts = append(texts, string(c)+strings.Repeat("0", 38)+string(c))
		}
	}
	for range 100 {
		texts = append(texts, curve.GenerateKeyPair().Secret.Z85())
	}
	for _, text := range texts {
		if _, err := curve.ParseSecretKey(text); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
	return texts
}

// export writes a certificate with this secret key in a form.
func export(t testing.TB, form, secret string) string {
	t.Helper()
	key, err := curve.ParseSecretKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	c := &cert.Certificate{Public: key.Public(), Secret: key, Metadata: cert.Metadata{{Name: "name", Value: "Zoë's $service"}}}
	text, err := exports[form](c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestShells: sh and bash read what was written.
func TestShells(t *testing.T) {
	t.Parallel()
	keys := awkwardKeys(t)
	for _, shell := range []string{"sh", "bash"} {
		var script, want strings.Builder
		for _, key := range keys {
			fmt.Fprintf(&script, "%s\nprintf '%%s\\n' \"$ZMQ_CURVE_SECRETKEY\"\n", export(t, "shell", key))
			fmt.Fprintln(&want, key)
		}
		file := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), shell, file).Output()
		if err != nil {
			t.Fatalf("%s: %v", shell, err)
		}
		if diff := cmp.Diff(want.String(), string(out)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", shell, diff)
		}
	}
}

// TestQuoting: what reads the other forms, by its documentation, reads the key.
func TestQuoting(t *testing.T) {
	t.Parallel()
	for _, key := range awkwardKeys(t) {
		// docker run --env-file: all behind the first = is the value.
		if got := lineValue(t, export(t, "env", key), "ZMQ_CURVE_SECRETKEY="); got != key {
			t.Errorf("env: got %q, want %q", got, key)
		}

		// systemd: within double quotes only \ and " mean something, neither of which
		// Z85 has; %% is a percent sign, and another % a specifier.
		got := lineValue(t, export(t, "systemd", key), `Environment="ZMQ_CURVE_SECRETKEY=`)
		got, ok := strings.CutSuffix(got, `"`)
		single := strings.ReplaceAll(got, "%%", "")
		if got = strings.ReplaceAll(got, "%%", "%"); !ok || got != key || strings.Contains(single, "%") {
			t.Errorf("systemd: got %q, want %q", got, key)
		}

		// Compose: YAML, and then $$ is a dollar sign, and another $ a variable.
		var compose struct {
			Services map[string]struct{ Environment map[string]string }
		}
		if err := yaml.Unmarshal([]byte(export(t, "compose", key)), &compose); err != nil {
			t.Fatal(err)
		}
		got = compose.Services["zo--s--service"].Environment["ZMQ_CURVE_SECRETKEY"]
		single = strings.ReplaceAll(got, "$$", "")
		if got = strings.ReplaceAll(got, "$$", "$"); got != key || strings.Contains(single, "$") {
			t.Errorf("compose: got %q, want %q", got, key)
		}

		var secret struct {
			APIVersion, Kind, Type string
			Metadata               struct{ Name string }
			Data                   map[string]string
		}
		if err := yaml.Unmarshal([]byte(strings.Replace(export(t, "kubernetes", key), "apiVersion", "apiversion", 1)), &secret); err != nil {
			t.Fatal(err)
		}
		octets, err := base64.StdEncoding.DecodeString(secret.Data["ZMQ_CURVE_SECRETKEY"])
		if err != nil || string(octets) != key || secret.Metadata.Name != "zo--s--service" || secret.Kind != "Secret" || secret.APIVersion != "v1" {
			t.Errorf("kubernetes: got %+v, %v, want %q", secret, err, key)
		}
	}
}

// lineValue returns what is behind a prefix on its line.
func lineValue(t testing.TB, text, prefix string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSuffix(value, "\n")
		}
	}
	t.Fatalf("no %s in\n%s", prefix, text)
	return ""
}

// TestKeyForms: each form of a key is read back.
func TestKeyForms(t *testing.T) {
	t.Parallel()
	for _, key := range awkwardKeys(t) {
		for _, form := range keyForms {
			text := strings.TrimSuffix(export(t, form.name, key), "\n")
			c, err := parseBareKey(text, true)
			if err != nil || c.Secret.Z85() != key {
				t.Fatalf("%s %q: %v", form.name, text, err)
			}
		}
		c, err := parseJSON([]byte(export(t, "json", key)))
		if err != nil || c.Secret.Z85() != key || c.Name() != "Zoë's $service" {
			t.Errorf("json: %v, %v", c, err)
		}
		for _, form := range []string{"czmq", "pyzmq"} {
			c, warnings, err := cert.Parse([]byte(export(t, form, key)))
			if err != nil || len(warnings) > 0 || c.Secret.Z85() != key {
				t.Errorf("%s: %v, %v, %v", form, c, warnings, err)
			}
		}
	}
}

// TestBadKeyText: what is no key is told by what it looks like, and never quoted.
func TestBadKeyText(t *testing.T) {
	t.Parallel()
	const secret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
	for _, tt := range []struct{ text, want string }{
		{"", "nothing; expected 40 of Z85, 64 of hexadecimal, or 43 or 44 of base64"},
		{secret[1:], "39 characters: Z85, 1 missing?"},
		{secret + "xy", "42 characters: Z85, 2 too many?"},
		{strings.Replace(secret, "Q", "\"", 1), "40 characters: Z85?"},
		{strings.Repeat("#", 40), "40 characters: Z85?"},
		{secret[:20] + " " + secret[20:], "41 characters, with blanks"},
		{strings.Repeat("ab", 31) + "a", "63 characters: hexadecimal, 1 missing?"},
		{strings.Repeat("ab", 32) + "a", "65 characters: hexadecimal, 1 too many?"},
		{strings.Repeat("ab", 31) + "gg", "64 characters: hexadecimal? some are none of its digits"},
		{strings.Repeat("a", 41) + "=", "42 characters: base64, 2 missing?"},
		{strings.Repeat("a", 42) + "+", "43 characters: base64?"},      // stray bits in the last
		{strings.Repeat("+_", 21) + "A", "43 characters: base64?"},     // both alphabets
		{strings.Repeat("a", 20) + "\n" + strings.Repeat("A", 22), ""}, // which a decoder passes over
		{strings.Repeat("a", 50), "50 characters: base64, 7 too many?"},
	} {
		_, err := parseKeyText(tt.text)
		if !errors.Is(err, errKeyText) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.text, err, tt.want)
		}
		if err != nil && len(tt.text) > 8 && strings.Contains(err.Error(), tt.text[:8]) {
			t.Errorf("%q is quoted: %v", tt.text, err)
		}
	}
}

func FuzzKeyText(f *testing.F) {
	for _, form := range keyForms {
		f.Add(form.encode(make([]byte, 32)))
		f.Add(form.encode([]byte("0123456789abcdefghijklmnopqrstuv"))[1:])
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		octets, err := parseKeyText(text)
		if err != nil {
			if !errors.Is(err, errKeyText) {
				t.Errorf("%v", err)
			}
			return
		}
		if len(octets) != 32 {
			t.Fatalf("%d octets", len(octets))
		}
		// It is what one of the forms writes, but for the case of hexadecimal and the
		// padding of base64.
		for _, form := range keyForms {
			written := form.encode(octets)
			if written == text || strings.TrimSuffix(written, "=") == strings.TrimSuffix(text, "=") || strings.EqualFold(written, text) {
				return
			}
		}
		t.Errorf("%q is read as %x, which isn't written so", text, octets)
	})
}
