package zmtp_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// wantTypes checks that an error names both socket types.
func wantTypes(t *testing.T, err error, ours, theirs, text string) {
	t.Helper()
	wrong, ok := errors.AsType[*zmtp.SocketTypeError](err)
	if !ok || *wrong != (zmtp.SocketTypeError{Ours: ours, Theirs: theirs}) {
		t.Errorf("got %v, want a %s and a %s", err, ours, theirs)
		return
	}
	if !errors.Is(err, zmtp.ErrIncompatible) || zmtp.Retryable(err) || !strings.HasSuffix(err.Error(), text) {
		t.Errorf("got %v, want ...%s", err, text)
	}
}

// TestSocketTypeError checks which side learns both socket types, over each mechanism.
func TestSocketTypeError(t *testing.T) {
	t.Parallel()
	for _, mechanism := range mechanisms {
		client, server := configs(mechanism, "PUSH", "REP")
		a, b := net.Pipe()
		c, s := shake(ztest.Context(t), a, b, client, server)
		wantTypes(t, s.err, "REP", "PUSH", "incompatible socket types: this side is a REP, the peer a PUSH")
		if mechanism == zap.Null {
			wantTypes(t, c.err, "PUSH", "REP", "incompatible socket types: this side is a PUSH, the peer a REP")
		} else if !errors.Is(c.err, zmtp.ErrIncompatible) || !strings.HasSuffix(c.err.Error(), "refused by server: incompatible socket types") {
			t.Errorf("%s: client: %v", mechanism, c.err)
		}
	}
}

// TestSocketTypeErrorOfReady checks the error of a PLAIN client whose server sends READY, and
// that what the server claims is quoted.
func TestSocketTypeErrorOfReady(t *testing.T) {
	t.Parallel()
	client, _ := configs(zap.Plain, "REQ", "REP")
	a, b := net.Pipe()
	defer b.Close()
	metadata, err := zap.Metadata{{Name: "Socket-Type", Value: "\x1b[2J"}}.Append([]byte("\x05READY"))
	ztest.Must(t, err)
	go io.Copy(io.Discard, b)
	go b.Write(append(append(greetingOf(zap.Plain), frame(4, []byte("\x07WELCOME"))...), frame(4, metadata)...))
	_, err = zmtp.Client(ztest.Context(t), a, client)
	wantTypes(t, err, "REQ", "\x1b[2J", `this side is a REQ, the peer a "\x1b[2J"`)
}
