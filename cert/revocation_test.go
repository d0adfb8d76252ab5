package cert

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/ztest"
)

// TestRevocations: a list is read as it was written, whatever its order.
func TestRevocations(t *testing.T) {
	t.Parallel()
	a := authority(t, "acme")
	l := revocations(t, a)
	path := filepath.Join(t.TempDir(), "acme.revoked")
	if err := l.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := LoadRevocations(path)
	if err != nil || len(got.Warnings) > 0 {
		t.Fatal(got, err)
	}
	if got.Issued != day(3, 1) || got.Expires != day(4, 1) || got.Authority != a.Key || got.Len() != 2 ||
		!slices.Equal(slices.Collect(got.All()), slices.Collect(l.All())) {
		t.Errorf("got %+v", got)
	}
	if r, ok := got.Find(alice(t)); !ok || r.Reason != "laptop stolen" || r.Time != day(2, 1) {
		t.Errorf("alice: %+v, %v", r, ok)
	}
	// The same in another order has the same signature.
	text, err := l.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	serial := slices.IndexFunc(lines, func(s string) bool { return strings.Contains(s, "serial") })
	key := slices.IndexFunc(lines, func(s string) bool { return strings.Contains(s, "    key = \"Yne") })
	swapped := slices.Concat(lines[:key], lines[serial:serial+2], lines[key:serial], lines[serial+2:])
	if _, err := ParseRevocations([]byte(strings.Join(swapped, ""))); err != nil {
		t.Errorf("in another order: %v", err)
	}
	if added, err := l.Revoke(Revocation{Serial: 7, Time: day(5, 5)}); added || err != nil {
		t.Errorf("revoked twice: %v, %v", added, err)
	}
	if _, err := new(RevocationList).Append(nil); !errors.Is(err, errUnsigned) {
		t.Errorf("unsigned: %v", err)
	}
}

// TestExpiredListTells says since when a list has expired.
func TestExpiredListTells(t *testing.T) {
	t.Parallel()
	l := revocations(t, authority(t, "acme"))
	if got, want := fmt.Sprint(l.Check(&Certificate{Authority: l.Authority}, day(4, 1))), "cert: revocation list expired on 2026-04-01T00:00:00Z"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestRevokeRefuses: what can't be written can't be revoked, nor signed.
func TestRevokeRefuses(t *testing.T) {
	t.Parallel()
	key := alice(t).Public
	for name, r := range map[string]Revocation{
		"nothing":  {Time: day(1, 1)},
		"both":     {Key: key, Serial: 1, Time: day(1, 1)},
		"no time":  {Key: key},
		"fraction": {Key: key, Time: day(1, 1).Add(1)},
		"far time": {Key: key, Time: day(1, 1).AddDate(10_000, 0, 0)},
		"quotes":   {Key: key, Time: day(1, 1), Reason: `it's "both"`},
		"lines":    {Key: key, Time: day(1, 1), Reason: "a\nb"},
		"bytes":    {Key: key, Time: day(1, 1), Reason: "\xff"},
	} {
		l := new(RevocationList)
		if added, err := l.Revoke(r); added || !errors.Is(err, form.ErrProperty) || l.Len() != 0 {
			t.Errorf("%s: %v, %v", name, added, err)
		}
	}
	a := authority(t, "acme")
	for name, times := range map[string][2]time.Time{
		"no times":      {},
		"the wrong way": {day(2, 1), day(1, 1)},
		"at once":       {day(1, 1), day(1, 1)},
		"fraction":      {day(1, 1), day(2, 1).Add(1)},
		"never expires": {day(1, 1), {}},
	} {
		l := new(RevocationList)
		if err := a.SignRevocations(l, times[0], times[1]); !errors.Is(err, form.ErrProperty) || !l.Issued.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLargeRevocationsUnraced: a list as long as one can be is read and written; a
// longer one is refused.
func TestLargeRevocationsUnraced(t *testing.T) {
	t.Parallel()
	ztest.Unraced(t)
	if testing.Short() {
		t.Skip("writes 16 MiB")
	}
	a := authority(t, "acme")
	l := new(RevocationList)
	fill := func(n int) {
		for i := l.Len(); i < n; i++ {
			key := curve.PublicKey{byte(i), byte(i >> 8), byte(i >> 16), 9}
			if _, err := l.Revoke(Revocation{Key: key, Time: day(1, 1)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(150_000)
	if err := a.SignRevocations(l, day(1, 1), day(2, 1)); err != nil {
		t.Fatal(err)
	}
	text, err := l.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseRevocations(text)
	if err != nil || got.Len() != l.Len() {
		t.Fatal(got.Len(), err)
	}
	fill(200_000)
	if err := a.SignRevocations(l, day(1, 1), day(2, 1)); !errors.Is(err, form.ErrTooLarge) {
		t.Errorf("%d revocations: %v", l.Len(), err)
	}
}
