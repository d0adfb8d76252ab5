package monitor_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/monitor"
)

// TestFind: a client is found by its whole key or its whole fingerprint, and by nothing else.
func TestFind(t *testing.T) {
	t.Parallel()
	m := newScripted(monitor.Options{})
	m.decide(t, byKey(1, "192.0.2.1"), admitted("alice"))
	m.decide(t, byKey(2, "192.0.2.1"), refused("unknown key"))
	m.decide(t, byLogin("alice", "192.0.2.1"), admitted("alice"))
	for n := 1; n <= 3; n++ {
		key, fingerprint, groups := keyOf(n).String(), keyOf(n).Fingerprint(), keyOf(n).FingerprintGroups()
		digits := strings.Join(groups[:], " ")
		var numbered strings.Builder
		for i, g := range groups {
			fmt.Fprintf(&numbered, "%2d: %s\n", i+1, g)
		}
		for _, text := range []string{key, fingerprint, digits, numbered.String(), " " + fingerprint + "\n"} {
			found, ok := m.Find(text)
			wantEqual(t, fmt.Sprintf("found by %q", text), ok, n <= 2)
			wantEqual(t, "key", found.Key, map[bool]string{true: key}[ok])
		}
		for _, text := range []string{"", " ", "alice", key[:39], key + "0", fingerprint[:49], fingerprint[:20], strings.TrimPrefix(fingerprint, "SHA256:"),
			strings.ToLower(fingerprint), fingerprint + "=", groups[0], digits[:len(digits)-6], digits + " 00000", "1: 2: 3:", strings.Repeat(" ", 1000) + key} {
			if found, ok := m.Find(text); ok {
				t.Errorf("%q finds %v", text, found)
			}
		}
	}
}

// FuzzFind: only whole keys and fingerprints find a client.
func FuzzFind(f *testing.F) {
	m := newScripted(monitor.Options{})
	m.handler.reply = refused("unknown key")
	m.HandleAtOnce(byKey(1, "192.0.2.1"))
	key, fingerprint, groups := keyOf(1).String(), keyOf(1).Fingerprint(), keyOf(1).FingerprintGroups()
	digits := strings.Join(groups[:], "")
	f.Add(key)
	f.Add(fingerprint)
	f.Add(digits)
	f.Add(strings.Join(groups[:], " "))
	f.Add("1: " + strings.Join(groups[:], " 1:\n"))
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := m.Find(text); !ok {
			return
		}
		for _, whole := range []string{key, fingerprint, groups[0], groups[15]} {
			if strings.Contains(text, whole) {
				return
			}
		}
		t.Errorf("%q finds a client", text)
	})
}
