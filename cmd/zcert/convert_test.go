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
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/ztest"
)

const z85Alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// awkwardKeys returns keys with each character of Z85 at the beginning, if possible, at
// the end, and doubled within; keys that look like something else in YAML or JSON; and
// random ones. Five equal characters can exceed 32 bits, so there are zeros between
// them. A key of zeros only is invalid.
func awkwardKeys(t testing.TB) (texts []string) {
	t.Helper()
	for _, c := range z85Alphabet {
		texts = append(texts,
			"0000"+string(c)+strings.Repeat("00"+string(c)+string(c)+"1", 7),
			strings.Repeat("0", 38)+"1"+string(c))
		// Five characters that begin with the last two are more than 32 bits.
		if c != '$' && c != '#' {
			texts = append(texts, string(c)+strings.Repeat("0", 37)+"1"+string(c))
		}
	}
	texts = append(texts,
		"2001-01-01t00:00:00.00000000000000000000",
		"2001-1-1t1:00:00.000000000000000000000+5",
		strings.Repeat("1", 40),
		"0x"+strings.Repeat("a", 38),
		"0b"+strings.Repeat("1", 38),
		"1:01:01."+strings.Repeat("0", 32),
		"1.5"+strings.Repeat("0", 34)+"e+3",
		strings.Repeat("=", 40),
		strings.Repeat("-", 40),
		strings.Repeat("{}", 20),
	)
	for range 100 {
		texts = append(texts, string(curve.GenerateKey().AppendZ85(nil)))
	}
	for _, text := range texts {
		if _, err := curve.ParseSecretKey(text); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
	return texts
}

// export formats a certificate with this secret key.
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

// TestShells: sh and bash read the format shell.
func TestShells(t *testing.T) {
	t.Parallel()
	keys := awkwardKeys(t)
	for _, shell := range []string{"sh", "bash"} {
		if _, err := exec.LookPath(shell); err != nil && !ztest.Peers() {
			t.Skip(err)
		}
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

// TestQuoting: the readers of the other formats, by their documentation, read the key.
func TestQuoting(t *testing.T) {
	t.Parallel()
	for _, key := range awkwardKeys(t) {
		// docker run --env-file: the value is all after the first =. The same goes for
		// systemd's EnvironmentFile, without backslashes, quotes and spaces.
		if got := lineValue(t, export(t, "env", key), "ZMQ_CURVE_SECRETKEY="); got != key || strings.ContainsAny(got, "\\\"' \t") {
			t.Errorf("env: got %q, want %q", got, key)
		}

		// systemd: between double quotes only \ and " are special, and %% is a percent
		// sign, any other % a specifier. The secret key is never in a unit.
		secret, err := curve.ParseSecretKey(key)
		ztest.Must(t, err)
		unit := export(t, "systemd", key)
		if strings.Contains(unit, "SECRET") {
			t.Errorf("systemd: %s", unit)
		}
		got := lineValue(t, unit, `Environment="ZMQ_CURVE_PUBLICKEY=`)
		got, closed := strings.CutSuffix(got, `"`)
		plain, ok := halve(got, '%')
		if !closed || !ok || strings.ContainsAny(got, "\\\"") || plain != secret.Public().String() {
			t.Errorf("systemd: got %q, want %q", got, secret.Public())
		}

		// Compose: YAML, and then $$ is a dollar sign, any other $ a variable.
		got = composeSecret(t, export(t, "compose", key))
		if plain, ok := halve(got, '$'); !ok || plain != key {
			t.Errorf("compose: got %q, want %q", got, key)
		}

		var kubernetes struct {
			APIVersion, Kind, Type string
			Metadata               struct{ Name string }
			Data                   map[string]string
		}
		if err := yaml.Unmarshal([]byte(strings.Replace(export(t, "kubernetes", key), "apiVersion", "apiversion", 1)), &kubernetes); err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(kubernetes.Data["ZMQ_CURVE_SECRETKEY"])
		if err != nil || string(raw) != key || kubernetes.Metadata.Name != "zo--s--service" || kubernetes.Kind != "Secret" || kubernetes.APIVersion != "v1" {
			t.Errorf("kubernetes: got %+v, %v, want %q", kubernetes, err, key)
		}
	}
}

// TestSystemdUnit: systemd accepts the drop-in, whatever the file's name.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "with space, 100% and $")
	ztest.Must(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "a.key_secret")
	ztest.Must(t, cert.Generate("").SaveSecret(path))
	unit := zcert(t, "convert", path, "--to", "systemd", "--secret")
	named, ok := halve(lineValue(t, unit, "LoadCredential=zmq-curve.key_secret:"), '%')
	if !ok || named != path {
		t.Errorf("got %q, want %q", named, path)
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "zcurve-test.service")
	ztest.WriteFile(t, file, unit+"Type=oneshot\nExecStart=/bin/sh -c 'cat %d/zmq-curve.key_secret'\n")
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "zcurve-test.service:") {
		t.Errorf("%v: %s\n%s", err, out, unit)
	}
}

// halve replaces each pair of a character by one, and reports whether there was no
// single one.
func halve(text string, c byte) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == c {
			if i++; i == len(text) || text[i] != c {
				return "", false
			}
		}
		out.WriteByte(text[i])
	}
	return out.String(), true
}

