package sasl

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/zcurve/zcurve/zap"
)

// TestStripped: SCRAM and CURVE detect a changed offer.
func TestStripped(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		client   []string // nil: all that it can use
		offer    []string
		change   func(offer []string) []string
		chosen   string
		detected bool
	}{
		{"nothing", nil, strongest, slices.Clone[[]string], ScramSHA256Plus, false},
		{"-PLUS, to CURVE", nil, strongest, drop(ScramSHA256Plus), Curve, true},
		{"-PLUS, to SCRAM", nil, []string{ScramSHA256Plus, ScramSHA256}, drop(ScramSHA256Plus), ScramSHA256, true},
		{"-PLUS and CURVE, to SCRAM", []string{ScramSHA256Plus, Curve, ScramSHA256}, strongest, drop(ScramSHA256Plus, Curve), ScramSHA256, true},
		{"CURVE, to SCRAM", []string{Curve, ScramSHA256}, []string{Curve, ScramSHA256}, drop(Curve), ScramSHA256, true},
		{"EXTERNAL, to SCRAM", []string{External, ScramSHA256}, []string{External, ScramSHA256}, drop(External), ScramSHA256, true},
		{"weaker ones, with SCRAM", nil, []string{ScramSHA256, Plain}, drop(Plain), ScramSHA256, true},
		{"weaker ones, with -PLUS", nil, strongest, drop(Plain, Anonymous), ScramSHA256Plus, true},
		{"weaker ones, with CURVE", []string{Curve}, strongest, drop(Plain), Curve, true},
		{"one added, with SCRAM", nil, []string{ScramSHA256}, add("DIGEST-MD5"), ScramSHA256, true},
		{"one added, with -PLUS", nil, []string{ScramSHA256Plus}, add(Plain), ScramSHA256Plus, true},
		{"one added, with CURVE", nil, []string{Curve}, add("NTLM"), Curve, true},
		{"order, with CURVE", nil, []string{Curve, Plain}, reversed, Curve, true},
		{"order, with SCRAM", nil, []string{ScramSHA256, Plain}, reversed, ScramSHA256, false},
		{"all that notice, to PLAIN", nil, []string{Curve, ScramSHA256, Plain}, drop(Curve, ScramSHA256), Plain, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, c := newTestServer(t, new(gate), test.offer...), newTestClient(t, test.client...)
			chosen := ""
			w := &wire{
				toClient: func(command *Command) {
					if command.Kind == ORLY && chosen == "" {
						command.Mechanisms = test.change(command.Mechanisms)
					}
				},
				toServer: func(command *Command) {
					if command.Kind == YARLY {
						chosen = command.Mechanisms[0]
					}
				},
			}
			w.run(t, c, s)
			if chosen != test.chosen {
				t.Errorf("the client chooses %q", chosen)
			}
			if detected := errors.Is(w.client, ErrTampered) || errors.Is(w.server, ErrTampered); detected != test.detected {
				t.Errorf("client: %v, server: %v", w.client, w.server)
			}
			if _, ok := s.User(); ok == test.detected || c.Done() == test.detected {
				t.Errorf("admitted: %v, done: %v", ok, c.Done())
			}
		})
	}
}

func drop(names ...string) func([]string) []string {
	return func(offer []string) []string {
		return slices.DeleteFunc(slices.Clone(offer), func(name string) bool { return slices.Contains(names, name) })
	}
}

func add(name string) func([]string) []string {
	return func(offer []string) []string { return append(slices.Clone(offer), name) }
}

func reversed(offer []string) []string {
	offer = slices.Clone(offer)
	slices.Reverse(offer)
	return offer
}

// TestStrippedHash: someone who strips the offer can neither remove nor replace the server's hash
// of it, nor change what the client says about channel bindings.
func TestStrippedHash(t *testing.T) {
	t.Parallel()
	offer := []string{ScramSHA256Plus, ScramSHA256, Plain}
	hash := []byte(",h=" + offerHash(offer))
	for name, test := range map[string]struct {
		stripped []string
		replace  [][2][]byte // in the commands of either side
		want     error       // of the server
	}{
		"hash removed":             {[]string{ScramSHA256, ScramSHA256Plus}, [][2][]byte{{hash, nil}}, nil},
		"hash replaced":            {[]string{ScramSHA256, ScramSHA256Plus}, [][2][]byte{{hash, []byte(",h=" + offerHash([]string{ScramSHA256, ScramSHA256Plus}))}}, nil},
		"flag":                     {[]string{ScramSHA256}, nil, ErrTampered},
		"flag replaced, hash too":  {[]string{ScramSHA256}, [][2][]byte{{[]byte("y,,"), []byte("n,,")}, {hash, []byte(",h=" + offerHash([]string{ScramSHA256}))}}, ErrTampered},
		"flag replaced everywhere": {[]string{ScramSHA256}, [][2][]byte{{[]byte("y,,"), []byte("n,,")}, {[]byte("c=eSws"), []byte("c=biws")}, {hash, nil}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := new(gate)
			s, c := newTestServer(t, g, offer...), newTestClient(t, ScramSHA256)
			change := func(command *Command) {
				if len(command.Mechanisms) > 1 {
					command.Mechanisms = test.stripped
				}
				for _, r := range test.replace {
					if i := bytes.Index(command.Data, r[0]); i >= 0 {
						command.Data = slices.Concat(command.Data[:i], r[1], command.Data[i+len(r[0]):])
					}
				}
			}
			w := &wire{toServer: change, toClient: change}
			w.run(t, c, s)
			if _, ok := s.User(); ok || c.Done() || g.admitted > 0 {
				t.Errorf("admitted: %v, done: %v", ok, c.Done())
			}
			if test.want != nil {
				checkError(t, "server", w.server, test.want)
			} else {
				checkRefused(t, w.server, ScramSHA256, zap.StatusRefused)
			}
		})
	}
}
