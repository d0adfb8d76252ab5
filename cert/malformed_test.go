package cert

import (
	"errors"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/form"
)

const (
	acmeKey   = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"
	signature = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ"
)

// malformed is a text, what is wrong with it, and where.
type malformed struct {
	name, text   string
	want         error
	line, column int
}

// check reads each text, which must fail.
func (tt malformed) check(t *testing.T, err error) {
	t.Helper()
	var place *SyntaxError
	if !errors.Is(err, tt.want) || !errors.As(err, &place) {
		t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
	} else if place.Line != tt.line || place.Column != tt.column {
		t.Errorf("%s: at %d:%d, want %d:%d: %v", tt.name, place.Line, place.Column, tt.line, tt.column, err)
	}
}

// TestMalformedSections: what a certificate can't have beside its keys.
func TestMalformedSections(t *testing.T) {
	t.Parallel()
	_, whole := locked(t, "passphrase")
	box := whole[strings.Index(whole, "    box = "):]
	box = box[:strings.Index(box, "\n")+1]
	const service = "service\n    server-key = \"" + alicePublic + "\"\n    endpoint = \"tcp://127.0.0.1:5555\"\n"
	const salt = "    salt = \"AAAAAAAAAAAAAAAAAAAAAA\"\n"
	const scheme = "    scheme = \"argon2id m=8 t=1 p=1\"\n"
	for _, tt := range []malformed{
		{"version", "certificate\n    version = \"2\"\n", errVersion, 2, 16},
		{"version of another kind", "certificate\n    version = 1.0\n    more\n", errVersion, 2, 15},
		{"unknown beside version", "certificate\n    version = 1\n    purpose = x\n", form.ErrProperty, 3, 5},
		{"version twice", "certificate\n    version = 1\n    version = 1\n", form.ErrProperty, 3, 5},
		{"within version", "certificate\n    version = 1\n        x\n", form.ErrProperty, 3, 9},
		{"value of a section", "certificate = 1\n    version = 1\n", form.ErrProperty, 1, 15},
		{"section twice", "validity\nvalidity\n", form.ErrSection, 2, 1},
		{"serial zero", "certificate\n    serial = 0\n", form.ErrProperty, 2, 14},
		{"serial with a sign", "certificate\n    serial = +1\n", form.ErrProperty, 2, 14},
		{"serial with zeros", "certificate\n    serial = 01\n", form.ErrProperty, 2, 14},
		{"serial too large", "certificate\n    serial = 18446744073709551616\n", form.ErrProperty, 2, 14},
		{"serial empty", "certificate\n    serial\n", form.ErrProperty, 2, 5},
		{"a public key", "certificate\n    public-keys = 1\n", form.ErrAmbiguous, 2, 5},
		{"a secret key", "validity\n    not-before = 2026-01-01T00:00:00Z\n        secret-key = x\n", form.ErrAmbiguous, 3, 9},
		{"time zone", "validity\n    not-before = 2026-01-01T00:00:00+00:00\n", form.ErrProperty, 2, 18},
		{"fraction", "validity\n    not-before = 2026-01-01T00:00:00.5Z\n", form.ErrProperty, 2, 18},
		{"no such day", "validity\n    not-before = 2026-02-30T00:00:00Z\n", form.ErrProperty, 2, 18},
		{"time of nothing", "validity\n    not-after = 0001-01-01T00:00:00Z\n", form.ErrProperty, 2, 17},
		{"date only", "validity\n    not-after = 2026-01-01\n", form.ErrProperty, 2, 17},
		{"never valid", "validity\n    not-before = 2026-01-02T00:00:00Z\n    not-after = 2026-01-01T00:00:00Z\n", form.ErrProperty, 1, 1},
		{"valid for nothing", "validity\n    not-before = 2026-01-01T00:00:00Z\n    not-after = 2026-01-01T00:00:00Z\n", form.ErrProperty, 1, 1},
		{"unknown in validity", "validity\n    until = 2026-01-01T00:00:00Z\n", form.ErrProperty, 2, 5},
		{"authority without signature", "authority\n    key = \"" + acmeKey + "\"\n", form.ErrProperty, 1, 1},
		{"signature without authority", "authority\n    signature = \"" + signature + "\"\n", form.ErrProperty, 1, 1},
		{"authority's key of another kind", "authority\n    key = \"" + alicePublic + "\"\n    signature = \"" + signature + "\"\n", errAuthorityKey, 2, 12},
		{"no authority", "authority\n    key = \"ed25519:" + strings.Repeat("A", 43) + "\"\n    signature = \"" + signature + "\"\n", errAuthorityKey, 2, 12},
		{"short signature", "authority\n    key = \"" + acmeKey + "\"\n    signature = \"" + signature[1:] + "\"\n", form.ErrProperty, 3, 18},
		{"signature with padding", "authority\n    key = \"" + acmeKey + "\"\n    signature = \"" + signature + "==\"\n", form.ErrProperty, 3, 18},
		{"signature with stray bits", "authority\n    key = \"" + acmeKey + "\"\n    signature = \"" + signature[1:] + "B\"\n", form.ErrProperty, 3, 18},
		{"unknown beside signature", "authority\n    key = \"" + acmeKey + "\"\n    signature = \"" + signature + "\"\n    note = x\n", form.ErrProperty, 4, 5},
		{"lock without box", "locked\n" + scheme + salt, form.ErrProperty, 1, 1},
		{"lock of another kind", "locked\n    scheme = \"scrypt\"\n" + salt + box, errScheme, 2, 15},
		{"lock that asks for too much", "locked\n    scheme = \"argon2id m=9999999 t=1 p=1\"\n" + salt + box, errLockLimit, 2, 15},
		{"short salt", "locked\n" + scheme + "    salt = \"AAAA\"\n" + box, form.ErrProperty, 3, 13},
		{"another salt", "locked\n" + scheme + salt + box, errDamaged, 4, 12},
		{"service in a public certificate", service, form.ErrProperty, 1, 1},
		{"service with a value", strings.Replace(service, "\n", " = x\n", 1), form.ErrProperty, 1, 11},
		{"service without a key", "service\n    endpoint = tcp://127.0.0.1:5555\n", form.ErrProperty, 1, 1},
		{"service without an endpoint", strings.SplitAfter(service, "    endpoint")[0][:strings.Index(service, "    endpoint")], form.ErrProperty, 1, 1},
		{"server key", "service\n    server-key = x\n", errKey, 2, 18},
		{"server key of low order", "service\n    server-key = " + strings.Repeat("0", 40) + "\n", curve.ErrPublicKey, 2, 18},
		{"server key twice", strings.Replace(service, "    endpoint", "    server-key = \""+alicePublic+"\"\n    endpoint", 1), form.ErrProperty, 3, 5},
		{"endpoint of no transport", "service\n    endpoint = service:5555\n", form.ErrProperty, 2, 16},
		{"endpoint to listen on", "service\n    endpoint = \"tcp://*:5555\"\n", form.ErrProperty, 2, 17},
		{"quote in an endpoint", "service\n    endpoint = 'ipc://a\"b'\n", form.ErrProperty, 2, 17},
		{"unknown in service", service + "    domain = x\n", form.ErrProperty, 4, 5},
		{"within an endpoint", service + "        timeout = 1\n", form.ErrProperty, 4, 9},
		{"service twice", service + service, form.ErrSection, 4, 1},
		{"lock twice", "locked\n" + scheme + salt + box + "locked\n", form.ErrSection, 5, 1},
	} {
		c, err := Parse([]byte(tt.text + publicText("")))
		if c != nil {
			t.Errorf("%s: %+v", tt.name, c)
		}
		tt.check(t, err)
	}
	both := strings.Replace(whole, alicePublic+"\"\n", alicePublic+"\"\n    secret-key = \""+aliceSecret+"\"\n", 1)
	_, err := Parse([]byte(both))
	malformed{"unlocked and locked", "", form.ErrProperty, 11, 5}.check(t, err)
}