// composeSecret returns the secret key in a compose file, with each $ doubled.
func composeSecret(t testing.TB, text string) string {
	t.Helper()
	var file struct {
		Services map[string]struct{ Environment map[string]string }
	}
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	return file.Services["zo--s--service"].Environment["ZMQ_CURVE_SECRETKEY"]
}

// TestPythonYAML: PyYAML reads every key too.
func TestPythonYAML(t *testing.T) {
	t.Parallel()
	var in, want strings.Builder
	for _, key := range awkwardKeys(t) {
		fmt.Fprintf(&in, "---\n%s---\n%s", export(t, "compose", key), export(t, "kubernetes", key))
		fmt.Fprintf(&want, "%s\n%s\n", strings.ReplaceAll(key, "$", "$$"), key)
	}
	const script = `
import base64, sys, yaml
for d in yaml.safe_load_all(sys.stdin):
    if "services" in d:
        print(d["services"]["zo--s--service"]["environment"]["ZMQ_CURVE_SECRETKEY"])
    else:
        print(base64.b64decode(d["data"]["ZMQ_CURVE_SECRETKEY"]).decode())
`
	cmd := exec.CommandContext(t.Context(), ztest.Python(t), "-c", script)
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// lineValue returns the rest of the line that begins with prefix.
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

// convert runs zcert convert on stdin.
func convert(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	args = append([]string{"convert", "-"}, args...)
	code := cli.Run(t.Context(), newRoot(), args, strings.NewReader(stdin), &stdout, &stderr)
	if code != cli.ExitDone || stderr.String() != "" {
		t.Fatalf("zcert %q: exit code %d: %s", args, code, stderr.String())
	}
	return stdout.String()
}

// TestRoundTripUnraced: convert recognizes the formats that it writes, and reads the
// same keys.
func TestRoundTripUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	for _, key := range awkwardKeys(t) {
		public := convert(t, key, "--from", "secret-key", "--to", "z85")
		for _, form := range keyForms {
			secretText := convert(t, key+"\n", "--from", "secret-key", "--to", form.name, "--secret")
			if got := convert(t, secretText, "--from", "secret-key", "--to", "z85", "--secret"); got != key+"\n" {
				t.Errorf("%s: got %q, want %q", form.name, got, key)
			}
			publicText := convert(t, public, "--to", form.name)
			if got := convert(t, publicText, "--to", "z85"); got != public {
				t.Errorf("%s: got %q, want %q", form.name, got, public)
			}
			if got := convert(t, publicText+secretText, "--to", "z85", "--secret"); got != key+"\n" {
				t.Errorf("two lines of %s: got %q, want %q", form.name, got, key)
			}
		}
		for _, form := range []string{"json", "czmq", "pyzmq"} {
			text := export(t, form, key)
			if got := convert(t, text, "--to", "z85", "--secret"); got != key+"\n" {
				t.Errorf("%s: got %q, want %q", form, got, key)
			}
			if diff := cmp.Diff(export(t, "czmq", key), convert(t, text, "--to", "czmq", "--secret")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", form, diff)
			}
		}
	}
}

