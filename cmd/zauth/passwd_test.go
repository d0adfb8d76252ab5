package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/zpl"
)

// TestParsePasswords: lines are read as czmq reads them. A line that czmq would ignore or
// misread is an error with its number.
func TestParsePasswords(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	for text, want := range map[string]string{
		"a=b\n":                               "a=b",
		"a=b":                                 "a=b",
		"\ufeffa=b\r\n\r\n#c=d\nZoë= p=q #\n": "a=b|Zoë= p=q #",
		"":                                    "!no NAME=PASSWORD lines",
		"# only\n":                            "!no NAME=PASSWORD lines",
		"a=b\nsecret\n":                       "!line 2: expected NAME=PASSWORD",
		"=secret\n":                           "!line 1: missing name before =",
		"a=\n":                                "!line 1: user \"a\": empty password",
		"a=secret\nb=c\na=d\n":                "!line 3: duplicate user \"a\"",
		"a =secret\n":                         "!line 1: name \"a \": remove the spaces",
		" a=secret\n":                         "!line 1: name \" a\": remove the spaces",
		"a\x00=secret\n":                      "!line 1: name \"a\\x00\": not allowed in a policy",
		"a\xff=secret\n":                      "!line 1: name \"a\\xff\": not allowed in a policy",
		"\"a'=secret\n":                       "!line 1: name \"\\\"a'\": not allowed in a policy",
		long + "=secret\n":                    "!line 1: name longer than 255 bytes",
		"a=" + long + "\n":                    "!line 1: user \"a\": password longer than 255",
		"a=$argon2id$v=19$secret\n":           "!line 1: the password of \"a\" is already a hash",
		"a=SCRAM-SHA-256$secret\n":            "!line 1: the password of \"a\" is already a hash",
		"a=$2y$10$" + long[:53] + "\n":        "!line 1: the password of \"a\" is already a hash",
		"a=$2 bills\n":                        "a=$2 bills",
	} {
		users, err := parsePasswords([]byte(text))
		var all []string
		for _, u := range users {
			all = append(all, u.name+"="+string(u.password))
		}
		got := strings.Join(all, "|")
		if err != nil {
			got = "!" + err.Error()
			if strings.Contains(got, "secret") || strings.Contains(got, long) {
				t.Errorf("%q: the error contains a password: %s", text, got)
			}
		}
		if got != want && !(strings.HasPrefix(want, "!") && strings.HasPrefix(got, want)) {
			t.Errorf("%q (-want +got):\n%s", text, cmp.Diff(want, got))
		}
	}
	var many []byte
	for i := range maxUsers + 1 {
		many = fmt.Appendf(many, "user-%d=x\n", i)
	}
	if _, err := parsePasswords(many); err == nil || err.Error() != "more than 10000 users" {
		t.Errorf("too many: %v", err)
	}
}

// FuzzPasswords: a policy can hold every account that is read from a password file.
func FuzzPasswords(f *testing.F) {
	for _, seed := range []string{"a=b\n", "\ufeffa=b\r\n# c\n\nd==\n", "a", "=", "a=\n", "'\"=x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		users, err := parsePasswords(text)
		if err != nil {
			return
		}
		for _, u := range users {
			if zpl.CheckValue(u.name) != nil || u.name == "" || len(u.password) == 0 || len(u.password) > maxPassword || !bytes.Contains(text, u.password) {
				t.Errorf("%q: %+v", text, u)
			}
		}
	})
}
