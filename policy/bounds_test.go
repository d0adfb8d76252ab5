package policy

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// TestRemembered: a correct password isn't hashed again for a while. The number of
// remembered passwords is limited, and the memory contains no passwords.
func TestRemembered(t *testing.T) {
	t.Parallel()
	c, err := parse("policy", []byte("security\n    plain = 1\n        account\n            login = guest\n            password = hunter2\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlainRules(c.sections[0].plain)
	now := time.Now()
	ask := func(password string, now time.Time) zap.Status {
		return p.decide(t.Context(), &zap.Request{Credentials: [][]byte{[]byte("guest"), []byte(password)}}, now).Status
	}
	if ask("hunter2", now) != zap.StatusOK {
		t.Fatal("refused")
	}
	// From now on another password is correct, but the old one is remembered.
	*p.accounts["guest"].password, err = parsePassword(quickHash("hunter3"))
	ztest.Must(t, err)
	for _, tt := range []struct {
		password string
		after    time.Duration
		want     zap.Status
	}{
		{"hunter2", remembered - time.Second, zap.StatusOK},
		{"hunter2", remembered, zap.StatusRefused},
		{"hunter3", 0, zap.StatusOK},
	} {
		if got := ask(tt.password, now.Add(tt.after)); got != tt.want {
			t.Errorf("%s after %v: %d, want %d", tt.password, tt.after, got, tt.want)
		}
	}
	for i := range 2 * maxRemembered {
		p.cache.add(p.cache.sum([]byte("x"), binary.BigEndian.AppendUint32(nil, uint32(i))), now)
	}
	if n := len(p.cache.at); n > maxRemembered {
		t.Errorf("%d are remembered", n)
	}
	one, two := newCache(), newCache() // as in two processes
	if one.sum([]byte("a"), []byte("b")) == two.sum([]byte("a"), []byte("b")) {
		t.Error("two processes store the same hash of a password")
	}
}