// TestPublicOnly: without --secret, no format contains the secret key in any encoding.
func TestPublicOnly(t *testing.T) {
	t.Parallel()
	c := &cert.Certificate{Metadata: cert.Metadata{{Name: "name", Value: "manual"}}}
	pair := curve.GenerateKey()
	c.Public, c.Secret = pair.Public(), pair
	raw := keyBytes(c)
	file, err := c.AppendSecret(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range exportNames() {
		text := convert(t, string(file), "--to", name)
		if strings.Contains(strings.ToLower(text), "secret_key") || strings.Contains(text, secretVariable) {
			t.Errorf("%s names the secret key:\n%s", name, text)
		}
		for _, form := range keyForms {
			secret := form.encode(raw)
			inData := base64.StdEncoding.EncodeToString([]byte(secret))
			if strings.Contains(text, secret) || strings.Contains(text, inData) {
				t.Errorf("%s holds the secret key as %s", name, form.name)
			}
		}
	}
}

// TestLabel: labels are valid for Kubernetes and Compose.
func TestLabel(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, want string }{
		{"", "fallback"},
		{"manual", "manual"},
		{"Zoë's $service", "zo--s--service"},
		{"--a--", "a"},
		{"żółw", "w"},
		{"日本", "fallback"},
		{"a\n b", "a--b"},
		{strings.Repeat("a", 64), strings.Repeat("a", 63)},
		{strings.Repeat("a", 62) + "-b", strings.Repeat("a", 62)},
	} {
		if got := labelOf(tt.name, "fallback"); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestJSONMetadata: metadata is read from a list or an object.
func TestJSONMetadata(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want cert.Metadata
	}{
		{``, nil},
		{`, "metadata": null`, nil},
		{`, "metadata": []`, nil},
		{`, "name": "alice"`, cert.Metadata{{Name: "name", Value: "alice"}}},
		{`, "name": "alice", "metadata": {"Name": "bob"}`, cert.Metadata{{Name: "Name", Value: "bob"}}},
		{`, "name": "alice", "metadata": {"group": "fx"}`, cert.Metadata{{Name: "group", Value: "fx"}, {Name: "name", Value: "alice"}}},
		{`, "metadata": {"b": "2", "a": "1"}`, cert.Metadata{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}},
		{`, "metadata": [{"name": "b", "value": "2"}, {"name": "a", "value": "1"}]`, cert.Metadata{{Name: "b", Value: "2"}, {Name: "a", Value: "1"}}},
	} {
		c, err := parseJSON([]byte(`{"public_key": "` + curve.GenerateKey().Public().String() + `"` + tt.text + `}`))
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(tt.want, c.Metadata); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
	}
}

// TestBadJSON: errors about JSON never quote it.
func TestBadJSON(t *testing.T) {
	t.Parallel()
	const secret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
	const public = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
	const other = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
	for _, tt := range []struct {
		text string
		want error
	}{
		{`{"secret_key": "` + secret, errJSON},
		{`{"secret_key": "` + secret[:9] + `\[` + secret[9:] + `"}`, errJSON},
		{`{"secret_key": "` + secret + `"} and more`, errJSON},
		{`{"secret_key": ["` + secret + `"]}`, errJSON},
		{`{"secret_key": 12345678}`, errJSON},
		{`{"name": "` + secret + `"}`, errJSON},
		{`{"public_key": "` + public + `", "metadata": ["` + secret + `"]}`, errJSON},
		{`{"public_key": "` + public + `", "metadata": {"a": 12345678}}`, errJSON},
		{`{"public_key": "` + public + `", "metadata": "` + secret + `"}`, errJSON},
		{`{"public_key": "` + public[1:] + `"}`, errKeyText},
		{`{"secret_key": "` + secret[1:] + `"}`, errKeyText},
		{`{"public_key": "` + public + `", "secret_key": "` + secret[1:] + `"}`, errKeyText},
		{`{"public_key": "` + other + `", "secret_key": "` + secret + `"}`, errKeyPair},
		{`{"public_key": "` + strings.Repeat("0", 40) + `"}`, curve.ErrPublicKey},
	} {
		_, err := parseJSON([]byte(tt.text))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.text, err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), secret[1:9]) || strings.Contains(err.Error(), "'") || strings.Contains(err.Error(), "12345678")) {
			t.Errorf("%s is quoted: %v", tt.text, err)
		}
	}
}

