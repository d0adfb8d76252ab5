package curve

import (
	"errors"
	"strings"
	"testing"
)

func TestError(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"", "400", "no such socket type", strings.Repeat("x", 255), "!~ "} {
		command, err := AppendError([]byte("before"), reason)
		if err != nil {
			t.Errorf("%q: %v", reason, err)
			continue
		}
		if want := "before\x05ERROR" + string(rune(len(reason))) + reason; len(reason) < 128 && string(command) != want {
			t.Errorf("%q: got %q, want %q", reason, command, want)
		}
		got, err := ParseError(command[len("before"):])
		if got != reason || err != nil {
			t.Errorf("%q came back as %q, %v", reason, got, err)
		}
	}
}

func TestErrorMalformed(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{strings.Repeat("x", 256), "line\nbreak", "\x1b[2J", "caf\xc3\xa9", "\x7f"} {
		command, err := AppendError([]byte("before"), reason)
		if _, ok := errors.AsType[*ProtocolError](err); ok || !errors.Is(err, errReason) || string(command) != "before" {
			t.Errorf("%q: got %q, %v", reason, command, err)
		}
	}
	for command, want := range map[string]error{
		"":                      errName,
		"\x05ERRO":              errName,
		"\x05READY\x00":         errName,
		"\x05error\x00":         errName,
		"\x05ERROR":             errLength,
		"\x05ERROR\x01":         errLength,
		"\x05ERROR\x04400":      errLength,
		"\x05ERROR\x02400":      errLength,
		"\x05ERROR\x00\x00":     errLength,
		"\x05ERROR\x034\x000":   errReason,
		"\x05ERROR\x03\x1b[m":   errReason,
		"\x05ERROR\x02\xc3\xa9": errReason,
		"\x05ERROR\xff" + strings.Repeat("x", 256): errLength,
	} {
		reason, err := ParseError([]byte(command))
		wantRefusal(t, err, "ERROR", want)
		if reason != "" {
			t.Errorf("%q: got reason %q", command, reason)
		}
	}
}

// TestProtocolErrorText checks that an error names the package, the command and the
// reason once each.
func TestProtocolErrorText(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"curve: WELCOME: box does not open":                          refuse(welcomeName, errBox),
		"curve: HELLO: invalid public key: low-order point":          refuse(helloName, new(PublicKey).check()),
		"curve: MESSAGE: counter is not greater than the last":       refuse(messageName, errNonce),
		"curve: INITIATE: invalid public key: not in canonical form": refuse(initiateName, (&PublicKey{31: 0xff}).check()),
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}
