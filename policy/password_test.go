package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// bcryptOf returns a hash that is quick to check.
func bcryptOf(t testing.TB, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	ztest.Must(t, err)
	return string(hash)
}

// argon2Of is an Argon2id hash of pässword that is quick to check.
const argon2Of = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$ybEN4716GDXeL9vt6isrDRxvfOA2BoWMJMwc34k3rz0"

// TestHashPassword: the hash has the second recommended parameters of RFC 9106, and
// admits the password.
func TestHashPassword(t *testing.T) {
	t.Parallel()
	hash := policy.HashPassword([]byte("hunter2"))
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Errorf("the hash is %s", hash)
	}
	p, _ := load(t, t.TempDir(), fmt.Sprintf("security\n    plain = 1\n        account\n            login = a\n            password = %q\n", hash))
	check(t, p, ask("", "", zap.Plain, "a", "hunter2"), decision{"OK", "a", 3})
}

// TestPlain: passwords in each form are admitted, and the known ways around them fail.
func TestPlain(t *testing.T) {
	t.Parallel()
	p, log := load(t, t.TempDir(), fmt.Sprintf(`security
    plain = 1
        account
            login = argon
            password = "%s"
            group = admins
        account
            login = bcrypt
            password = "%s"
        account
            login = clear
            password = "it's # me"
`, argon2Of, bcryptOf(t, "hunter2")))
	if log.Count("level=WARN", "policy.zpl:12", "unhashed password", "zauth hash") != 1 || strings.Contains(log.String(), "it's") {
		t.Errorf("log:\n%s", log)
	}
	wrong := decision{"wrong user name or password", "", 2}
	for range 2 { // the second time, the password is remembered
		for _, tt := range []struct {
			login, password string
			want            decision
		}{
			{"argon", "pässword", decision{"OK", "argon", 3}},
			{"bcrypt", "hunter2", decision{"OK", "bcrypt", 7}},
			{"clear", "it's # me", decision{"OK", "clear", 10}},
			{"argon", "password", wrong},
			{"argon", "", wrong},
			{"bcrypt", "hunter22", wrong},
			{"clear", "it's # m", wrong},
			{"clear", "", wrong},
			{"unknown", "", wrong}, // which pebbe/zmq4 admits
			{"unknown", "hunter2", wrong},
			{"", "", wrong},
			{"ARGON", "pässword", wrong},
			{"argon\x00", "pässword", wrong},
			{"argonp", "ässword", wrong}, // the same bytes, split at another point
		} {
			check(t, p, ask("", "192.0.2.1", zap.Plain, tt.login, tt.password), tt.want)
		}
	}
	reply := p.Handle(t.Context(), ask("", "", zap.Plain, "argon", "pässword"))
	if diff := cmp.Diff(zap.Metadata{{Name: "group", Value: "admins"}}, reply.Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	for _, credentials := range [][]string{nil, {"clear"}, {"clear", "it's # me", ""}} {
		check(t, p, ask("", "", zap.Plain, credentials...), decision{"expected a user name and a password", "", 1})
	}
}

// TestFailures: an address that fails too often is refused without hashing.
func TestFailures(t *testing.T) {
	t.Parallel()
	p, _ := load(t, t.TempDir(), fmt.Sprintf(`security
    failures = 5
    plain = 1
        account
            login = guest
            password = "%s"
`, bcryptOf(t, "guest")))
	good, bad := ask("", "192.0.2.1", zap.Plain, "guest", "guest"), ask("", "192.0.2.1", zap.Plain, "guest", "x")
	for range 5 {
		check(t, p, good, decision{"OK", "guest", 4})
		check(t, p, bad, decision{"wrong user name or password", "", 3})
	}
	limited := decision{"too many failures from this address", "", 1}
	check(t, p, bad, limited)
	check(t, p, good, limited)
	other := *good
	other.Address = "192.0.2.2"
	check(t, p, &other, decision{"OK", "guest", 4})
}
