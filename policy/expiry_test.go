package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/cert"
)

// TestListEnd: a warning some days before a list expires says what to do.
func TestListEnd(t *testing.T) {
	t.Parallel()
	issued := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, tt := range []struct {
		life, after time.Duration
		want        string
	}{
		{30 * day, -time.Second, "issued on 2026-01-01T00:00:00Z, in the future"},
		{30 * day, 0, ""},
		{30 * day, 23*day - time.Second, ""},
		{30 * day, 23 * day, "expires on 2026-01-31T00:00:00Z, in 7 days: then every certificate of its authority is refused; renew it with \"zcert revoke"},
		{30 * day, 29 * day, "in 24 hours"},
		{30 * day, 30*day - 90*time.Minute, "in 90 minutes"},
		{30 * day, 30*day - time.Second, "in a minute"},
		{30 * day, 30 * day, "expired on 2026-01-31T00:00:00Z: every certificate of its authority is refused; renew"},
		{4 * time.Hour, 3*time.Hour - time.Second, ""},
		{4 * time.Hour, 3 * time.Hour, "in 60 minutes"},
	} {
		got := listEnd(&cert.RevocationList{Issued: issued, Expires: issued.Add(tt.life)}, issued.Add(tt.after))
		if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%v after %v: got %q, want %q", tt.life, tt.after, got, tt.want)
		}
	}
}

// TestReminder: a list that expires soon causes a warning each day, until it is renewed.
func TestReminder(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := reminder{}
	ends := map[string]string{"p:2": "ends", "p:1": "has ended"}
	for _, tt := range []struct {
		after time.Duration
		ends  map[string]string
		want  []string
	}{
		{0, ends, []string{"p:1: has ended", "p:2: ends"}},
		{time.Hour, ends, nil},
		{23 * time.Hour, ends, nil},
		{24 * time.Hour, ends, []string{"p:1: has ended", "p:2: ends"}},
		{25 * time.Hour, map[string]string{"p:2": "ends"}, nil},
		{26 * time.Hour, ends, []string{"p:1: has ended"}},
		{27 * time.Hour, nil, nil},
		{28 * time.Hour, ends, []string{"p:1: has ended", "p:2: ends"}},
	} {
		var got []string
		for _, w := range r.due(tt.ends, now.Add(tt.after)) {
			got = append(got, w.String())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("after %v (-want +got):\n%s", tt.after, diff)
		}
	}
}
