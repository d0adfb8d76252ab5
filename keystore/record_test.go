package keystore

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
)

var recordTime = time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC)

// recordText returns a record with all properties.
func recordText(t testing.TB, key curve.PublicKey) (*RevokedKey, string) {
	t.Helper()
	r := &RevokedKey{Time: recordTime, Reason: "laptop # stolen", Name: "alice", Groups: []string{"fx", "fx/desk"},
		Lifted: recordTime.Add(time.Hour), LiftedReason: "found", Certificate: strings.Repeat("any text, \x00 too\n", 4000)}
	text, err := appendRecord(nil, key, r)
	ztest.Must(t, err)
	return r, string(text)
}

// TestRecord: a record is read as it was written, even the longest possible one.
func TestRecord(t *testing.T) {
	t.Parallel()
	key := curve.GenerateKey().Public()
	want, text := recordText(t, key)
	if got, err := parseRecord(key, []byte(text)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	largest := &RevokedKey{Time: recordTime, Reason: strings.Repeat("x", maxReason), Name: strings.Repeat("x", 255), Certificate: strings.Repeat("x", maxCertificate)}
	long, err := appendRecord(nil, key, largest)
	if _, parseErr := parseRecord(key, long); err != nil || parseErr != nil || len(long) > maxRecord {
		t.Errorf("%d bytes: %v, %v", len(long), err, parseErr)
	}
	if _, err := cert.Parse([]byte(text)); err == nil {
		t.Error("a record is read as a certificate")
	}
}

// TestMalformedRecord: an invalid record is an error.
func TestMalformedRecord(t *testing.T) {
	t.Parallel()
	key := curve.GenerateKey().Public()
	_, good := recordText(t, key)
	replace := func(old, new string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in:\n%.600s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	other := curve.GenerateKey().Public().String()
	for name, text := range map[string]string{
		"empty":            "",
		"cut in the key":   good[:strings.Index(good, key.String())+5],
		"no section":       strings.ReplaceAll(good, "    ", ""),
		"another section":  good + "more\n    key = x\n",
		"value":            replace("revoked\n", "revoked = 1\n"),
		"another name":     replace("revoked\n", "Revoked\n"),
		"another key":      replace(key.String(), other),
		"key twice":        good + "    key = \"" + key.String() + "\"\n",
		"lifted twice":     good + "    lifted = \"2026-01-31T23:59:59Z\"\n",
		"time":             replace("2026-01-31T23:59:59Z", "yesterday"),
		"lifted":           replace("2026-02-01T00:59:59Z", "2026-02-01"),
		"unknown property": good + "    active = 1\n",
		"nested":           good + "        more = 1\n",
		"NUL":              good + "\x00",
		"a certificate":    "metadata\n    name = \"alice\"\ncurve\n    public-key = \"" + key.String() + "\"\n",
	} {
		if _, err := parseRecord(key, []byte(text)); !errors.Is(err, errRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParseRecord: every text is a record or an error. A record that is written again has
// the same effect.
func FuzzParseRecord(f *testing.F) {
	var key curve.PublicKey
	copy(key[:], "0123456789abcdef0123456789abcdef")
	_, text := recordText(f, key)
	f.Add([]byte(text))
	f.Add([]byte("revoked\n    key = \"" + key.String() + "\"\n    time = \"2026-01-31T23:59:59Z\"\n"))
	f.Add([]byte("revoked\n    key = x\n    lifted = \"2026-01-31T23:59:59Z\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRecord(key, text)
		if err != nil {
			if !errors.Is(err, errRecord) {
				t.Fatal(err)
			}
			return
		}
		again, err := appendRecord(nil, key, r)
		if err != nil {
			return // for example, a reason that this package wouldn't write
		}
		back, err := parseRecord(key, again)
		if err != nil || back.InForce() != r.InForce() || !back.Time.Equal(r.Time) || back.Certificate != r.Certificate {
			t.Fatalf("%v\n%+v\n%+v", err, r, back)
		}
	})
}