func TestMalformedAuthority(t *testing.T) {
	t.Parallel()
	a := authority(t, "acme")
	_, lockedText := lockedAuthority(t, "passphrase")
	key := "authority\n    key = \"" + a.Key.String() + "\"\n"
	for _, tt := range []malformed{
		{"nothing", "", errNoAuthority, 1, 1},
		{"no key", "authority\n    seed = x\n", errNoAuthority, 1, 1},
		{"a certificate", publicText(""), ErrKind, 2, 1},
		{"a signed certificate", "authority\n    key = x\ncurve\n", ErrKind, 3, 1},
		{"key", "authority\n    key = ed25519:x\n", errAuthorityKey, 2, 11},
		{"a signature", key + "    signature = x\n", form.ErrProperty, 3, 5},
		{"short seed", key + "    seed = AAAA\n", form.ErrProperty, 3, 12},
		{"seed of another", key + "    seed = " + strings.Repeat("A", 43) + "\n", errSeed, 3, 12},
		{"unknown section", key + "more\n", form.ErrProperty, 3, 1},
		{"twice", key + key, form.ErrSection, 3, 1},
		{"version", "certificate\n    version = 2\n" + key, errVersion, 2, 15},
		{"serial", "certificate\n    version = 1\n    serial = 7\n" + key, form.ErrProperty, 3, 5},
		{"metadata", key + "metadata\n    secret-key = x\n", form.ErrAmbiguous, 4, 5},
		{"value of metadata beside what is locked", "metadata = x\n" + lockedText[strings.Index(lockedText, "    name"):], form.ErrProperty, 1, 12},
	} {
		got, err := ParseAuthority([]byte(tt.text))
		if got != nil {
			t.Errorf("%s: %+v", tt.name, got)
		}
		tt.check(t, err)
	}
}

