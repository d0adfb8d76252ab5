package sasl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// TestPrintsNoPassword: no part of an exchange prints a password.
func TestPrintsNoPassword(t *testing.T) {
	t.Parallel()
	message := yarly(t, Plain, []byte("\x00alice\x00wonderland"))
	c, err := FILEMQ.Parse(message)
	ztest.Must(t, err)
	if text := fmt.Sprintf("%v %+v %#v %s %q %x", c, c, c, &c, &c, c); strings.Contains(text, testPassword) || strings.Contains(text, "776f6e6465726c616e64") {
		t.Errorf("a command prints as %s", text)
	}
	for _, name := range []string{Plain, ScramSHA256} {
		s, client := newTestServer(t, new(gate)), newTestClient(t, name)
		s.cfg.Curve = must(curve.NewServer(testServer)) // printing reads what other tests change
		w := &wire{toServer: func(*Command) { ztest.CheckHidden(t, client, testPassword); ztest.CheckHidden(t, s, testPassword) }}
		w.run(t, client, s)
	}
	for _, message := range [][][]byte{message, yarly(t, Plain, []byte("wonderland\x00wonderland")), yarly(t, ScramSHA256, []byte("n,,n=wonderland"))} {
		s := newTestServer(t, &gate{refuse: func(*zap.Request) bool { return true }})
		ohai(t, s)
		if _, err := send(t, s, message); err == nil || strings.Contains(err.Error(), testPassword) {
			t.Errorf("%v", err)
		}
	}
}
