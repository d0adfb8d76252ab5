package sasl

import (
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestFILEMQ: the commands are those of RFC 19, byte for byte. They are written by hand from its
// grammar.
func TestFILEMQ(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		c    Command
		want [][]byte
	}{
		{Command{Kind: OHAI}, [][]byte{{
			0xAA, 0xA3, // signature
			0x01,                               // OHAI
			0x06, 'F', 'I', 'L', 'E', 'M', 'Q', // protocol: size, string
			0x01, // version
		}}},
		{Command{Kind: ORLY, Mechanisms: []string{"ANONYMOUS", "PLAIN"}}, [][]byte{{
			0xAA, 0xA3, // signature
			0x02,                                              // ORLY
			0x02,                                              // mechanisms: size
			0x09, 'A', 'N', 'O', 'N', 'Y', 'M', 'O', 'U', 'S', // mechanism: size, string
			0x05, 'P', 'L', 'A', 'I', 'N', // mechanism: size, string
		}, {}}}, // challenge: a frame, empty
		{Command{Kind: ORLY, Mechanisms: []string{"PLAIN"}, Data: []byte{0x00, 0xFF, 0xAA, 0xA3}}, [][]byte{{
			0xAA, 0xA3, // signature
			0x02,                          // ORLY
			0x01,                          // mechanisms: size
			0x05, 'P', 'L', 'A', 'I', 'N', // mechanism: size, string
		}, {
			0x00, 0xFF, 0xAA, 0xA3, // challenge
		}}},
		// The response is that of fmq_sasl_plain_encode: no authorization identity in front.
		{Command{Kind: YARLY, Mechanisms: []string{"PLAIN"}, Data: []byte("\x00guest\x00guest")}, [][]byte{{
			0xAA, 0xA3, // signature
			0x03,                          // YARLY
			0x05, 'P', 'L', 'A', 'I', 'N', // mechanism: size, string
		}, {
			0x00, 'g', 'u', 'e', 's', 't', 0x00, 'g', 'u', 'e', 's', 't', // response
		}}},
		{Command{Kind: YARLY, Mechanisms: []string{"ANONYMOUS"}}, [][]byte{{
			0xAA, 0xA3, // signature
			0x03,                                              // YARLY
			0x09, 'A', 'N', 'O', 'N', 'Y', 'M', 'O', 'U', 'S', // mechanism: size, string
		}, {}}}, // response: a frame, empty
		{Command{Kind: OHAIOK}, [][]byte{{
			0xAA, 0xA3, // signature
			0x04, // OHAI-OK
		}}},
		{Command{Kind: SRSLY, Reason: "400 refused"}, [][]byte{{
			0xAA, 0xA3, // signature
			0x80,                                                        // SRSLY
			0x0B, '4', '0', '0', ' ', 'r', 'e', 'f', 'u', 's', 'e', 'd', // reason: size, string
		}}},
		{Command{Kind: SRSLY}, [][]byte{{
			0xAA, 0xA3, // signature
			0x80, // SRSLY
			0x00, // reason: size; FileMQ's server gives none
		}}},
		{Command{Kind: RTFM, Reason: "bad command"}, [][]byte{{
			0xAA, 0xA3, // signature
			0x81,                                                        // RTFM
			0x0B, 'b', 'a', 'd', ' ', 'c', 'o', 'm', 'm', 'a', 'n', 'd', // reason: size, string
		}}},
	} {
		got, err := FILEMQ.Message(tt.c)
		ztest.Must(t, err)
		if diff := diff(tt.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.c, diff)
		}
		c, err := FILEMQ.Parse(tt.want)
		if diff := diff(tt.c, c); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", tt.want, err, diff)
		}
	}
}

