//go:build unix

package examples_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// startFILEMQ starts examples/filemq with its own configuration, on an unused port, and returns
// its endpoint.
func startFILEMQ(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("filemq/filemq.cfg")
	ztest.Must(t, err)
	configuration := filepath.Join(t.TempDir(), "filemq.cfg")
	ztest.Must(t, os.WriteFile(configuration, []byte(strings.Replace(string(text), ":5670", ":*", 1)), 0o600))
	return start(t, "serving on ", ztest.GoProgram(t, "examples/filemq", "CGO_ENABLED=0"), configuration)
}

// TestFILEMQPython opens connections with libzmq, with handwritten bytes.
func TestFILEMQPython(t *testing.T) {
	t.Parallel()
	if out, err := output(t, ztest.Python(t), "testdata/filemq_client.py", startFILEMQ(t)); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestFILEMQUnraced(t *testing.T) {
	ztest.Unraced(t)
	t.Parallel()
	endpoint := startFILEMQ(t)
	for _, tt := range []struct {
		login, password string
		mechanisms      []string
		want            string // in the error; empty if the client is admitted
	}{
		{"guest", "guest", []string{sasl.Plain}, ""},
		{"super", "secret", []string{sasl.Plain}, ""},
		{"super", "secret", nil, ""}, // by SCRAM
		{"super", "guest", nil, "SCRAM-SHA-256 refused: 400 refused"},
		{"guest", "guest", nil, "SCRAM-SHA-256 refused: 400 refused"},
		{"guest", "secret", []string{sasl.Plain}, "PLAIN refused: 400 refused"},
		{"", "", nil, "PLAIN needs a user name and a password"},
	} {
		ctx := ztest.Context(t)
		conn, err := zmtp.Dial(ctx, endpoint, zmtp.Config{SocketType: "DEALER", Mechanism: zap.Null})
		ztest.Must(t, err)
		defer conn.Close()
		client, err := sasl.NewClient(sasl.ClientConfig{
			Codec:         sasl.FILEMQ,
			Username:      tt.login,
			Password:      zap.NewPassword(tt.password),
			Mechanisms:    tt.mechanisms,
			InsecurePlain: true,
		})
		ztest.Must(t, err)
		message, err := client.Start()
		for err == nil && message != nil {
			ztest.Must(t, conn.Send(ctx, message...))
			var reply [][]byte
			reply, err = conn.Recv(ctx)
			ztest.Must(t, err)
			message, err = client.Handle(reply)
		}
		if client.Done() != (tt.want == "") || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s, %s: got %v, want %q", tt.login, tt.password, err, tt.want)
		}
		if !client.Done() {
			continue
		}
		ztest.Must(t, conn.Send(ctx, []byte("\xAA\xA3\x09"))) // HUGZ
		reply, err := conn.Recv(ctx)
		if err != nil || len(reply) != 1 || string(reply[0]) != "\xAA\xA3\x0A" {
			t.Errorf("HUGZ: got %q, %v", reply, err)
		}
	}
}

// TestFILEMQClosed: the server closes the connection of a client that has used up its tries,
// says goodbye, or takes too long to authenticate.
func TestFILEMQClosed(t *testing.T) {
	t.Parallel()
	endpoint := startFILEMQ(t)
	const yarly = "\xAA\xA3\x03\x05PLAIN"
	guest := [][]string{{"\xAA\xA3\x01\x06FILEMQ\x01"}, {yarly, "\x00guest\x00guest"}}
	for name, messages := range map[string][][]string{
		"tries":   {{yarly, ""}, {yarly, ""}, {yarly, ""}, {yarly, ""}, {yarly, ""}, {yarly, ""}},
		"KTHXBAI": {guest[0], guest[1], {"\xAA\xA3\x0B"}},
		"silence": nil,
		"garbage": {{"hello"}, {"hello"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && (name == "silence" || name == "garbage") {
				t.Skip("takes 10 seconds")
			}
			ctx := ztest.Context(t)
			conn, err := zmtp.Dial(ctx, endpoint, zmtp.Config{SocketType: "DEALER", Mechanism: zap.Null})
			ztest.Must(t, err)
			defer conn.Close()
			for _, m := range messages {
				var parts [][]byte
				for _, p := range m {
					parts = append(parts, []byte(p))
				}
				ztest.Must(t, conn.Send(ctx, parts...))
			}
			for err == nil {
				_, err = conn.Recv(ctx)
			}
			if !errors.Is(err, io.EOF) {
				t.Errorf("got %v, want EOF", err)
			}
		})
	}
}
