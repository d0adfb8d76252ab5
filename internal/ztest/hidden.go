package ztest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// CheckHidden fails the test if a value prints a secret: with a verb of package fmt, as
// JSON, or in a log.
func CheckHidden(t *testing.T, v any, secrets ...string) {
	t.Helper()
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		printed = append(printed, fmt.Sprintf(verb, v))
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
	printed = append(printed, string(text), log.String())
	for _, p := range printed {
		for _, s := range secrets {
			if strings.Contains(p, s) || strings.Contains(p, fmt.Sprintf("%x", s)) || strings.Contains(p, fmt.Sprintf("%X", s)) {
				t.Errorf("%T prints as %s", v, p)
			}
		}
	}
}
