package zmtp_test

import (
	"testing"

	"github.com/zcurve/zcurve/zap"
)

// TestBinding checks that both ends of a CURVE connection have the same channel binding, that
// no other connection of the same keys has it, and that without CURVE it is zero.
func TestBinding(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{zap.Null, zap.Plain} {
		client, server := configs(mechanism, "DEALER", "ROUTER")
		c, s := connect(t, client, server)
		if c.User().Binding != [32]byte{} || s.User().Binding != [32]byte{} {
			t.Errorf("%s has a binding", mechanism)
		}
	}
	client, server := configs(zap.Curve, "DEALER", "ROUTER")
	seen := map[[32]byte]bool{{}: true}
	for range 3 {
		c, s := connect(t, client, server)
		binding := c.User().Binding
		if s.User().Binding != binding {
			t.Error("the ends have different bindings")
		}
		if seen[binding] {
			t.Error("zero, or the binding of another connection")
		}
		seen[binding] = true
	}
}

// TestBindingOfBox compares the binding with that of another implementation.
func TestBindingOfBox(t *testing.T) {
	t.Parallel()
	p, s := connectBox(t, "pipe")
	if s.User().Binding != p.binding {
		t.Errorf("got %x, want %x", s.User().Binding, p.binding)
	}
}
