package cert

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/form"
)

// TestValidityCheck: from not-before on and before not-after, to the nanosecond
// and in whatever time zone.
func TestValidityCheck(t *testing.T) {
	t.Parallel()
	both := Validity{day(2, 1), day(3, 1)}
	for name, tt := range map[string]struct {
		v    Validity
		now  time.Time
		want error
	}{
		"no limits":             {Validity{}, day(1, 1), nil},
		"no limits, no time":    {Validity{}, time.Time{}, nil},
		"before":                {both, day(2, 1).Add(-1), ErrNotYetValid},
		"first instant":         {both, day(2, 1), nil},
		"within":                {both, day(2, 15), nil},
		"last instant":          {both, day(3, 1).Add(-1), nil},
		"after":                 {both, day(3, 1), ErrExpired},
		"long after":            {both, day(3, 1).AddDate(5000, 0, 0), ErrExpired},
		"no time":               {both, time.Time{}, ErrNotYetValid},
		"open at the beginning": {Validity{NotAfter: day(3, 1)}, time.Time{}, nil},
		"open at the end":       {Validity{NotBefore: day(2, 1)}, day(2, 1).AddDate(9000, 0, 0), nil},
		"first instant elsewhere": {both, time.Date(2026, 2, 1, 5, 30, 0, 0, time.FixedZone("", 5*3600+1800)),
			nil},
		"before elsewhere": {both, time.Date(2026, 2, 1, 5, 29, 59, 0, time.FixedZone("", 5*3600+1800)), ErrNotYetValid},
		"after elsewhere":  {both, time.Date(2026, 2, 28, 19, 0, 0, 0, time.FixedZone("", -5*3600)), ErrExpired},
	} {
		if err := tt.v.Check(tt.now); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

// TestValidityText: the same instants give the same text in whatever time zone,
// and are read back.
func TestValidityText(t *testing.T) {
	t.Parallel()
	india := time.FixedZone("", 5*3600+1800)
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for name, tt := range map[string]struct {
		v    Validity
		want string
	}{
		"none":                {Validity{}, ""},
		"none elsewhere":      {Validity{time.Time{}.In(india), time.Time{}.In(time.Local)}, ""},
		"both":                {Validity{day(2, 1), day(3, 1)}, "    not-before = \"2026-02-01T00:00:00Z\"\n    not-after = \"2026-03-01T00:00:00Z\"\n"},
		"both elsewhere":      {Validity{day(2, 1).In(india), day(3, 1).In(india)}, "    not-before = \"2026-02-01T00:00:00Z\"\n    not-after = \"2026-03-01T00:00:00Z\"\n"},
		"one second":          {Validity{day(2, 1), day(2, 1).Add(time.Second)}, "    not-before = \"2026-02-01T00:00:00Z\"\n    not-after = \"2026-02-01T00:00:01Z\"\n"},
		"no beginning":        {Validity{NotAfter: day(3, 1)}, "    not-after = \"2026-03-01T00:00:00Z\"\n"},
		"beginning of nobody": {Validity{time.Time{}.In(india), day(3, 1)}, "    not-after = \"2026-03-01T00:00:00Z\"\n"},
		"no end":              {Validity{NotBefore: day(2, 1)}, "    not-before = \"2026-02-01T00:00:00Z\"\n"},
		"all times": {Validity{time.Time{}.Add(time.Second), last},
			"    not-before = \"0001-01-01T00:00:01Z\"\n    not-after = \"9999-12-31T23:59:59Z\"\n"},
	} {
		c := alice(t)
		c.Validity = tt.v
		if err := authority(t, "acme").Sign(c); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text := public(t, c)
		_, after, found := strings.Cut(text, "validity\n")
		if got, _, _ := strings.Cut(after, "authority\n"); got != tt.want || found != (tt.want != "") {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tt.want)
		}
		back, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !back.Validity.NotBefore.Equal(tt.v.NotBefore) || !back.Validity.NotAfter.Equal(tt.v.NotAfter) {
			t.Errorf("%s: read back as %v", name, back.Validity)
		}
		if err := back.verifySignature(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestValidityRefuses: what can't be written isn't.
func TestValidityRefuses(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]Validity{
		"fraction of a second": {NotBefore: day(1, 1).Add(1)},
		"fraction at the end":  {NotAfter: day(1, 1).Add(time.Second - 1)},
		"year 0":               {NotBefore: time.Time{}.Add(-time.Second)},
		"year 10000":           {NotAfter: time.Date(9999, 12, 31, 23, 59, 60, 0, time.UTC)},
		"year 10000 in UTC":    {NotAfter: time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -2*3600))},
		"no time between":      {day(1, 1), day(1, 1)},
		"the wrong way":        {day(1, 1), day(1, 1).Add(-time.Second)},
	} {
		c := alice(t)
		c.Validity = v
		for _, write := range []func([]byte) ([]byte, error){c.AppendPublic, c.AppendSecret, c.AppendCanonical} {
			if text, err := write(nil); !errors.Is(err, form.ErrProperty) || text != nil {
				t.Errorf("%s: got %v, want %v", name, err, form.ErrProperty)
			}
		}
		if err := c.lock([]byte("passphrase"), quick); !errors.Is(err, form.ErrProperty) || c.locked != nil || string(c.Secret.AppendZ85(nil)) != aliceSecret {
			t.Errorf("%s: locked: %v", name, err)
		}
	}
}
