package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sasl"
)

// silent is an input that reports when it is read, and then blocks.
type silent chan struct{}

func (s silent) Read([]byte) (int, error) {
	close(s)
	select {}
}

// TestHashCanceled: a signal ends zauth while it waits for a password.
func TestHashCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	input := make(silent)
	code := make(chan int)
	var stdout, stderr strings.Builder
	go func() { code <- cli.Run(ctx, newRoot(), []string{"hash"}, input, &stdout, &stderr) }()
	ztest.Receive(t, "zauth reads its input", input)
	cancel(errors.New("that is enough"))
	if got := ztest.Receive(t, "zauth hash ends", code); got != cli.ExitFailed {
		t.Errorf("exit code %d", got)
	}
	if !strings.Contains(stderr.String(), "that is enough") || stdout.String() != "" {
		t.Errorf("got %q and %q", stdout.String(), stderr.String())
	}
}

// TestVerifier: zauth hash --scram prints a verifier, and with --plain both kinds, separated by a
// space.
func TestVerifier(t *testing.T) {
	t.Parallel()
	for flags, prefix := range map[string]string{"--scram": "", "--plain --scram": "$argon2id$v=19$m=65536,t=3,p=4$"} {
		var stdout, stderr strings.Builder
		args := append([]string{"hash"}, strings.Fields(flags)...)
		if code := cli.Run(t.Context(), newRoot(), args, strings.NewReader("hunter2\n"), &stdout, &stderr); code != 0 {
			t.Fatalf("%s: exit code %d: %s", flags, code, &stderr)
		}
		values := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), " ")
		if _, err := sasl.ParseVerifier(values[len(values)-1]); err != nil || len(values) != len(args)-1 || !strings.HasPrefix(values[0], prefix) {
			t.Errorf("%s: %q: %v", flags, values, err)
		}
	}
}

// TestPrepared: errors say which character of a password SCRAM does not allow, and why,
// but do not contain it.
func TestPrepared(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"pencil":           "",
		"Zoë \u00a0\u00ad": "",
		"ﬁ①":               "",
		"שלום":             "",
		"a\U0001f600":      "password: SCRAM does not allow character 2: it is newer than Unicode 3.2, such as an emoji",
		"é\x01":            "password: SCRAM does not allow character 2: it is a control character or other special character",
		"\ue000":           "password: SCRAM does not allow character 1: it is a control character or other special character",
		"a\xff":            "password is not UTF-8, which SCRAM requires",
		"\u00ad":           "password has only characters that SCRAM ignores",
		"":                 "password has only characters that SCRAM ignores",
		"שa":               "password: SCRAM does not allow its mix of right-to-left and left-to-right characters",
	} {
		got := ""
		if err := checkPrepared("password", []byte(text)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if _, err := sasl.NewVerifier([]byte(text)); (err == nil) != (want == "") {
			t.Errorf("%q: sasl.NewVerifier returns %v", text, err)
		}
	}
}