func TestMalformedRevocations(t *testing.T) {
	t.Parallel()
	const times = "revocations\n    issued = 2026-01-01T00:00:00Z\n    expires = 2026-02-01T00:00:00Z\n"
	const by = "authority\n    key = \"" + acmeKey + "\"\n    signature = \"" + signature + "\"\n"
	const at = "        time = 2026-01-01T00:00:00Z\n"
	for _, tt := range []malformed{
		{"nothing", "", errNoRevocations, 1, 1},
		{"a certificate", publicText(""), errNoRevocations, 1, 1},
		{"unsigned", times, errUnsigned, 1, 1},
		{"no times", "revocations\n" + by, form.ErrProperty, 1, 1},
		{"no expiry", "revocations\n    issued = 2026-01-01T00:00:00Z\n" + by, form.ErrProperty, 1, 1},
		{"expired when issued", "revocations\n    issued = 2026-01-01T00:00:00Z\n    expires = 2026-01-01T00:00:00Z\n" + by, form.ErrProperty, 1, 1},
		{"unknown", times + "    name = x\n" + by, form.ErrProperty, 4, 5},
		{"issued twice", times + "    issued = 2026-01-01T00:00:00Z\n" + by, form.ErrProperty, 4, 5},
		{"key", times + "    key = x\n" + at + by, errKey, 4, 11},
		{"all-zero key", times + "    key = " + strings.Repeat("0", 40) + "\n" + at + by, curve.ErrPublicKey, 4, 11},
		{"serial", times + "    serial = 0\n" + at + by, form.ErrProperty, 4, 14},
		{"no time", times + "    serial = 1\n" + by, form.ErrProperty, 4, 5},
		{"time", times + "    serial = 1\n        time = yesterday\n" + by, form.ErrProperty, 5, 16},
		{"twice", times + "    serial = 1\n" + at + "    serial = 1\n" + at + by, form.ErrProperty, 6, 5},
		{"reason", times + "    serial = 1\n" + at + "        reason = it's \"both\"\n" + by, form.ErrProperty, 4, 5},
		{"unknown of one", times + "    serial = 1\n" + at + "        by = me\n" + by, form.ErrProperty, 6, 9},
		{"empty reason", times + "    serial = 1\n" + at + "        reason\n" + by, form.ErrProperty, 6, 9},
		{"quotes within quotes", times + "    serial = 1\n" + at + "        reason = \"say \"hi\"\"\n" + by, form.ErrProperty, 6, 19},
		{"value of the section", strings.Replace(times, "\n", " = x\n", 1) + by, form.ErrProperty, 1, 15},
		{"serial of the list", times + by + "certificate\n    serial = 7\n", form.ErrProperty, 8, 5},
		{"unknown section", times + by + "metadata\n", form.ErrProperty, 7, 1},
		{"section twice", times + by + by, form.ErrSection, 7, 1},
		{"version", "certificate\n    version = 2\n" + times + by, errVersion, 2, 15},
	} {
		got, err := ParseRevocations([]byte(tt.text))
		if got != nil {
			t.Errorf("%s: %+v", tt.name, got)
		}
		tt.check(t, err)
	}
}