// malformedFILEMQ are messages that are not commands of the exchange.
func malformedFILEMQ() []malformed {
	const (
		s     = "\xAA\xA3" // signature
		ohai  = s + "\x01\x06FILEMQ\x01"
		orly  = s + "\x02\x02\x09ANONYMOUS\x05PLAIN"
		yarly = s + "\x03\x05PLAIN"
		ok    = s + "\x04"
	)
	messages := []malformed{
		// Of another protocol.
		{nil, ErrForeign},
		{frames(""), ErrForeign},
		{frames("\xAA"), ErrForeign},
		{frames("\xAA\xA2\x01\x06FILEMQ\x01"), ErrForeign}, // another protocol of the guide
		{frames("\xA3\xAA\x01\x06FILEMQ\x01"), ErrForeign},
		{frames("OHAI"), ErrForeign},
		{frames("", ohai), ErrForeign}, // of a REQ
		// No command, and commands of others.
		{frames(s), errTruncated},
		{frames(s + "\x00"), errKind},
		{frames(s + "\x05\x01/\x00\x00"), errKind},                // ICANHAZ
		{frames(s + "\x07" + strings.Repeat("\x00", 8)), errKind}, // NOM
		{frames(s + "\x09"), errKind},                             // HUGZ
		{frames(s + "\x0B"), errKind},                             // KTHXBAI
		{frames(s + "\x0C"), errKind},
		{frames(s + "\x7F"), errKind},
		{frames(s + "\x82"), errKind},
		{frames(s + "\xFF"), errKind},
		// OHAI
		{frames(s + "\x01"), errTruncated},
		{frames(s + "\x01\x06FILEM"), errTruncated},
		{frames(s + "\x01\x06FILEMQ"), errTruncated},
		{frames(s + "\x01\x07FILEMQ\x01"), errPeering},
		{frames(s + "\x01\x06filemq\x01"), errPeering},
		{frames(s + "\x01\x00\x01"), errPeering},
		{frames(s + "\x01\x06FILEMQ\x00"), errVersion},
		{frames(s + "\x01\x06FILEMQ\x02"), errVersion},
		{frames(s + "\x01\x06FILEMQ\x00\x03"), errVersion}, // FileMQ of today (RFC 35)
		{frames(ohai + "\x00"), errTrailing},
		{frames(ohai, ""), errFrames},
		// ORLY
		{frames(s+"\x02", ""), errTruncated},
		{frames(s+"\x02\x00", ""), errMechanisms},
		{frames(s+"\x02\x01", ""), errTruncated},
		{frames(s+"\x02\x03\x09ANONYMOUS\x05PLAIN", ""), errTruncated},
		{frames(s+"\x02\x01\x09ANONYMOUS\x05PLAIN", ""), errTrailing},
		{frames(s+"\x02\x01\x06PLAIN", ""), errTruncated},
		{frames(s+"\x02\x01\x04PLAIN", ""), errTrailing},
		{frames(s+"\x02\x21"+strings.Repeat("\x01A", 33), ""), errMechanisms},
		{frames(s+"\x02\xFF"+strings.Repeat("\x01A", 255), ""), errMechanisms},
		{frames(s+"\x02\x02\x05PLAIN\x05PLAIN", ""), errDuplicate},
		{frames(s+"\x02\x02\x05PLAIN\x00", ""), errName},
		{frames(s+"\x02\x01\x05plain", ""), errName},
		{frames(s+"\x02\x01\x05PL IN", ""), errName},
		{frames(s+"\x02\x01\x15"+strings.Repeat("A", 21), ""), errName},
		{frames(orly), errFrames},
		{frames(orly, "", ""), errFrames},
		{frames(orly, strings.Repeat("x", maxData+1)), errData},
		// YARLY
		{frames(s+"\x03", ""), errTruncated},
		{frames(s+"\x03\x00", ""), errName},
		{frames(s+"\x03\x05PLAI", ""), errTruncated},
		{frames(s+"\x03\xFFPLAIN", ""), errTruncated},
		{frames(yarly+"\x00guest\x00guest", ""), errTrailing},
		{frames(yarly+"\x00", ""), errTrailing},
		{frames(s+"\x03\x05PL\x00IN", ""), errName},
		{frames(yarly), errFrames},
		{frames(yarly, "\x00guest", "\x00guest"), errFrames},
		{frames(yarly, strings.Repeat("x", maxData+1)), errData},
		{frames(yarly, strings.Repeat("x", 1<<20)), errData},
		// OHAI-OK
		{frames(ok + "\x00"), errTrailing},
		{frames(ok, ""), errFrames},
	}
	for _, id := range []string{"\x80", "\x81"} { // SRSLY and RTFM
		messages = append(messages, []malformed{
			{frames(s + id), errTruncated},
			{frames(s + id + "\x04bad"), errTruncated},
			{frames(s + id + "\xFFbad"), errTruncated},
			{frames(s + id + "\x02bad"), errTrailing},
			{frames(s + id + "\x04bad\n"), errReason},
			{frames(s + id + "\x04bad\x00"), errReason},
			{frames(s + id + "\x05b\xC3\xA4d."), errReason},
			{frames(s+id+"\x03bad", ""), errFrames},
		}...)
	}
	return messages
}

func TestFILEMQMalformed(t *testing.T) {
	t.Parallel()
	checkMalformed(t, FILEMQ, malformedFILEMQ())
}

func FuzzFILEMQ(f *testing.F) { fuzzCodec(f, FILEMQ, malformedFILEMQ()) }
