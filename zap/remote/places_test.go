package remote

import (
	"context"
	"net"
	"testing"
)

// TestOrigins: if all places are taken, the right connection is closed for a new one. No
// origin displaces another.
func TestOrigins(t *testing.T) {
	t.Parallel()
	var open, other server
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1} }
	a, b := open.originOf(tcp("127.0.0.1"), ""), open.originOf(tcp("192.0.2.1"), "")
	for name, same := range map[string]bool{
		"another loopback address": open.originOf(tcp("127.9.9.9"), "") == a && open.originOf(tcp("::1"), "") == a,
		"another listener":         other.originOf(tcp("127.0.0.1"), "") != a,
		"another network":          b != a && open.originOf(tcp("192.0.2.2"), "") != b,
		"an IPv6 address":          open.originOf(tcp("2001:db8::1"), "") == open.originOf(tcp("2001:db8::2"), ""),
		"a user":                   open.originOf(tcp("127.0.0.1"), "alice") == open.originOf(tcp("192.0.2.1"), "alice") && open.originOf(tcp("127.0.0.1"), "alice") != a,
		"ipc":                      open.originOf(&net.UnixAddr{Name: "@"}, "") != a,
	} {
		if !same {
			t.Errorf("%s: the origins are wrong", name)
		}
	}
	for name, tt := range map[string]struct {
		most, few origin // connections of the largest origin are the oldest, except for one
		busy      bool   // connections of the largest origin have requests in progress
		from      origin // the origin of the new connection
		gone      error  // reason why the oldest connection of the largest origin is closed
	}{
		"idle":                     {a, b, false, other.originOf(tcp("127.0.0.1"), ""), errIdle},
		"idle, same origin":        {a, b, false, a, errIdle},
		"busy":                     {a, b, true, b, errMost},
		"busy, at other listeners": {a, b, true, other.originOf(tcp("127.0.0.1"), ""), errMost},
		"busy, same origin":        {a, b, true, a, nil},
	} {
		ps := places{held: map[*peer]bool{}}
		peerFrom := func(from origin, busy bool) *peer {
			p := &peer{origin: from, undecided: make(chan struct{}, 1)}
			p.ctx, p.end = context.WithCancelCause(t.Context())
			if busy {
				p.undecided <- struct{}{}
			}
			return p
		}
		idle := peerFrom(tt.few, false) // the oldest; it has never sent a request
		var most []*peer
		for range maxPeers - 1 {
			most = append(most, peerFrom(tt.most, tt.busy))
		}
		for _, p := range append([]*peer{idle}, most...) {
			if !ps.take(p) {
				t.Fatalf("%s: no place", name)
			}
		}
		if took := ps.take(peerFrom(tt.from, false)); took != (tt.gone != nil) {
			t.Errorf("%s: the new one has a place: %v", name, took)
		}
		if idle.ctx.Err() != nil || context.Cause(most[0].ctx) != tt.gone || most[1].ctx.Err() != nil || len(ps.held) != maxPeers {
			t.Errorf("%s: ended %v, %v, %v; %d places are held", name, context.Cause(idle.ctx), context.Cause(most[0].ctx), context.Cause(most[1].ctx), len(ps.held))
		}
	}
}
