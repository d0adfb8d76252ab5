package sasl

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// mechanisms returns n names of mechanisms.
func mechanisms(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("X-%d", i))
	}
	return names
}

// commands are valid commands of all kinds, at their limits too.
func commands() []Command {
	return []Command{
		{Kind: OHAI},
		{Kind: ORLY, Mechanisms: []string{Anonymous, Plain, ScramSHA256, ScramSHA256Plus, External, Curve}},
		{Kind: ORLY, Mechanisms: []string{ScramSHA256}, Data: []byte("r=…,s=…,i=4096")},
		{Kind: ORLY, Mechanisms: mechanisms(maxMechanisms), Data: make([]byte, maxData)},
		{Kind: YARLY, Mechanisms: []string{Anonymous}},
		{Kind: YARLY, Mechanisms: []string{Plain}, Data: []byte("\x00guest\x00guest")},
		{Kind: YARLY, Mechanisms: []string{strings.Repeat("A", maxName)}, Data: make([]byte, maxData)},
		{Kind: YARLY, Mechanisms: []string{"A"}, Data: []byte{0}},
		{Kind: OHAIOK},
		{Kind: SRSLY, Reason: "400 refused"},
		{Kind: SRSLY, Reason: "4" + strings.Repeat("~", maxReason-1)},
		{Kind: RTFM},
		{Kind: RTFM, Reason: "unexpected command"},
		{Kind: RTFM, Reason: strings.Repeat(" ", maxReason)},
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for _, c := range commands() {
		if err := c.check(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, tt := range []struct {
		c    Command
		want error
	}{
		{Command{}, errKind},
		{Command{Kind: RTFM + 1}, errKind},
		{Command{Kind: ORLY}, errMechanisms},
		{Command{Kind: ORLY, Mechanisms: mechanisms(maxMechanisms + 1)}, errMechanisms},
		{Command{Kind: YARLY}, errMechanisms},
		{Command{Kind: YARLY, Mechanisms: mechanisms(2)}, errMechanisms},
		{Command{Kind: OHAI, Mechanisms: mechanisms(1)}, errMechanisms},
		{Command{Kind: OHAIOK, Mechanisms: mechanisms(1)}, errMechanisms},
		{Command{Kind: SRSLY, Mechanisms: mechanisms(1)}, errMechanisms},
		{Command{Kind: RTFM, Mechanisms: mechanisms(1)}, errMechanisms},
		{Command{Kind: ORLY, Mechanisms: []string{"A", "B", "A"}}, errDuplicate},
		{Command{Kind: YARLY, Mechanisms: []string{""}}, errName},
		{Command{Kind: YARLY, Mechanisms: []string{strings.Repeat("A", maxName+1)}}, errName},
		{Command{Kind: YARLY, Mechanisms: []string{"plain"}}, errName},
		{Command{Kind: YARLY, Mechanisms: []string{"PLAIN "}}, errName},
		{Command{Kind: YARLY, Mechanisms: []string{"PLAIN\x00"}}, errName},
		{Command{Kind: YARLY, Mechanisms: []string{"PLÄIN"}}, errName},
		{Command{Kind: YARLY, Mechanisms: []string{"A.B"}}, errName},
		{Command{Kind: ORLY, Mechanisms: []string{"A", "a"}}, errName},
		{Command{Kind: YARLY, Mechanisms: mechanisms(1), Data: make([]byte, maxData+1)}, errData},
		{Command{Kind: ORLY, Mechanisms: mechanisms(1), Data: make([]byte, maxData+1)}, errData},
		{Command{Kind: SRSLY, Reason: strings.Repeat("4", maxReason+1)}, errReason},
		{Command{Kind: RTFM, Reason: "a\nb"}, errReason},
		{Command{Kind: RTFM, Reason: "a\x7f"}, errReason},
		{Command{Kind: RTFM, Reason: "schließt"}, errReason},
		{Command{Kind: OHAI, Data: []byte{0}}, errField},
		{Command{Kind: OHAIOK, Data: []byte{0}}, errField},
		{Command{Kind: SRSLY, Data: []byte{0}, Reason: "400 refused"}, errField},
		{Command{Kind: RTFM, Data: []byte{0}}, errField},
		{Command{Kind: OHAI, Reason: "hello"}, errField},
		{Command{Kind: OHAIOK, Reason: "hello"}, errField},
		{Command{Kind: ORLY, Mechanisms: mechanisms(1), Reason: "hello"}, errField},
		{Command{Kind: YARLY, Mechanisms: mechanisms(1), Reason: "hello"}, errField},
	} {
		if err := tt.c.check(); !errors.Is(err, tt.want) {
			t.Errorf("%+v: got %v, want %v", tt.c, err, tt.want)
		}
		for _, codec := range []Codec{FILEMQ, NOM} {
			if message, err := codec.Message(tt.c); !errors.Is(err, tt.want) || message != nil {
				t.Errorf("%T: %+v: got %q, %v", codec, tt.c, message, err)
			}
		}
	}
}

func TestKind(t *testing.T) {
	t.Parallel()
	for kind, want := range []string{"command 0", "OHAI", "ORLY", "YARLY", "OHAI-OK", "SRSLY", "RTFM", "command 7"} {
		if got := Kind(kind).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