// TestBadKeyText: errors describe what the text looks like, and never quote it.
func TestBadKeyText(t *testing.T) {
	t.Parallel()
	const secret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
	for _, tt := range []struct{ text, want string }{
		{"", "empty; expected 40 characters of Z85, 64 of hex, or 43 or 44 of base64"},
		{secret[1:], "39 characters, 1 short of Z85"},
		{secret + "xy", "42 characters, 2 too many for Z85"},
		{strings.Replace(secret, "Q", "\"", 1), "40 characters, but not valid Z85"},
		{strings.Repeat("#", 40), "40 characters, but not valid Z85"},
		{secret[:20] + " " + secret[20:], "41 characters, including spaces"},
		{strings.Repeat("ab", 31) + "a", "63 characters, 1 short of hex"},
		{strings.Repeat("ab", 32) + "a", "65 characters, 1 too many for hex"},
		{strings.Repeat("ab", 31) + "gg", "64 characters, but not all are hex digits"},
		{strings.Repeat("a", 41) + "=", "42 characters, 2 short of base64"},
		{strings.Repeat("a", 42) + "+", "43 characters, but not valid base64"},           // stray bits in the last
		{strings.Repeat("+_", 21) + "A", "43 characters, but not valid base64"},          // both alphabets
		{strings.Repeat("a", 20) + "\n" + strings.Repeat("A", 22), "more than one line"}, // which a decoder skips
		{strings.Repeat("a", 50), "50 characters, 7 too many for base64"},
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
		raw, err := parseKeyText(text)
		if err != nil {
			if !errors.Is(err, errKeyText) {
				t.Errorf("%v", err)
			}
			return
		}
		if len(raw) != 32 {
			t.Fatalf("%d bytes", len(raw))
		}
		// One of the formats writes this text, apart from the case of hex digits and the
		// padding of base64.
		for _, form := range keyForms {
			written := form.encode(raw)
			if written == text || strings.TrimSuffix(written, "=") == strings.TrimSuffix(text, "=") || strings.EqualFold(written, text) {
				return
			}
		}
		t.Errorf("%q is read as %x, which no format writes that way", text, raw)
	})
}

func FuzzKeyJSON(f *testing.F) {
	const public = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
	const secret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
	f.Add([]byte(`{"public_key": "` + public + `", "metadata": {"name": "manual"}}`))
	f.Add([]byte(`{"name": "manual", "secret_key": "` + secret + `", "metadata": [{"name": "group", "value": "fx"}]}`))
	f.Add([]byte(`{"public_key": "` + public + `", "secret_key": "` + secret + `"}`))
	f.Add([]byte(`{"public_key": 1}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseJSON(text)
		if err != nil {
			return
		}
		if err := c.Public.Check(); err != nil {
			t.Fatal(err)
		}
		if !c.Secret.IsZero() {
			if c.Secret.Public() != c.Public {
				t.Fatal(err)
			}
		}
		// Writing it again and reading that gives the same keys.
		written, err := exportJSON(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseJSON(written)
		if err != nil {
			t.Fatal(err)
		}
		if again.Public != c.Public || string(again.Secret.AppendZ85(nil)) != string(c.Secret.AppendZ85(nil)) || !cmp.Equal(again.Metadata, c.Metadata) {
			t.Errorf("%s is written as %s", text, written)
		}
	})
}
