package zap_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/zap"
)

// verbs are all verbs of fmt except %T and %p, for which fmt calls no method. go vet
// reports %p for values that are not pointers.
var verbs = []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%o", "%b", "%c", "%U", "%t", "%e", "%g", "%9v", "%-9s", "%!"}

// printed returns what fmt, JSON and slog print for values.
func printed(values ...any) string {
	var out bytes.Buffer
	logs := []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))}
	for _, v := range values {
		for _, verb := range verbs {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v, fmt.Errorf("wrapped: %v", v))
		text, err := json.Marshal(v)
		fmt.Fprintf(&out, "%s %v\n", text, err)
		for _, log := range logs {
			log.With("before", v).WithGroup("group").Info("message", "value", v, "values", []any{v}, "map", map[string]any{"value": v})
		}
	}
	return out.String()
}

// wantHidden fails the test if out contains a secret, as text or as numbers.
func wantHidden(t *testing.T, out, secret string) {
	t.Helper()
	bytes := []byte(secret)
	numbers, _ := json.Marshal(numbersOf(bytes))
	encoded, _ := json.Marshal(bytes)
	forms := []string{secret, string(encoded), strings.Trim(string(numbers), "[]")}
	for _, verb := range []string{"%x", "%X", "% x", "%d", "%o", "%b", "%#v", "%U"} {
		forms = append(forms, fmt.Sprintf(verb, secret), strings.Trim(fmt.Sprintf(verb, bytes), "[]"))
	}
	for _, form := range forms {
		if i := strings.Index(out, form); i >= 0 {
			t.Errorf("%q shows in %q", form, out[max(0, i-100):min(len(out), i+100)])
		}
	}
}

func numbersOf(bytes []byte) (numbers []int) {
	for _, b := range bytes {
		numbers = append(numbers, int(b))
	}
	return numbers
}

// TestRequestPrints: a request prints its mechanism, address and domain, by value and by
// pointer, but not the user name and the password.
func TestRequestPrints(t *testing.T) {
	t.Parallel()
	req := &zap.Request{Domain: "payments", Address: "192.0.2.1", Mechanism: zap.Plain,
		Credentials: frames("alice in chains", "hunter2's password"), Asker: "192.0.2.7 (billing)"}
	out := printed(req, *req, []zap.Request{*req}, map[string]*zap.Request{"request": req},
		struct {
			Request zap.Request
			Pointer *zap.Request
		}{*req, req})
	wantHidden(t, out, "alice in chains")
	wantHidden(t, out, "hunter2's password")
	if n := strings.Count(out, "payments"); n < 4*len(verbs) {
		t.Errorf("the domain appears %d times in\n%s", n, out)
	}
	for _, v := range []any{req, *req} {
		for _, verb := range verbs {
			if got := fmt.Sprintf(verb, v); verb != "%!" && got != `PLAIN from "192.0.2.1" in domain "payments"` {
				t.Errorf("%s: got %s", verb, got)
			}
		}
		var text, object bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("asked", "request", v)
		slog.New(slog.NewJSONHandler(&object, nil)).Info("asked", "request", v)
		if !strings.Contains(text.String(), `request.mechanism=PLAIN request.address=192.0.2.1 request.domain=payments request.asker="192.0.2.7 (billing)"`) ||
			!strings.Contains(object.String(), `"request":{"mechanism":"PLAIN","address":"192.0.2.1","domain":"payments","asker":"192.0.2.7 (billing)"}`) {
			t.Errorf("slog:\n%s%s", &text, &object)
		}
	}
	if got := fmt.Sprint((*zap.Request)(nil)); got != "<nil>" {
		t.Errorf("a nil request prints as %s", got)
	}
}

// TestPasswordPrints: a password prints as "[secret]", and as an address in an unexported
// field of another type.
func TestPasswordPrints(t *testing.T) {
	t.Parallel()
	const text = "open sesame"
	p := zap.NewPassword(text)
	wantHidden(t, printed(p, &p, []zap.Password{p}, map[string]zap.Password{"password": p},
		struct {
			Exported   zap.Password
			unexported zap.Password
			pointer    *zap.Password
		}{p, p, &p}), text)
	for _, verb := range verbs {
		if got := fmt.Sprintf(verb, p); verb != "%!" && got != "[secret]" {
			t.Errorf("%s: got %s", verb, got)
		}
	}
	if got, err := json.Marshal(p); string(got) != `"[secret]"` || err != nil {
		t.Errorf("JSON: got %s, %v", got, err)
	}
	if p.Reveal() != text || zap.NewPassword("").Reveal() != "" || (zap.Password{}).Reveal() != "" {
		t.Error("Reveal returns another text")
	}
	if reflect.TypeFor[zap.Password]().Comparable() {
		t.Error("passwords can be compared with ==")
	}
}
