package zmtp_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// TestConfigPrints checks that a Config prints neither its password nor its secret
// key, whatever prints it.
func TestConfigPrints(t *testing.T) {
	t.Parallel()
	cfg := zmtp.Config{SocketType: "DEALER", Mechanism: zap.Plain, Key: curve.GenerateKey(),
		Username: "alice", Password: zap.NewPassword("open sesame")}
	octets := cfg.Key.AppendBytes(nil)
	var log strings.Builder
	for _, v := range []any{cfg, &cfg, struct{ cfg zmtp.Config }{cfg}, struct{ Config *zmtp.Config }{&cfg}} {
		slog.New(slog.NewTextHandler(&log, nil)).Info("message", "config", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("message", "config", v)
		out := log.String()
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			out += fmt.Sprintf(verb+"\n", v)
		}
		for _, secret := range []string{"open sesame", fmt.Sprintf("%x", "open sesame"), string(cfg.Key.AppendZ85(nil)),
			string(octets), fmt.Sprintf("%x", octets), strings.Trim(fmt.Sprint(octets), "[]"), strings.Trim(fmt.Sprintf("%#v", octets), "[]byte{}")} {
			if strings.Contains(out, secret) {
				t.Errorf("%q shows in\n%s", secret, out)
			}
		}
	}
	if !strings.Contains(log.String(), "alice") {
		t.Errorf("the user name isn't in the log: %s", &log)
	}
}
