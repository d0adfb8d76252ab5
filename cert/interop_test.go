package cert

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/argon"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/ztest"
)

func TestMain(m *testing.M) { os.Exit(ztest.WithPrograms(m).Run()) }

// noSecret is how czmq shows that there is no secret key.
var noSecret = strings.Repeat("0", 40)

// interopMetadata has values that other programs could read differently.
var interopMetadata = Metadata{
	{"name", "alice"},
	{"note", "# = # 100%s %d \\n"},
	{"double", `say "hi"`},
	{"single", "it's"},
	{"one", "'"},
	{"blanks", "  a  b  "},
	{"empty", ""},
	{"utf-8", "Zoë ✓"},
	{"$-_@.&/+", "signs"},
}

// needTools skips where tests are to be short.
func needTools(t *testing.T) {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		t.Skip("needs czmq, pyzmq and a C compiler")
	}
	ztest.NeedPeers(t)
}

// output runs a program and returns what it prints.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// lines reads NAME=VALUE lines.
func lines(out string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		m[name] = value
	}
	return m
}

// seen returns what testdata/czmq.c prints for c.
func seen(c *Certificate) map[string]string {
	m := map[string]string{"public": c.Public.String(), "secret": noSecret}
	if !c.Secret.IsZero() {
		m["secret"] = string(c.Secret.AppendZ85(nil))
	}
	for _, p := range c.Metadata {
		m["meta."+p.Name] = p.Value
	}
	return m
}

// saveInterop saves a signed certificate as alice.key and returns the path.
func saveInterop(t *testing.T) (*Certificate, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "alice.key")
	c := Generate("")
	c.Metadata = interopMetadata
	c.Serial = 1<<64 - 1
	c.Validity = Validity{
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	if err := GenerateAuthority("").Sign(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
	return c, path
}

func TestCZMQ(t *testing.T) {
	needTools(t)
	czmq := ztest.CProgram(t, "cert/testdata/czmq.c", "-lczmq")

	t.Run("reads ours", func(t *testing.T) {
		t.Parallel()
		c, path := saveInterop(t)
		// czmq looks for the secret file first.
		if diff := cmp.Diff(seen(c), lines(output(t, czmq, "load", path))); diff != "" {
			t.Errorf("secret (-want +got):\n%s", diff)
		}
		if err := os.Remove(path + SecretSuffix); err != nil {
			t.Fatal(err)
		}
		public := &Certificate{Public: c.Public, Metadata: c.Metadata}
		if diff := cmp.Diff(seen(public), lines(output(t, czmq, "load", path))); diff != "" {
			t.Errorf("public (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(seen(public), lines(output(t, czmq, "lookup", filepath.Dir(path), c.Public.String()))); diff != "" {
			t.Errorf("zcertstore (-want +got):\n%s", diff)
		}
		stranger := exec.CommandContext(t.Context(), czmq, "lookup", filepath.Dir(path), Generate("").Public.String())
		if err := stranger.Run(); stranger.ProcessState == nil || stranger.ProcessState.ExitCode() != 1 {
			t.Errorf("zcertstore knows a stranger: %v", err)
		}
	})
	t.Run("reads ours locked, as public", func(t *testing.T) {
		t.Parallel()
		c := Generate("")
		c.Metadata = interopMetadata
		if err := c.lock([]byte("passphrase"), argon.Parameters{Memory: 8, Passes: 1, Lanes: 1}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "alice.key")
		if err := c.Save(path); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(seen(c), lines(output(t, czmq, "load", path))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("reads the longest line and unknown sections", func(t *testing.T) {
		t.Parallel()
		c := Generate("")
		c.Metadata = Metadata{{"long", strings.Repeat("x", form.MaxLine-len(`    long = ""`))}}
		other, err := Parse([]byte("other\n    a = 'b'\n        c = d\n" + publicText("")))
		if err != nil {
			t.Fatal(err)
		}
		c.extra = other.extra
		path := filepath.Join(t.TempDir(), "x.key")
		if err := c.Save(path); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(seen(c), lines(output(t, czmq, "load", path))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("is read", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "theirs.key")
		args := []string{"save", path}
		want := map[string]string{}
		for _, p := range interopMetadata {
			// czmq puts any value between double quotes, and then can't read
			// these itself.
			if !strings.Contains(p.Value, `"`) {
				args = append(args, p.Name, p.Value)
				want["meta."+p.Name] = p.Value
			}
		}
		keys := lines(output(t, czmq, args...))
		want["public"], want["secret"] = keys["public"], keys["secret"]
		if len(want["public"]) != 40 || len(want["secret"]) != 40 {
			t.Fatalf("got %q", keys)
		}
		checkLoads(t, path+SecretSuffix, want)
		want["secret"] = noSecret
		checkLoads(t, path, want)
	})
	t.Run("double quotes are read", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "theirs.key")
		keys := lines(output(t, czmq, "save", path, "note", `say "hi"`))
		keys["meta.note"] = `say "hi"`
		checkLoads(t, path+SecretSuffix, keys, "column 13: quotes within the same quotes, which czmq can't read")
	})
}

// checkLoads fails unless Load reads want, with these warnings, from a file.
func checkLoads(t *testing.T, path string, want map[string]string, warnings ...string) {
	t.Helper()
	c, err := Load(path)
	if err != nil || len(c.Warnings) != len(warnings) {
		t.Fatal(c, err)
	}
	for i, w := range c.Warnings {
		if w.Text != warnings[i] {
			t.Errorf("warning %q, not %q", w.Text, warnings[i])
		}
	}
	if diff := cmp.Diff(want, seen(c)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestPyzmq(t *testing.T) {
	needTools(t)

	t.Run("reads ours", func(t *testing.T) {
		t.Parallel()
		c, path := saveInterop(t)
		out := output(t, ztest.Python(t), "-c", `
import json, os, sys, zmq.auth
path = sys.argv[1]
text = lambda keys: [k.decode() if k else None for k in keys]
print(json.dumps({
    "public": text(zmq.auth.load_certificate(path)),
    "secret": text(zmq.auth.load_certificate(path + "_secret")),
    "store": text(zmq.auth.load_certificates(os.path.dirname(path))),
}))`, path)
		var got map[string][]string
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		public := c.Public.String()
		want := map[string][]string{
			"public": {public, ""},
			"secret": {public, string(c.Secret.AppendZ85(nil))},
			"store":  {public},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("is read", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		// pyzmq writes values without quotes, and metadata into the secret
		// file only.
		keys := lines(output(t, ztest.Python(t), "-c", `
import os, sys, zmq.auth
os.umask(0o077)
public, secret = zmq.auth.create_certificates(sys.argv[1], "theirs", {"name": "theirs", "note": "a=b it's Zoë"})
print("public=%s\nsecret=%s" % tuple(k.decode() for k in zmq.auth.load_certificate(secret)))`, dir))
		path := filepath.Join(dir, "theirs.key")
		checkLoads(t, path, map[string]string{"public": keys["public"], "secret": noSecret})
		keys["meta.name"] = "theirs"
		keys["meta.note"] = `a=b it's Zoë`
		checkLoads(t, path+SecretSuffix, keys)
	})
}
