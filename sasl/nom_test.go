package sasl

import (
	"errors"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

func TestNOM(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		c    Command
		want [][]byte
	}{
		{Command{Kind: OHAI}, frames("OHAI")},
		{Command{Kind: ORLY, Mechanisms: []string{"ANONYMOUS", "PLAIN"}}, frames("ORLY", "ANONYMOUS", "PLAIN", "")},
		{Command{Kind: ORLY, Mechanisms: []string{"PLAIN"}, Data: []byte("PLAIN")}, frames("ORLY", "PLAIN", "PLAIN")},
		{Command{Kind: YARLY, Mechanisms: []string{"PLAIN"}, Data: []byte("\x00guest\x00guest")}, frames("YARLY", "PLAIN", "\x00guest\x00guest")},
		{Command{Kind: YARLY, Mechanisms: []string{"ANONYMOUS"}}, frames("YARLY", "ANONYMOUS", "")},
		{Command{Kind: OHAIOK}, frames("OHAI-OK")},
		{Command{Kind: SRSLY, Reason: "400 refused"}, frames("WTF", "400 refused")},
		{Command{Kind: SRSLY, Reason: "9"}, frames("WTF", "9")},
		{Command{Kind: RTFM, Reason: "unexpected command"}, frames("WTF", "unexpected command")},
		{Command{Kind: RTFM, Reason: " 400"}, frames("WTF", " 400")},
		{Command{Kind: RTFM}, frames("WTF", "")},
	} {
		got, err := NOM.Message(tt.c)
		ztest.Must(t, err)
		if diff := diff(tt.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.c, diff)
		}
		c, err := NOM.Parse(tt.want)
		if diff := diff(tt.c, c); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", tt.want, err, diff)
		}
	}
	for _, c := range []Command{{Kind: RTFM, Reason: "400 refused"}, {Kind: SRSLY, Reason: "refused"}, {Kind: SRSLY}} {
		if message, err := NOM.Message(c); !errors.Is(err, errDigit) {
			t.Errorf("%+v: got %q, %v", c, message, err)
		}
	}
}

// malformedNOM are messages that are not commands of the exchange.
func malformedNOM() []malformed {
	return []malformed{
		{nil, ErrForeign},
		// No command, and commands of others.
		{frames(""), errKind},
		{frames("", "OHAI"), errKind}, // of a REQ
		{frames("ohai"), errKind},
		{frames("OHA"), errKind},
		{frames("OHAI "), errKind},
		{frames("OHAI\x00"), errKind},
		{frames("OHAI-OK-AND-SO-ON-AND-SO-ON"), errKind},
		{frames("SRSLY", "400 refused"), errKind},
		{frames("RTFM", "bad command"), errKind},
		{frames("ICANHAZ"), errKind},
		{frames("HUGZ"), errKind},
		{frames("\xAA\xA3\x01\x06FILEMQ\x01"), errKind},
		// Fields
		{frames("OHAI", "Joe"), errFrames},
		{frames("OHAI-OK", ""), errFrames},
		{frames("ORLY"), errFrames},
		{frames("ORLY", ""), errFrames},
		{append(append(frames("ORLY"), frames(mechanisms(33)...)...), nil), errFrames},
		{frames("ORLY", "PLAIN", "PLAIN", ""), errDuplicate},
		{frames("ORLY", "PLAIN", "", ""), errName},
		{frames("ORLY", "ANONYMOUS PLAIN", ""), errName},
		{frames("ORLY", "ANONYMOUS,PLAIN", ""), errName},
		{frames("ORLY", strings.Repeat("A", 21), ""), errName},
		{frames("ORLY", strings.Repeat("A", 1<<20), ""), errName},
		{frames("ORLY", "PLAIN", strings.Repeat("x", maxData+1)), errData},
		{frames("YARLY"), errFrames},
		{frames("YARLY", "PLAIN"), errFrames},
		{frames("YARLY", "PLAIN", "ANONYMOUS", ""), errFrames},
		{frames("YARLY", "", ""), errName},
		{frames("YARLY", "plain", ""), errName},
		{frames("YARLY", "PLAIN", strings.Repeat("x", maxData+1)), errData},
		{frames("YARLY", "PLAIN", strings.Repeat("x", 1<<20)), errData},
		{frames("WTF"), errFrames},
		{frames("WTF", "400", "refused"), errFrames},
		{frames("WTF", "400 refused\n"), errReason},
		{frames("WTF", "b\xC3\xA4d"), errReason},
		{frames("WTF", strings.Repeat("4", 256)), errReason},
		{frames("WTF", strings.Repeat("4", 1<<20)), errReason},
	}
}

func TestNOMMalformed(t *testing.T) {
	t.Parallel()
	checkMalformed(t, NOM, malformedNOM())
}

func FuzzNOM(f *testing.F) { fuzzCodec(f, NOM, malformedNOM()) }
