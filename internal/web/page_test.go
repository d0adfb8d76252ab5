package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/monitor"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// hostile is text that would leave its place in HTML, in an attribute, in a script, in a style
// and in a comment.
const hostile = `</td><script>alert(1)</script><img src=x onerror=alert(1)> " onload="alert(1)' onload='alert(1) --> {{.}} javascript:alert(1) \u003cscript\u003e`

// newSource returns a source with these decisions.
func newSource(t *testing.T, status control.Status, decisions ...decision) Source {
	t.Helper()
	return newSourceTo(t, "", status, decisions...)
}

// newSourceTo is newSource with --admit-to.
func newSourceTo(t *testing.T, admitTo string, status control.Status, decisions ...decision) Source {
	t.Helper()
	next := make(chan zap.Reply, 1)
	m := monitor.New(zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply { return <-next }), monitor.Options{Advice: monitor.Advice{AdmitTo: admitTo}})
	for _, d := range decisions {
		next <- d.reply
		m.Handle(t.Context(), &d.request)
	}
	return Source{Status: func() control.Status { return status }, Monitor: m, AdmitTo: admitTo, Log: slog.New(slog.DiscardHandler)}
}

type decision struct {
	request zap.Request
	reply   zap.Reply
}

// get asks for a path of s.
func get(t *testing.T, s Source, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", path, nil)
	r.Host = "localhost"
	guard("", newHandler(t.Context(), s)).ServeHTTP(w, r)
	return w
}

// TestHostileTexts: whatever clients, services and files are called, it is text on the page.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	key := [][]byte{[]byte(strings.Repeat("k", 32))}
	refused := zap.Reply{Status: zap.StatusRefused, Text: "R" + hostile, Rule: "L" + hostile}
	request := zap.Request{Domain: "D" + hostile, Address: "A" + hostile, Asker: "S" + hostile, Mechanism: zap.Curve, Credentials: key}
	byLogin, named := request, request
	byLogin.Mechanism, byLogin.Credentials = zap.Plain, [][]byte{[]byte("U" + hostile), []byte("secret password")}
	byName := request
	byName.Mechanism, byName.Credentials = zap.GSSAPI, [][]byte{[]byte("P" + hostile)}
	named.Credentials = [][]byte{[]byte(strings.Repeat("n", 32))}
	known := refused
	known.Identity = "I" + hostile
	soon := time.Now().Add(time.Hour)
	s := newSource(t, control.Status{
		Version:  "V" + hostile,
		Policy:   &control.Policy{File: "F" + hostile, Digest: "H" + hostile, Failed: "E" + hostile, Domains: []string{"O" + hostile}},
		Stores:   []control.Store{{URL: "K" + hostile, Failed: "E" + hostile}},
		Lists:    []control.List{{File: "T" + hostile, Expires: soon}},
		Expiring: []control.Expiring{{Name: "N" + hostile, Store: "K" + hostile, Expires: soon}},
	}, decision{request, refused}, decision{byLogin, refused}, decision{byName, refused}, decision{named, known})
	s.AdmitTo = hostile
	w := get(t, s, "/")
	if w.Code != http.StatusOK {
		t.Fatal(w.Code)
	}
	body := w.Body.String()
	if strings.Contains(body, "secret password") {
		t.Error("the page shows a password")
	}
	var texts strings.Builder
	wantElements := map[string]int{"script": 1, "img": 1, "link": 2}
	elements := map[string]int{}
	for z := html.NewTokenizer(strings.NewReader(body)); ; {
		switch z.Next() {
		case html.ErrorToken:
			ztest.Must(t, notEOF(z.Err()))
			for name, n := range wantElements {
				if elements[name] != n {
					t.Errorf("%d elements %s, want %d", elements[name], name, n)
				}
			}
			text := strings.Join(strings.Fields(texts.String()), " ")
			for _, first := range "RLDASUPIVFHEOKTN" {
				// The monitor cuts texts after 255 bytes.
				if want := strings.Join(strings.Fields(string(first)+hostile), " "); !strings.Contains(text, want) {
					t.Errorf("the page doesn't show %q", want)
				}
			}
			return
		case html.TextToken:
			texts.Write(z.Text())
			// z.Text is unescaped.
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			elements[token.Data]++
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || (a.Key == "href" || a.Key == "src") && !strings.HasPrefix(a.Val, "/") {
					t.Errorf("<%s %s=%q>", token.Data, a.Key, a.Val)
				}
			}
		}
	}
}

func notEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// TestHiddenCharacters: a user name cannot rearrange the text around it, or hide.
func TestHiddenCharacters(t *testing.T) {
	t.Parallel()
	refused := zap.Reply{Status: zap.StatusRefused, Text: "no"}
	var asked []decision
	for mechanism, credentials := range map[string][][]byte{zap.Plain: {[]byte("u\u202e\x1b\xff"), nil}, zap.GSSAPI: {[]byte("p\u202e\x1b\xff")}, zap.ScramSHA256: {[]byte("\xffs"), nil}} {
		asked = append(asked, decision{zap.Request{Mechanism: mechanism, Credentials: credentials}, refused})
	}
	body := get(t, newSource(t, control.Status{}, asked...), "/").Body.String()
	if strings.ContainsAny(body, "\u202e\x1b") || !utf8.ValidString(body) {
		t.Error(body)
	}
	for _, want := range []string{`u\u202e\x1b\xff`, `p\u202e\x1b\xff`, `\xffs`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

// TestPage: the page shows the policy, stores, lists, expiring identities, decisions and pending
// keys with the command that admits them.
func TestPage(t *testing.T) {
	t.Parallel()
	stranger := zap.Request{Domain: "payments", Address: "10.0.0.7", Mechanism: zap.Curve, Credentials: [][]byte{[]byte(strings.Repeat("s", 32))}}
	alice := zap.Request{Domain: "payments", Address: "10.0.0.8", Mechanism: zap.Curve, Credentials: [][]byte{[]byte(strings.Repeat("a", 32))}}
	now := time.Now()
	status := control.Status{
		Started:     now.Add(-26 * time.Hour),
		Policy:      &control.Policy{File: "policy.zpl", Digest: "0123abcd", Since: now, Domains: []string{"payments", "status"}},
		Stores:      []control.Store{{URL: "dir:staff", Identities: 1234, Revoked: 5}},
		Lists:       []control.List{{File: "acme.revoked", Expires: now.Add(-time.Minute)}},
		Expiring:    []control.Expiring{{Name: "globex", Store: "dir:partners", Expires: now.Add(50 * time.Hour)}},
		ExpiringAll: 8,
		Limits:      []control.Limit{{Name: "failures", Count: 3}, {Name: "logins"}},
	}
	decisions := []decision{{alice, zap.Reply{Status: zap.StatusOK, UserID: "alice", Identity: "alice", Rule: "policy.zpl:3"}},
		{stranger, zap.Reply{Status: zap.StatusRefused, Text: "unknown key", Rule: "policy.zpl:1"}}}
	body := get(t, newSource(t, status, decisions...), "/").Body.String()
	if strings.Contains(body, "zauth admit SHA256:") {
		t.Error("without --admit-to, the page shows zauth admit")
	}
	s := newSourceTo(t, "dir:staff", status, decisions...)
	body = get(t, s, "/").Body.String()
	fingerprint := s.Monitor.Pending()[0].Fingerprint
	for _, want := range []string{"Ready", "Up 1 d 2 h", "policy.zpl", "0123abcd", "payments, status", "dir:staff", "1\u202f234, 5 revoked", "acme.revoked", "expired",
		"globex", "in 2 d 1 h", "7 more", "failures of an address in a minute", "alice", "10.0.0.7", "policy.zpl:3",
		"Decisions in the last hour: 1 admitted, 0 to try again later, 1 refused, 0 failed.",
		"zauth admit " + strings.ReplaceAll(fingerprint, "+", "&#43;") + " --name NAME"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page doesn't show %q", want)
		}
	}
	if strings.Contains(body, "passwords compared") {
		t.Error("the page shows a limit that was not hit")
	}
}

// TestPageOfNothing: a zauth that nobody has asked has a page.
func TestPageOfNothing(t *testing.T) {
	t.Parallel()
	body := get(t, newSource(t, control.Status{}), "/").Body.String()
	for _, want := range []string{"No client has asked yet.", "No unknown key", "no decision yet", "admits the clients in its keystore"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page doesn't show %q", want)
		}
	}
}

// TestPageIsBounded: the page does not grow with the number of clients.
func TestPageIsBounded(t *testing.T) {
	t.Parallel()
	var all []decision
	for i := range 2_000 {
		key := slices.Repeat([]byte{byte(i), byte(i >> 8)}, 16)
		all = append(all, decision{
			zap.Request{Domain: strings.Repeat("d", 255), Address: strings.Repeat("a", 4+i%200), Asker: strings.Repeat("s", 255), Mechanism: zap.Curve, Credentials: [][]byte{key}},
			zap.Reply{Status: zap.StatusRefused, Text: strings.Repeat("&", 255), Rule: strings.Repeat("r", 255)}})
	}
	if n := get(t, newSource(t, control.Status{}, all...), "/").Body.Len(); n > 256<<10 {
		t.Errorf("%d bytes", n)
	}
}

// TestReady: zauth is ready while it decides as its files say, and says why if it isn't.
func TestReady(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx    context.Context
		status control.Status
		want   string
	}{
		"ready":      {t.Context(), control.Status{Policy: &control.Policy{}, Stores: []control.Store{{}}}, ""},
		"bad policy": {t.Context(), control.Status{Policy: &control.Policy{File: "p.zpl", Failed: "line 3: no"}}, "policy p.zpl: line 3: no"},
		"bad store":  {t.Context(), control.Status{Stores: []control.Store{{}, {URL: "dir:x", Failed: "gone"}}}, "keystore dir:x: gone"},
		"ending":     {ended, control.Status{}, "zauth is shutting down"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler := newHandler(tt.ctx, newSource(t, tt.status))
			for path, check := range map[string]func(code int, body string) bool{
				"/readyz": func(code int, body string) bool {
					return tt.want == "" && code == 200 && body == "ok\n" || tt.want != "" && code == 503 && body == tt.want+"\n"
				},
				"/healthz": func(code int, body string) bool { return code == 200 && body == "ok\n" },
				"/": func(code int, body string) bool {
					return code == 200 && strings.Contains(body, "Not ready") == (tt.want != "") && strings.Contains(body, tt.want)
				},
			} {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
				if !check(w.Code, w.Body.String()) {
					t.Errorf("%s: %d %q", path, w.Code, w.Body)
				}
			}
		})
	}
}

// TestFiles: the files of the page have their types, and there are no others.
func TestFiles(t *testing.T) {
	t.Parallel()
	s := newSource(t, control.Status{})
	for path, want := range map[string]string{"/style.css": "text/css; charset=utf-8", "/refresh.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml"} {
		if w := get(t, s, path); w.Code != http.StatusOK || w.Header().Get("Content-Type") != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
	}
	for _, path := range []string{"/page.html", "/files/", "/files/page.html", "/x", "/metrics/", "/style.css/..%2fpage.html"} {
		if w := get(t, s, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
